/**
 * An HTTP source for tests and the demo: it serves samples, counts every byte that leaves it, and misbehaves on demand.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Sample } from './sample.ts';

export type Misbehaviour = {
  /** Answers with this status and no content; `times` = how often (for ever). */
  readonly status?: number;
  readonly times?: number;
  /** Added to every answer; an empty value takes a header away. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends on to this address. */
  readonly redirect?: string;
  /** Sends the part that was asked for whatever If-Range says. */
  readonly ignoresIfRange?: boolean;
  /** Goes silent after so many bytes of a body; `times` = how often. */
  readonly stall?: { readonly afterBytes: number; readonly times: number };
  /** Of each connection. */
  readonly bytesPerSecond?: number;
  /** Answers 401 to requests without this Authorization. */
  readonly authorization?: string;
  /** No Content-Length. */
  readonly chunked?: boolean;
  /** Ignores Range. */
  readonly noRanges?: boolean;
  /** Announces this many bytes more (or fewer) than it sends. */
  readonly lieBytes?: number;
  /** Cuts the connection after so many bytes of a body; `times` = how often (for ever). */
  readonly cut?: { readonly afterBytes: number; readonly times?: number };
  /** No byte of a body is sent before this is resolved. */
  readonly gate?: Promise<void>;
  /** Holds a body at this byte until it is resolved. */
  readonly pause?: { readonly atByte: number; readonly until: Promise<void> };
};

export type Count = {
  /** Requests that asked for a body. */
  gets: number;
  heads: number;
  /** Answered 304. */
  unchanged: number;
  bodyBytes: number;
  /** Of each GET in order. */
  readonly ranges: (string | undefined)[];
  /** Of the last request. */
  headers: IncomingHttpHeaders;
};

type Served = {
  sample: Sample;
  faults: Misbehaviour;
  /** Bodies that were cut, went silent, or were refused so far. */
  cuts: number;
  stalls: number;
  refusals: number;
  readonly count: Count;
};

const READ_BYTES = 256 * 1024;

export class TestSource {
  readonly #server: Server;
  readonly #contents = new Map<string, Served>();
  /** Of all connections together; undefined = as fast as it goes. */
  readonly #bytesPerSecond: number | undefined;
  #nextSendAt = 0;

