/**
 * Asks a registry, with a client's own credentials, whether that client may have a blob, before it is given from the
 * cache or from peers. What the registry said while a manifest passed through counts, so that a usual pull asks nothing;
 * else one HEAD grants all blobs of a manifest, however many requests wait for it.
 */
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { sha256Hex } from '../io/hash.ts';
import { parseContentRange } from '../protocol/byte-range.ts';
import { Fault } from '../protocol/faults.ts';
import { parseDigest } from '../protocol/identity.ts';
import { type Descriptor, parseImageManifest } from '../protocol/oci/image-manifest.ts';
import type { Digest } from '../protocol/task.ts';
import { HEAD_TIMEOUT_MS } from './answer-limits.ts';
import { factsOf } from './direct-read.ts';
import { credentialOf, type Exchange } from './exchange.ts';
import { type Asker, Grants } from './grants.ts';
import { CONDITIONAL_HEADERS, headerOf, RANGE_HEADERS, withHeader, without } from './headers.ts';
import type { Watch } from './pass-through.ts';
import type { OwnCredentials } from './registry/own-credentials.ts';

/** Larger manifests pass through unread; registries allow 4 MiB. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Headers that would make an answer speak of something else than the whole. */
const CONDITIONS: ReadonlySet<string> = new Set([
  ...RANGE_HEADERS,
  ...CONDITIONAL_HEADERS,
  'accept',
  'content-length',
  'expect',
]);
const MANIFEST_ACCEPT =
  'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*';

const MAX_REDIRECTS = 5;
const MAX_READINGS = 10_000;
/** So old may be what a source said of a file that a rule sends P2P. */
const READING_MS = 10_000;
const SECRETS = new Set(['authorization', 'cookie', 'host']);
const STORAGE_REDIRECTS = new Set([307, 308]);

/** What the source itself says of a content to this client; undefined = it does not give it to this client. */
export type Reading = { readonly etag?: string; readonly lastModified?: string; readonly length?: number };

type Verdict = Reading | 'no' | 'unknown';

export class Access {
  readonly #own: OwnCredentials;
  readonly #grants: Grants;
  readonly #asking = new SingleFlight<string, Verdict>();
  readonly #readings: LRUCache<string, { readonly reading: Reading; readonly at: number }>;
  readonly #clock: Clock;

  constructor(own: OwnCredentials, clock: Clock) {
    this.#own = own;
    this.#clock = clock;
    this.#grants = new Grants(clock);
    this.#readings = new LRUCache({ max: MAX_READINGS });
  }

  /** False = the registry has to say it to the client itself. Fault source-unreachable. */
  async mayHave(exchange: Exchange, repository: string, blob: Digest): Promise<boolean> {
    const asker = askerOf(exchange, repository);
    if (this.#grants.has(asker, blob)) return true;
    try {
      return await this.#ask(exchange, asker, blob);
    } catch (error) {
      if (this.#grants.has(asker, blob, true)) return true;
      throw error;
    }
  }

  /** Bytes of a blob, where a manifest of this repository has said it. */
  sizeOf(exchange: Exchange, repository: string, blob: Digest): number | undefined {
    return this.#grants.sizeOf(askerOf(exchange, repository), blob);
  }

  /** The same for any other URL: what the source says of it to this client, so that only that content is given. */
  async read(exchange: Exchange): Promise<Reading | undefined> {
    const key = `${credentialOf(exchange)} ${exchange.url.href}`;
    const known = this.#readings.get(key);
    if (known !== undefined && this.#clock.now() - known.at < READING_MS) return known.reading;
    const verdict = await this.#asking.do(key, () => this.#askHead(exchange, exchange.url));
    if (typeof verdict === 'string') return undefined;
    this.#readings.set(key, { reading: verdict, at: this.#clock.now() });
    return verdict;
  }

  /** For requests of manifests that pass through: an answer to this client is a grant of what the manifest names. */
  watchManifest(exchange: Exchange, repository: string): Watch {
    const asker = askerOf(exchange, repository);
    return (answer) => {
      if (answer.statusCode !== 200) return;
      if (exchange.request.method === 'HEAD') {
        const manifest = parseDigest(headerOf(answer.rawHeaders, 'docker-content-digest') ?? '');
        if (manifest !== undefined) this.#grants.grant(asker, this.#grants.blobsOf(asker, manifest));
        return;
      }
      if (headerOf(answer.rawHeaders, 'content-encoding') !== undefined) return;
      collect(answer, MAX_MANIFEST_BYTES, (bytes) =>
        this.#learn(asker, bytes, headerOf(answer.rawHeaders, 'content-type')),
      );
    };
  }

  #learn(asker: Asker, bytes: Buffer, mediaType: string | undefined): void {
    let blobs: readonly Descriptor[];
    try {
      const manifest = parseImageManifest(bytes.toString('utf8'), mediaType);
      if (manifest.type === 'index') return;
      blobs = [manifest.config, ...manifest.layers];
    } catch {
      return; // Of a kind that we do not know: each of its blobs will be asked for.
    }
    this.#grants.learn(asker, { manifest: `sha256:${sha256Hex(bytes)}`, blobs });
    this.#grants.grant(
      asker,
      blobs.map(({ digest }) => digest),
    );
  }

  async #ask(exchange: Exchange, asker: Asker, blob: Digest): Promise<boolean> {
    const base = `${exchange.url.pathname.slice(0, exchange.url.pathname.lastIndexOf('/blobs/'))}`;
    const manifest = this.#grants.manifestWith(asker, blob);
    if (manifest !== undefined) {
      const url = new URL(`${base}/manifests/${manifest}`, exchange.url);
      const verdict = await this.#asking.do(keyOf(asker, manifest), () => this.#askHead(exchange, url));
      if (typeof verdict !== 'string') this.#grants.grant(asker, this.#grants.blobsOf(asker, manifest));
      if (this.#grants.has(asker, blob)) return true;
    }
    const verdict = await this.#asking.do(keyOf(asker, blob), () => this.#askHead(exchange, exchange.url));
    if (typeof verdict === 'string') return false;
    this.#grants.grant(asker, [blob]);
    return true;
  }

  async #askHead(exchange: Exchange, url: URL): Promise<Verdict> {
    const head = await this.#send(exchange, url, 'HEAD');
    if (head !== 'unknown') return head;
    return await this.#send(exchange, url, 'GET');
  }

