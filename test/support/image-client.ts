/**
 * A container client in the test's own process, for what needs many of them: it pulls an image as engines do, answers
 * challenges with a token of its own per image, and hashes what arrives.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';

export type ImageClientOptions = {
  /** `ip:port` of a mirror, or of a proxy for the registry `name`. */
  readonly at: string;
  readonly way: 'mirror' | 'proxy';
  readonly registry: string;
  readonly credentials?: string;
};

type Manifest = {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
};

export type Fetched = { readonly status: number; readonly sha256: string; readonly bytes: number };

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export class ImageClient {
  readonly #options: ImageClientOptions;
  #token: Promise<string> | undefined;
  /** Requests for tokens that this client made. */
  tokenRequests = 0;

  constructor(options: ImageClientOptions) {
    this.#options = options;
  }

  /** All of the image, `atOnce` blobs at a time. Throws at the first thing that is wrong. Returns the blobs' digests. */
  async pull(repository: string, reference: string, atOnce = 3): Promise<readonly string[]> {
    const root = await this.#manifest(repository, reference);
    const below = root.manifests?.map(({ digest }) => digest) ?? [];
    const manifests =
      below.length === 0 ? [root] : await Promise.all(below.map((one) => this.#manifest(repository, one)));
    const digests = manifests.flatMap(({ config, layers = [] }) => [...(config ? [config] : []), ...layers]);
    const left = [...new Set(digests.map(({ digest }) => digest))];
    const all = [...left];
    const work = async () => {
      for (let digest = left.shift(); digest !== undefined; digest = left.shift()) await this.blob(repository, digest);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return all;
  }

  async blob(repository: string, digest: string): Promise<void> {
    const { status, sha256 } = await this.fetch(`/v2/${repository}/blobs/${digest}`);
    if (status !== 200 || `sha256:${sha256}` !== digest) throw new Error(`${digest}: ${status}, ${sha256}`);
  }

  /** A GET with whatever credentials it takes; the body is hashed. */
  async fetch(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Fetched> {
    const answer = await this.#get(path, headers);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      hash.update(part);
      bytes += part.length;
    }
    return { status: answer.statusCode ?? 0, sha256: hash.digest('hex'), bytes };
  }

  async #manifest(repository: string, reference: string): Promise<Manifest> {
    const answer = await this.#get(`/v2/${repository}/manifests/${reference}`, { accept: ACCEPT });
    const text = await bodyOf(answer);
    if (answer.statusCode !== 200) throw new Error(`manifest ${reference}: ${answer.statusCode} ${text}`);
    return JSON.parse(text) as Manifest;
  }

  async #get(path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const token = await this.#token;
    const first = await this.#send(path, token === undefined ? headers : { ...headers, authorization: token });
    if (first.statusCode !== 401) return first;
    first.resume();
    this.#token ??= this.#askToken(first.headers['www-authenticate'] ?? '');
    return this.#send(path, { ...headers, authorization: await this.#token });
  }

  /** By the proxy, or directly where a mirror's challenge leads elsewhere. */
  async #askToken(challenge: string): Promise<string> {
    const part = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? '';
    const url = new URL(part('realm'));
    url.searchParams.set('service', part('service'));
    url.searchParams.set('scope', part('scope'));
    const { credentials, way } = this.#options;
    const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    const headers = { host: url.host, ...(basic === undefined ? {} : { authorization: basic }) };
    const [host, port] = (way === 'proxy' ? this.#options.at : url.host).split(':');
    this.tokenRequests++;
    const path = way === 'proxy' ? url.href : `${url.pathname}${url.search}`;
    const answer = await answerOf(send({ host, port, path, headers, agent: false }));
    const text = await bodyOf(answer);
    if (answer.statusCode !== 200) throw new Error(`token: ${answer.statusCode} ${text}`);
    return `Bearer ${(JSON.parse(text) as { token: string }).token}`;
  }

  #send(path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const { at, way, registry } = this.#options;
    const [host, port] = at.split(':');
    const target = way === 'proxy' ? `http://${registry}${path}` : `${path}?ns=${registry}`;
    const named = way === 'proxy' ? { host: registry } : { host: at };
    // A connection per request, as most engines do.
    return answerOf(send({ host, port, path: target, headers: { ...named, ...headers }, agent: false }));
  }
}

async function answerOf(sent: ReturnType<typeof send>): Promise<IncomingMessage> {
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  return text;
}