  private constructor(server: Server, bytesPerSecond: number | undefined) {
    this.#server = server;
    this.#bytesPerSecond = bytesPerSecond;
    server.on('request', (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: { ip?: string; bytesPerSecond?: number } = {}): Promise<TestSource> {
    const server = createServer();
    const source = new TestSource(server, options.bytesPerSecond);
    server.listen(0, options.ip ?? '127.0.0.1');
    await once(server, 'listening');
    return source;
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Returns the content's URL. */
  serve(name: string, sample: Sample | number, faults: Misbehaviour = {}): string {
    const content = typeof sample === 'number' ? new Sample(sample, name.length + sample) : sample;
    const count = { gets: 0, heads: 0, unchanged: 0, bodyBytes: 0, ranges: [], headers: {} };
    this.#contents.set(`/${name}`, { sample: content, faults, cuts: 0, stalls: 0, refusals: 0, count });
    return `${this.url}/${name}`;
  }

  /** From now on it has another content there, or other faults; what was counted stays. */
  change(name: string, change: { readonly sample?: Sample; readonly faults?: Misbehaviour }): void {
    Object.assign(this.#entry(name), change);
  }

  sample(name: string): Sample {
    return this.#entry(name).sample;
  }

  count(name: string): Readonly<Count> {
    return this.#entry(name).count;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #entry(name: string) {
    const entry = this.#contents.get(`/${name}`);
    if (entry === undefined) throw new Error(`the source does not serve ${name}`);
    return entry;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry = this.#contents.get(new URL(request.url ?? '/', 'http://source').pathname);
    if (entry === undefined) return this.#index(request, response);
    const { sample, faults, count } = entry;
    count.headers = request.headers;
    if (request.method === 'HEAD') count.heads++;
    else {
      count.gets++;
      count.ranges.push(request.headers.range);
    }
    if (faults.redirect !== undefined) return void response.writeHead(302, { location: faults.redirect }).end();
    if (faults.status !== undefined && entry.refusals++ < (faults.times ?? Number.POSITIVE_INFINITY))
      return void response.writeHead(faults.status, faults.headers).end();
    if (faults.authorization !== undefined && request.headers.authorization !== faults.authorization)
      return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="test"' }).end();
    const etag = faults.headers?.etag ?? `"${sample.length}-${sample.seed}"`;
    if (etag !== '' && request.headers['if-none-match'] === etag) {
      count.unchanged++;
      return void response.writeHead(304, { etag }).end();
    }
    const range = faults.noRanges ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const heeded = faults.ignoresIfRange || condition === undefined || condition === etag;
    const usable = range && heeded ? range : undefined;
    const start = usable ? Number(usable[1]) : 0;
    const end = usable?.[2] ? Math.min(Number(usable[2]) + 1, sample.length) : sample.length;
    if (start > 0 && start >= sample.length)
      return void response.writeHead(416, { 'content-range': `bytes */${sample.length}` }).end();
    const head: Record<string, string | number> = {
      etag,
      'content-type': 'application/octet-stream',
      ...(faults.noRanges ? {} : { 'accept-ranges': 'bytes' }),
      ...(usable ? { 'content-range': `bytes ${start}-${end - 1}/${sample.length}` } : {}),
      ...(faults.chunked ? {} : { 'content-length': end - start + (faults.lieBytes ?? 0) }),
      ...faults.headers,
    };
    const kept = Object.entries(head).filter(([, value]) => value !== '');
    response.writeHead(usable ? 206 : 200, Object.fromEntries(kept));
    if (request.method === 'HEAD') return void response.end();
    await this.#send(entry, response, start, end);
  }

  /** A page of what lies below a folder, as web servers make it; 404 where nothing does. */
  #index(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://source');
    const below = [...this.#contents.keys()].filter((path) => pathname.endsWith('/') && path.startsWith(pathname));
    if (below.length === 0) return void response.writeHead(404).end();
    const names = new Set(below.map((path) => path.slice(pathname.length).replace(/(?<=\/).*/s, '')));
    const links = [...names].map((name) => `<a href="${name}">${name}</a>`);
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<pre><a href="../">../</a>${links.join('\n')}</pre>`);
  }

  async #send(entry: Served, response: ServerResponse, start: number, end: number): Promise<void> {
    const { sample, faults, count } = entry;
    const cutting = faults.cut !== undefined && entry.cuts < (faults.cut.times ?? Number.POSITIVE_INFINITY);
    response.flushHeaders();
    await faults.gate;
    const began = performance.now();
    let sent = 0;
    for (const part of sample.parts(start, end, READ_BYTES)) {
      if (response.destroyed) return;
      if (faults.pause && start + sent >= faults.pause.atByte) await faults.pause.until;
      if (cutting && faults.cut && sent >= faults.cut.afterBytes) {
        entry.cuts++;
        response.destroy();
        return;
      }
      if (faults.stall && entry.stalls < faults.stall.times && sent >= faults.stall.afterBytes) {
        entry.stalls++;
        await once(response, 'close');
        return;
      }
      if (faults.bytesPerSecond !== undefined) {
        const at = began + ((sent + part.length) / faults.bytesPerSecond) * 1000;
        await new Promise((done) => setTimeout(done, at - performance.now()));
      }
      await this.#turn(part.length);
      if (!response.write(part)) await drained(response);
      sent += part.length;
      count.bodyBytes += part.length;
    }
    // A lie leaves bytes out that were announced: nothing more will come.
    if ((faults.lieBytes ?? 0) > 0) response.destroy();
    else response.end();
  }

  /** Waits until the uplink has room: one queue for all connections. */
  async #turn(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const now = performance.now();
    const at = Math.max(now, this.#nextSendAt);
    this.#nextSendAt = at + (bytes / this.#bytesPerSecond) * 1000;
    if (at - now > 1) await new Promise((done) => setTimeout(done, at - now));
  }
}

/** Resolves when it takes more, or nothing any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
