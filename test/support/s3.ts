/**
 * A store that speaks S3 as far as readers and writers need it: objects with ranges and conditions, listings in pages, objects
 * that come whole or in parts. It checks every signature by a computation of its own from the description of the protocol, and
 * says so when one is wrong.
 */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type S3Options = {
  readonly region?: string;
  /** Absent = whoever comes may read. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly pageSize?: number;
  readonly ip?: string;
  readonly port?: number;
};

type Upload = { readonly path: string; readonly parts: Map<number, Buffer> };

export type S3Request = {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly bytes: number;
  readonly signed: boolean;
};

type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: Buffer };

export class TestS3 {
  readonly #server: Server;
  readonly #options: S3Options;
  readonly #buckets = new Map<string, Map<string, Buffer>>();
  /** An object that is read in many parts is hashed once. */
  readonly #etags = new WeakMap<Buffer, string>();
  readonly requests: S3Request[] = [];
  /** Objects that are coming in parts. */
  readonly uploads = new Map<string, Upload>();
  /** Answers this to so many requests that would change something. */
  failing = { status: 503, times: 0 };
  /** Of the last request that was refused. */
  refusal: string | undefined;

  private constructor(server: Server, options: S3Options) {
    this.#server = server;
    this.#options = options;
    server.on('request', (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: S3Options = {}): Promise<TestS3> {
    const server = createServer();
    const store = new TestS3(server, options);
    server.listen(options.port ?? 0, options.ip ?? '127.0.0.1');
    await once(server, 'listening');
    return store;
  }

  #etagOf(data: Buffer): string {
    const etag = this.#etags.get(data) ?? `"${createHash('md5').update(data).digest('hex')}"`;
    this.#etags.set(data, etag);
    return etag;
  }

  get endpoint(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  put(bucket: string, key: string, data: Buffer): void {
    const objects = this.#buckets.get(bucket) ?? new Map<string, Buffer>();
    this.#buckets.set(bucket, objects);
    objects.set(key, data);
  }

  /** Keys of a bucket, in order. */
  keys(bucket: string): readonly string[] {
    return [...(this.#buckets.get(bucket)?.keys() ?? [])].sort();
  }

  object(bucket: string, key: string): Buffer | undefined {
    return this.#buckets.get(bucket)?.get(key);
  }

  remove(bucket: string, key: string): void {
    this.#buckets.get(bucket)?.delete(key);
  }

  /** Requests of this kind that were answered well. */
  count(method: string): number {
    return this.requests.filter((each) => each.method === method && each.status < 300).length;
  }

  /** Bytes of bodies that were sent for this key. */
  bytesOf(bucket: string, key: string): number {
    const path = `/${bucket}/${key.split('/').map(encode).join('/')}`;
    return this.requests
      .filter(({ method, target }) => method === 'GET' && target.split('?')[0] === path)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { status, headers = {}, body = Buffer.alloc(0) } = this.#respond(request, Buffer.concat(chunks));
    const signed = request.headers.authorization !== undefined || /X-Amz-Signature/.test(request.url ?? '');
    this.requests.push({ method: request.method ?? '', target: request.url ?? '', status, bytes: body.length, signed });
    const length = status === 204 ? {} : { 'content-length': body.length };
    response.writeHead(status, { ...length, ...headers }).end(body);
  }

  #respond(request: IncomingMessage, sent: Buffer): Answer {
    const { keys, region = 'us-east-1' } = this.#options;
    if (keys !== undefined) {
      const asked = regionOf(request);
      if (asked === undefined) return this.#refuse(403, 'AccessDenied');
      if (asked !== region) return this.#refuse(400, 'AuthorizationHeaderMalformed', { 'x-amz-bucket-region': region });
      const wrong = signatureProblem(request, keys);
      if (wrong !== undefined) return this.#refuse(403, wrong);
    }
    const url = new URL(request.url ?? '/', 'http://store');
    const [bucket = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent);
    const objects = this.#buckets.get(bucket);
    if (objects === undefined) return this.#refuse(404, 'NoSuchBucket');
    if (url.searchParams.get('list-type') === '2') {
      const body = Buffer.from(this.#list(objects, url.searchParams));
      return { status: 200, headers: { 'content-type': 'application/xml' }, body };
    }
    if (request.method !== 'GET') return this.#change(request.method, bucket, rest.join('/'), url.searchParams, sent);
    const data = objects.get(rest.join('/'));
    return data === undefined ? this.#refuse(404, 'NoSuchKey') : this.#object(request, data);
  }

  #change(method: string | undefined, bucket: string, key: string, query: URLSearchParams, sent: Buffer): Answer {
    if (this.failing.times > 0) {
      this.failing.times--;
      return this.#refuse(this.failing.status, 'SlowDown');
    }
    const etag = { etag: this.#etagOf(sent) };
    const upload = query.get('uploadId');
    if (upload !== null) return this.#uploading(method, bucket, key, upload, query, sent, etag);
    if (method === 'POST' && query.has('uploads')) {
      const name = `upload ${this.requests.length}`;
      this.uploads.set(name, { path: `${bucket}/${key}`, parts: new Map() });
      return { status: 200, body: Buffer.from(`<R><UploadId>${name}</UploadId></R>`) };
    }
    if (method === 'DELETE') {
      this.remove(bucket, key);
      return { status: 204 };
    }
    if (method !== 'PUT') return this.#refuse(405, 'MethodNotAllowed');
    this.put(bucket, key, sent);
    return { status: 200, headers: etag };
  }

  #uploading(
    method: string | undefined,
    bucket: string,
    key: string,
    name: string,
    query: URLSearchParams,
    sent: Buffer,
    etag: { etag: string },
  ): Answer {
    const upload = this.uploads.get(name);
    if (upload?.path !== `${bucket}/${key}`) return this.#refuse(404, 'NoSuchUpload');
    if (method === 'PUT') {
      upload.parts.set(Number(query.get('partNumber')), sent);
      return { status: 200, headers: etag };
    }
    this.uploads.delete(name);
    if (method === 'DELETE') return { status: 204 };
    const named = [...sent.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)];
    const parts = named.map(([, number, tag]) => {
      const part = upload.parts.get(Number(number));
      return part !== undefined && tag === this.#etagOf(part) ? part : undefined;
    });
    if (parts.length === 0 || parts.includes(undefined)) return this.#refuse(400, 'InvalidPart');
    this.put(bucket, key, Buffer.concat(parts as Buffer[]));
    return { status: 200, body: Buffer.from('<CompleteMultipartUploadResult/>') };
  }

  #refuse(status: number, code: string, headers: Record<string, string> = {}): Answer {
    this.refusal = code;
    const body = Buffer.from(`<Error><Code>${code}</Code></Error>`);
    return { status, headers: { 'content-type': 'application/xml', ...headers }, body };
  }

  #object({ headers }: IncomingMessage, data: Buffer): Answer {
    const etag = this.#etagOf(data);
    if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } };
    const head = { etag, 'accept-ranges': 'bytes', 'last-modified': 'Mon, 23 Nov 2026 00:00:00 GMT' };
    const whole = headers['if-range'] !== undefined && headers['if-range'] !== etag;
    const range = whole ? null : /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
    if (range === null) return { status: 200, headers: head, body: data };
    const start = Number(range[1]);
    const end = Math.min(data.length, range[2] ? Number(range[2]) + 1 : data.length);
    if (start >= data.length) return this.#refuse(416, 'InvalidRange', { 'content-range': `bytes */${data.length}` });
    const part = { ...head, 'content-range': `bytes ${start}-${end - 1}/${data.length}` };
    return { status: 206, headers: part, body: data.subarray(start, end) };
  }

  #list(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const all = [...objects]
      .filter(([key]) => key.startsWith(prefix) && key > after)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const page = all.slice(0, this.#options.pageSize ?? 1000);
    const more = page.length < all.length;
    const name = (key: string) => encode(key).replaceAll('%20', '+').replaceAll('%2F', '/');
    const entries = page.map(
      ([key, data]) => `<Contents><Key>${name(key)}</Key><Size>${data.length}</Size></Contents>`,
    );
    const token = (page.at(-1)?.[0] ?? '').replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    const next = more ? `<NextContinuationToken>${token}</NextContinuationToken>` : '';
    return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`;
  }
}

type Claim = {
  readonly credential: readonly string[];
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly date: string;
  readonly inQuery: boolean;
};

function claimOf(request: IncomingMessage): Claim | undefined {
  const query = new URL(request.url ?? '/', 'http://store').searchParams;
  const header = /^AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=([0-9a-f]{64})$/.exec(
    request.headers.authorization ?? '',
  );
  if (header !== null) {
    const [, credential = '', signed = '', signature = ''] = header;
    const date = String(request.headers['x-amz-date']);
    return { credential: credential.split('/'), signedHeaders: signed.split(';'), signature, date, inQuery: false };
  }
  const signature = query.get('X-Amz-Signature');
  if (signature === null || query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') return undefined;
  const signedHeaders = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  const credential = (query.get('X-Amz-Credential') ?? '').split('/');
  return { credential, signedHeaders, signature, date: query.get('X-Amz-Date') ?? '', inQuery: true };
}

function regionOf(request: IncomingMessage): string | undefined {
  return claimOf(request)?.credential[2];
}

/** What is wrong with the signature, by the names that Amazon gives it. */
function signatureProblem(request: IncomingMessage, keys: Readonly<Record<string, string>>): string | undefined {
  const claim = claimOf(request);
  if (claim === undefined) return 'AccessDenied';
  const [id = '', day = '', region = '', service = '', end = ''] = claim.credential;
  const secret = keys[id];
  if (secret === undefined) return 'InvalidAccessKeyId';
  const at = Date.parse(claim.date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const url = new URL(request.url ?? '/', 'http://store');
  const validMs = claim.inQuery ? Number(url.searchParams.get('X-Amz-Expires')) * 1000 : 15 * 60_000;
  if (!claim.date.startsWith(day) || !(Date.now() - at < validMs) || at - Date.now() > 15 * 60_000)
    return 'RequestExpired';
  const mustSign = Object.keys(request.headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  if (mustSign.some((name) => !claim.signedHeaders.includes(name))) return 'AccessDenied';
  const text = [
    request.method,
    url.pathname.split('/').map(decodeURIComponent).map(encode).join('/'),
    canonicalQuery(url),
    ...claim.signedHeaders.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    claim.signedHeaders.join(';'),
    claim.inQuery ? 'UNSIGNED-PAYLOAD' : String(request.headers['x-amz-content-sha256']),
  ].join('\n');
  const scope = [day, region, service, end].join('/');
  const toSign = ['AWS4-HMAC-SHA256', claim.date, scope, createHash('sha256').update(text).digest('hex')].join('\n');
  const key = [day, region, service, end].reduce<Buffer | string>((with_, part) => hmac(with_, part), `AWS4${secret}`);
  return hmac(key, toSign).toString('hex') === claim.signature ? undefined : 'SignatureDoesNotMatch';
}

function canonicalQuery(url: URL): string {
  return url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('X-Amz-Signature='))
    .map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      return `${encode(decodeURIComponent(name))}=${encode(decodeURIComponent(value))}`;
    })
    .sort()
    .join('&');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
