/**
 * A registry for tests: the pulling half of the distribution API, over HTTP or TLS, open, with Basic or with bearer
 * tokens. It logs every request, counts every byte of every blob, and misbehaves on demand (registry-faults.ts).
 */
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Blob, Image } from './image.ts';
import {
  type BlobContent,
  type BlobFaults,
  contentOf,
  FaultCounts,
  retryAfterOf,
  sendBlob,
} from './registry-faults.ts';
import type { TokenServer } from './registry-tokens.ts';

export type RegistryAuth =
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | { readonly type: 'bearer'; readonly tokens: TokenServer };

export type RegistryOptions = {
  readonly ip?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly auth?: RegistryAuth;
};

export type Entry = {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly range: string | undefined;
  readonly agent: string | undefined;
  readonly headers: IncomingMessage['headers'];
  status: number;
  bodyBytes: number;
};

export type BlobCount = { gets: number; heads: number; bodyBytes: number; readonly ranges: (string | undefined)[] };

type Held = { readonly content: BlobContent; faults: BlobFaults; counts: FaultCounts; readonly count: BlobCount };

const PATH = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/;
const SIGNED = '/signed/';
const STORAGE_IP = '127.0.0.2';

export class Registry {
  readonly log: Entry[] = [];
  /** Every HEAD is answered with 405. */
  refusesHeads = false;
  readonly #server: Server;
  /** Serves the signed URLs: another host, to which no client sends its credentials. */
  readonly #storage: Server;
  readonly #options: RegistryOptions;
  readonly #blobs = new Map<string, Held>();
  /** By `repository@digest` and `repository:tag`. */
  readonly #manifests = new Map<string, Blob>();
  readonly #manifestFaults = new Map<string, FaultCounts & { refuse?: BlobFaults['refuse'] }>();
  readonly #repositories = new Map<string, Set<string>>();
  readonly #secret = randomBytes(16);
  readonly #uses = new Map<string, number>();
  #signatures = 0;
  #etags = 0;