  /** GET stands in where HEAD is not known: one byte is asked for, and none is read. */
  async #send(exchange: Exchange, place: URL, method: 'HEAD' | 'GET'): Promise<Verdict> {
    const { trust, origin, policy } = exchange;
    const accepting = withHeader(without(exchange.headers, CONDITIONS), 'Accept', MANIFEST_ACCEPT);
    let headers = method === 'GET' ? withHeader(accepting, 'Range', 'bytes=0-0') : accepting;
    let url = place;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const request = { url, method, headers, trust, origin, headTimeoutMs: HEAD_TIMEOUT_MS };
      const answer = await this.#own.send({ ...request, policy: hop === 0 ? policy : { type: 'none' } });
      if (method === 'GET') answer.destroy();
      else answer.resume();
      const status = answer.statusCode ?? 0;
      const location = headerOf(answer.rawHeaders, 'location');
      if (status < 300 || status >= 400 || location === undefined) return verdictOf(answer, method, url);
      // A registry sends on to its storage whom it has found to be allowed.
      if (STORAGE_REDIRECTS.has(status) && url.pathname.startsWith('/v2/')) return {};
      const next = URL.parse(location, url);
      if (next === null || !/^https?:$/.test(next.protocol)) return 'no';
      if (next.origin !== url.origin) headers = ['Host', next.host, ...without(headers, SECRETS)];
      url = next;
    }
    return 'no';
  }
}

function verdictOf(answer: IncomingMessage, method: 'HEAD' | 'GET', url: URL): Verdict {
  const status = answer.statusCode ?? 0;
  if (status >= 500 || status === 429)
    throw new Fault('source-unreachable', `${url.host} answered ${status}`, { sourceStatus: status });
  if (status >= 300) return method === 'HEAD' && status !== 401 && status !== 404 ? 'unknown' : 'no';
  const { etag, lastModified } = factsOf(answer.rawHeaders, false);
  const range = parseContentRange(headerOf(answer.rawHeaders, 'content-range') ?? '');
  const size = status === 206 ? range?.length : Number(headerOf(answer.rawHeaders, 'content-length') ?? Number.NaN);
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(size === undefined || size === null || Number.isNaN(size) ? {} : { length: size }),
  };
}

function askerOf(exchange: Exchange, repository: string): Asker {
  return { registry: exchange.url.origin, repository, credential: credentialOf(exchange) };
}

function keyOf(asker: Asker, digest: Digest): string {
  return [asker.registry, asker.repository, asker.credential, digest].join(' ');
}

/** All bytes of a body that others read too, if they are not too many. */
function collect(answer: IncomingMessage, maxBytes: number, done: (bytes: Buffer) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  answer.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    else parts.length = 0;
  });
  answer.once('end', () => {
    if (answer.complete && bytes <= maxBytes) done(Buffer.concat(parts));
  });
}
