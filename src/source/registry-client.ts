/**
 * Reading from a registry as a client: manifests, and the headers that its blobs want. A challenge is answered once for
 * all blobs of a repository; credentials go to the registry or to the token server that it names, never elsewhere.
 */
import type { Clock } from '../base/clock.ts';
import { sha256Hex } from '../io/hash.ts';
import { basicAuthorization, type Credential, RegistryTokens, type SmallGet } from '../io/registry-tokens.ts';
import { Fault } from '../protocol/faults.ts';
import { asksBasic, type Challenge, parseChallenges, tokenChallenge } from '../protocol/oci/challenge.ts';
import { MANIFEST_TYPES } from '../protocol/oci/image-manifest.ts';
import { type ImageReference, manifestUrl, printImage } from '../protocol/oci/image-reference.ts';
import type { Digest } from '../protocol/task.ts';
import { createDispatchers, type Dispatchers } from './dispatchers.ts';
import { discard } from './http-body.ts';
import { follow } from './http-follow.ts';
import { statusFault } from './http-headers.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

export type RegistryAccess = {
  /** Sent with every request to the registry. A Basic authorization among them serves as the credential too. */
  readonly headers: Headers;
  readonly credential?: Credential | undefined;
  readonly insecure?: boolean | undefined;
  readonly cacerts?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type ManifestText = { readonly text: string; readonly mediaType: string | undefined; readonly digest: Digest };

const STALL_MS = 30_000;
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const BASIC = /^basic\s+([A-Za-z0-9+/=]+)\s*$/i;

export class RegistryClient {
  readonly #dispatchers = createDispatchers();
  readonly #tokens: RegistryTokens;

  constructor(clock: Clock) {
    this.#tokens = new RegistryTokens(clock);
  }

  /** One repository, with one asker's access. */
  open(image: ImageReference, access: RegistryAccess): RegistryRepository {
    return new RegistryRepository(image, access, { dispatchers: this.#dispatchers, tokens: this.#tokens });
  }

  close(): Promise<void> {
    return this.#dispatchers.close();
  }
}

export class RegistryRepository {
  readonly #image: ImageReference;
  readonly #access: RegistryAccess;
  readonly #parts: { readonly dispatchers: Dispatchers; readonly tokens: RegistryTokens };
  readonly #credential: Credential | undefined;
  /** What goes with every request: without the authorization that a challenge may ask for in another form. */
  readonly #plain: Headers;
  #challenges: readonly Challenge[] = [];

  constructor(
    image: ImageReference,
    access: RegistryAccess,
    parts: { readonly dispatchers: Dispatchers; readonly tokens: RegistryTokens },
  ) {
    this.#image = image;
    this.#access = access;
    this.#parts = parts;
    const given = access.headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1];
    this.#credential = access.credential ?? credentialOf(given);
    this.#plain =
      this.#credential === undefined
        ? access.headers
        : access.headers.filter(([name]) => name.toLowerCase() !== 'authorization');
  }

  /** Faults: source-refused, source-unreachable, digest-mismatch. */
  async manifest(reference: string = this.#image.digest ?? this.#image.tag): Promise<ManifestText> {
    const url = manifestUrl(this.#image, reference);
    const accept = ['accept', MANIFEST_TYPES.join(', ')] as const;
    const ask = async () => this.#get(url, [...(await this.blobHeaders()), accept]);
    let answer = await ask();
    if (answer.status === 401) {
      const asked = parseChallenges(answer.headers['www-authenticate']);
      if (asked.length > 0) {
        this.#challenges = asked;
        answer = await ask();
      }
    }
    if (answer.status !== 200) throw statusFault(answer.status, `the manifest of ${printImage(this.#image)}`);
    const digest = `sha256:${sha256Hex(answer.body)}`;
    if (reference.startsWith('sha256:') && reference !== digest)
      throw new Fault('digest-mismatch', `the registry's manifest ${reference} is ${digest}`);
    const type = answer.headers['content-type'];
    return { text: answer.body.toString('utf8'), mediaType: typeof type === 'string' ? type : undefined, digest };
  }

  /** For a request of a blob now; a token that expires is asked for again. Holds secrets. */
  async blobHeaders(): Promise<Headers> {
    const challenge = tokenChallenge(this.#challenges);
    if (challenge !== undefined && !this.#hasBearer()) {
      const scope = challenge.scope ?? `repository:${this.#image.repository}:pull`;
      const get: SmallGet = (url, headers) => this.#get(url, headers);
      const token = await this.#parts.tokens.token(get, challenge, { scope, credential: this.#credential });
      return [...this.#plain, ['authorization', `Bearer ${token}`]];
    }
    if (this.#credential === undefined || !asksBasic(this.#challenges)) return this.#plain;
    return [...this.#plain, ['authorization', basicAuthorization(this.#credential)]];
  }

  #hasBearer(): boolean {
    return this.#plain.some(([name]) => name.toLowerCase() === 'authorization');
  }

  async #get(url: string, headers: Headers) {
    const { insecure, cacerts, signal } = this.#access;
    const request = {
      url,
      headers,
      stallMs: STALL_MS,
      ...(insecure === undefined ? {} : { insecure }),
      ...(cacerts === undefined ? {} : { cacerts }),
      ...(signal === undefined ? {} : { signal }),
    };
    const { answer } = await follow(request, this.#parts.dispatchers, undefined);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const part of answer.body) {
        parts.push(part);
        bytes += part.length;
        if (bytes > MAX_BODY_BYTES) throw new Fault('source-lied', `${new URL(url).host} answered too much`);
      }
    } catch (error) {
      discard(answer);
      throw Fault.of(error, 'source-unreachable');
    }
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) };
  }
}

function credentialOf(authorization: string | undefined): Credential | undefined {
  const match = authorization === undefined ? null : BASIC.exec(authorization);
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