  private constructor(options: RegistryOptions) {
    this.#options = options;
    [this.#server, this.#storage] = [this.#listener(), this.#listener()];
  }

  #listener(): Server {
    const { tls } = this.#options;
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    return server.on('request', (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: RegistryOptions = {}): Promise<Registry> {
    const registry = new Registry(options);
    registry.#server.listen(0, options.ip ?? '127.0.0.1');
    await once(registry.#server, 'listening');
    registry.#storage.listen(0, STORAGE_IP);
    await once(registry.#storage, 'listening');
    return registry;
  }

  /** `ip:port` */
  get host(): string {
    return hostOf(this.#server);
  }

  get url(): string {
    return this.#urlOf(this.#server);
  }

  #urlOf(server: Server): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${hostOf(server)}`;
  }

  add(repository: string, tag: string, image: Image): void {
    for (const { digest, bytes } of image.blobs.values()) this.addBlob(repository, digest, contentOf(bytes));
    for (const [digest, manifest] of image.manifests) this.#manifests.set(`${repository}@${digest}`, manifest);
    this.#manifests.set(`${repository}:${tag}`, image.root);
  }

  addBlob(repository: string, digest: string, content: BlobContent): void {
    const names = this.#repositories.get(repository) ?? new Set();
    this.#repositories.set(repository, names.add(digest));
    if (this.#blobs.has(digest)) return;
    const count = { gets: 0, heads: 0, bodyBytes: 0, ranges: [] };
    this.#blobs.set(digest, { content, faults: {}, counts: new FaultCounts({}), count });
  }

  /** Replaces what was said of the blob before. */
  misbehave(digest: string, faults: BlobFaults): void {
    const held = this.#held(digest);
    held.faults = faults;
    held.counts = new FaultCounts(faults);
  }

  /** Of a manifest, by `repository:tag` or `repository@digest`. */
  refuseManifest(name: string, refuse: NonNullable<BlobFaults['refuse']>): void {
    this.#manifestFaults.set(name, Object.assign(new FaultCounts({ refuse }), { refuse }));
  }

  count(digest: string): Readonly<BlobCount> {
    return this.#held(digest).count;
  }

  /** Requests for manifests that got one. */
  manifestReads(): readonly Entry[] {
    return this.log.filter(({ path, status }) => path.includes('/manifests/') && status === 200);
  }

  async close(): Promise<void> {
    for (const server of [this.#server, this.#storage]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  #held(digest: string): Held {
    const held = this.#blobs.get(digest);
    if (held === undefined) throw new Error(`the registry has no blob ${digest}`);
    return held;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', 'http://registry');
    const { method = 'GET', headers } = request;
    const { range, 'user-agent': agent } = headers;
    const entry: Entry = { method, path: pathname, query: search, range, agent, headers, status: 0, bodyBytes: 0 };
    this.log.push(entry);
    response.on('close', () => {
      entry.status = response.statusCode;
    });
    if (pathname.startsWith(SIGNED)) return this.#signed(pathname, search, request, response, entry);
    const [, repository = '', kind, name = ''] = PATH.exec(pathname) ?? [];
    if (!this.#allowed(request, repository)) return this.#challenge(repository, response);
    if ((method !== 'GET' && method !== 'HEAD') || (method === 'HEAD' && this.refusesHeads))
      return refuse(response, 405, 'UNSUPPORTED');
    if (pathname === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    if (kind === 'manifests') return this.#manifest(repository, name, request, response);
    const held = this.#repositories.get(repository)?.has(name) ? this.#blobs.get(name) : undefined;
    if (kind !== 'blobs' || held === undefined) return refuse(response, 404, 'BLOB_UNKNOWN');
    if (held.faults.redirect !== undefined && method === 'GET')
      return void response.writeHead(307, { location: this.#sign(name) }).end();
    return this.#blob(name, held, request, response, entry);
  }

  #allowed(request: IncomingMessage, repository: string): boolean {
    const { auth } = this.#options;
    const { authorization } = request.headers;
    if (auth === undefined) return true;
    if (auth.type === 'bearer') return auth.tokens.allows(authorization, repository, 'pull');
    const wanted = Buffer.from(`${auth.user}:${auth.password}`).toString('base64');
    return authorization === `Basic ${wanted}`;
  }

  #challenge(repository: string, response: ServerResponse): void {
    const { auth } = this.#options;
    const scope = repository === '' ? '' : `repository:${repository}:pull`;
    const challenge = auth?.type === 'bearer' ? auth.tokens.challenge(scope) : 'Basic realm="registry of the test"';
    response.setHeader('www-authenticate', challenge);
    refuse(response, 401, 'UNAUTHORIZED');
  }

  #manifest(repository: string, name: string, request: IncomingMessage, response: ServerResponse): void {
    const key = `${repository}${name.includes(':') ? '@' : ':'}${name}`;
    const faults = this.#manifestFaults.get(key);
    if (faults?.refuse !== undefined && faults.take('refuse')) return void refuseAs(response, faults.refuse);
    const manifest = this.#manifests.get(key);
    const accept = request.headers.accept ?? '*/*';
    if (manifest === undefined) return void refuse(response, 404, 'MANIFEST_UNKNOWN');
    // As the common registry does: who does not say that it can read this form does not get it.
    if (!accept.includes('*/*') && !accept.includes(manifest.mediaType))
      return void refuse(
        response,
        404,
        'MANIFEST_UNKNOWN',
        'the accept header does not allow the form of this manifest',
      );
    response.writeHead(200, {
      'content-type': manifest.mediaType,
      'content-length': manifest.bytes.length,
      'docker-content-digest': manifest.digest,
      'docker-distribution-api-version': 'registry/2.0',
      etag: `"${manifest.digest}"`,
    });
    response.end(request.method === 'HEAD' ? undefined : manifest.bytes);
  }

  #sign(digest: string): string {
    const serial = String(++this.#signatures);
    const signature = createHmac('sha256', this.#secret).update(`${digest} ${serial}`).digest('hex');
    return `${this.#urlOf(this.#storage)}${SIGNED}${digest}?X-Serial=${serial}&X-Signature=${signature}`;
  }

  async #signed(
    path: string,
    search: string,
    ...[request, response, entry]: [IncomingMessage, ServerResponse, Entry]
  ): Promise<void> {
    const digest = path.slice(SIGNED.length);
    const query = new URLSearchParams(search);
    const serial = query.get('X-Serial') ?? '';
    const signature = createHmac('sha256', this.#secret).update(`${digest} ${serial}`).digest('hex');
    const held = this.#blobs.get(digest);
    const uses = (this.#uses.get(serial) ?? 0) + 1;
    this.#uses.set(serial, uses);
    if (held === undefined || signature !== query.get('X-Signature') || uses > (held.faults.redirect?.uses ?? 0))
      return void response
        .writeHead(403, { 'content-type': 'application/xml' })
        .end('<Error>Request has expired</Error>');
    return this.#blob(digest, held, request, response, entry);
  }

  async #blob(
    digest: string,
    held: Held,
    ...[request, response, entry]: [IncomingMessage, ServerResponse, Entry]
  ): Promise<void> {
    const { content, faults, counts, count } = held;
    const isHead = request.method === 'HEAD';
    if (isHead) count.heads++;
    else {
      count.gets++;
      count.ranges.push(request.headers.range);
    }
    await faults.late;
    if (faults.refuse !== undefined && !isHead && counts.take('refuse')) return refuseAs(response, faults.refuse);
    const etag = faults.changingEtag ? `"etag-${++this.#etags}"` : `"${digest}"`;
    const range = faults.noRanges ? undefined : rangeOf(request, content.length, etag);
    if (range === 'outside')
      return void response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    const [start, end] = range ?? [0, content.length];
    const lieBytes = faults.lie !== undefined && !isHead && counts.take('lie') ? faults.lie.bytes : 0;
    response.writeHead(range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
      etag,
      ...(faults.noRanges ? {} : { 'accept-ranges': 'bytes' }),
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.length}` }),
      ...(faults.chunked ? {} : { 'content-length': end - start + lieBytes }),
    });
    if (isHead) return void response.end();
    const onBytes = (bytes: number) => {
      count.bodyBytes += bytes;
      entry.bodyBytes += bytes;
    };
    await sendBlob(response, { content, faults, counts, start, end, lieBytes, onBytes });
  }
}

function hostOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${address}:${port}`;
}

function rangeOf(request: IncomingMessage, length: number, etag: string): [number, number] | 'outside' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  if (match === null || (match[1] === '' && match[2] === '') || (condition !== undefined && condition !== etag))
    return undefined;
  if (match[1] === '') return [Math.max(0, length - Number(match[2])), length];
  const start = Number(match[1]);
  const end = match[2] === '' ? length : Math.min(Number(match[2]) + 1, length);
  return start >= length || end <= start ? 'outside' : [start, end];
}

function refuse(response: ServerResponse, status: number, code: string, message = code.toLowerCase()): void {
  const body = JSON.stringify({ errors: [{ code, message }] });
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

function refuseAs(response: ServerResponse, { status, retryAfter }: NonNullable<BlobFaults['refuse']>): void {
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfterOf(retryAfter));
  refuse(response, status, status === 429 ? 'TOOMANYREQUESTS' : 'UNAVAILABLE');
}
