/** A registry in the test's own process: it serves what it is given, asks for credentials if told to, and counts. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenOn } from '../io/listen.ts';

export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly lines: readonly string[];
};

/** Answers in the registry's place; false = the registry goes on. */
export type Misbehave = (request: IncomingMessage, response: ServerResponse, blob: Buffer) => boolean;

export class FakeRegistry {
  readonly seen: Seen[] = [];
  readonly blobs = new Map<string, Buffer>();
  /** Files by path, beside the registry. */
  readonly files = new Map<string, Buffer>();
  /** By `repository/reference`. */
  readonly manifests = new Map<string, { readonly type: string; readonly body: Buffer }>();
  /** Accepted Authorization values by repository; absent = everybody. */
  readonly accepted = new Map<string, Set<string>>();
  challenge = 'Basic realm="test"';
  misbehave: Misbehave | undefined;
  readonly #server: Server;
  port = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<this> {
    this.port = await listenOn(this.#server, { host: '127.0.0.1', port: 0 });
    return this;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  addBlob(bytes: Buffer): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  /** Gives the manifest's digest. */
  addImage(repository: string, tag: string, layers: readonly Buffer[]): string {
    const type = 'application/vnd.oci.image.manifest.v1+json';
    const descriptor = (bytes: Buffer, mediaType: string) => ({
      mediaType,
      digest: this.addBlob(bytes),
      size: bytes.length,
    });
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: type,
        config: descriptor(Buffer.from(`{"of":"${repository}"}`), 'application/vnd.oci.image.config.v1+json'),
        layers: layers.map((layer) => descriptor(layer, 'application/vnd.oci.image.layer.v1.tar+gzip')),
      }),
    );
    const digest = digestOf(body);
    for (const reference of [tag, digest]) this.manifests.set(`${repository}/${reference}`, { type, body });
    return digest;
  }

  count(method: string, part: string): number {
    return this.seen.filter((one) => one.method === method && one.url.includes(part)).length;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request;
    const { authorization, range } = request.headers;
    this.seen.push({ method, url, authorization, range, lines: request.rawHeaders });
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(blobs|manifests)\/([^/?]+)$/.exec(url.replace(/[?].*/s, '')) ?? [];
    const accepted = this.accepted.get(repository);
    if (accepted !== undefined && !accepted.has(authorization ?? '')) {
      response.writeHead(401, { 'WWW-Authenticate': this.challenge, 'Content-Type': 'application/json' });
      response.end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return;
    }
    const file = this.files.get(url);
    if (url.startsWith('/token')) token(response, authorization);
    else if (file !== undefined) this.#blob(request, response, file);
    else if (kind === 'blobs') this.#blob(request, response, this.blobs.get(reference));
    else if (kind === 'manifests') this.#manifest(request, response, this.manifests.get(`${repository}/${reference}`));
    else this.#echo(request, response);
  }

  #blob(request: IncomingMessage, response: ServerResponse, blob: Buffer | undefined): void {
    if (blob === undefined) {
      notFound(response);
      return;
    }
    if (this.misbehave?.(request, response, blob) === true) return;
    const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const headers = {
      'Content-Type': 'application/octet-stream',
      ETag: `"${digestOf(blob)}"`,
      'Accept-Ranges': 'bytes',
    };
    const start = from === '' ? 0 : Number(from);
    const end = to === '' ? blob.length : Math.min(blob.length, Number(to) + 1);
    const part = from === '' ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${blob.length}` };
    response.writeHead(from === '' ? 200 : 206, { ...headers, ...part, 'Content-Length': end - start });
    response.end(request.method === 'HEAD' ? undefined : blob.subarray(start, end));
  }

  #manifest(
    request: IncomingMessage,
    response: ServerResponse,
    found: { type: string; body: Buffer } | undefined,
  ): void {
    if (found === undefined) {
      notFound(response);
      return;
    }
    const headers = {
      'Content-Type': found.type,
      'Docker-Content-Digest': digestOf(found.body),
      'Content-Length': found.body.length,
    };
    response.writeHead(200, headers);
    response.end(request.method === 'HEAD' ? undefined : found.body);
  }

  /** Everything else comes back as it was sent. */
  #echo(request: IncomingMessage, response: ServerResponse): void {
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      hash.update(part);
    });
    request.on('end', () => {
      response.writeHead(request.method === 'POST' ? 202 : 200, [
        ...['X-Repeated', 'one', 'X-Repeated', 'two', 'Trailer', 'X-Trailer', 'Content-Type', 'application/json'],
        ...(request.method === 'POST' ? ['Location', `http://${this.host}/v2/up/blobs/uploads/1?state=x`] : []),
      ]);
      response.addTrailers([['X-Trailer', 'after']]);
      const { method, url, rawHeaders: lines, rawTrailers: trailers } = request;
      response.end(JSON.stringify({ method, url, lines, trailers, bytes, sha256: hash.digest('hex') }));
    });
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function token(response: ServerResponse, authorization: string | undefined): void {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ token: `for-${authorization?.replace(' ', '-')}`, expires_in: 300 }));
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'Content-Type': 'application/json' });
  response.end('{"errors":[{"code":"BLOB_UNKNOWN"}]}');
}
