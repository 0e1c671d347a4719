/**
 * An HTTP source for tests and the demo: it serves samples, counts every byte that leaves it, and misbehaves on demand.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Sample } from './sample.ts';

export type Misbehaviour = {
  /** Answers with this status and no content. */
  readonly status?: number;
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
};

const READ_BYTES = 256 * 1024;

export class TestSource {
  readonly #server: Server;
  readonly #contents = new Map<string, { sample: Sample; faults: Misbehaviour; cuts: number; count: Count }>();
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
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** Returns the content's URL. */
  serve(name: string, sample: Sample | number, faults: Misbehaviour = {}): string {
    const content = typeof sample === 'number' ? new Sample(sample, name.length + sample) : sample;
    const count = { gets: 0, heads: 0, unchanged: 0, bodyBytes: 0, ranges: [] };
    this.#contents.set(`/${name}`, { sample: content, faults, cuts: 0, count });
    return `${this.url}/${name}`;
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
    if (entry === undefined) return void response.writeHead(404).end();
    const { sample, faults, count } = entry;
    if (request.method === 'HEAD') count.heads++;
    else {
      count.gets++;
      count.ranges.push(request.headers.range);
    }
    if (faults.status !== undefined) return void response.writeHead(faults.status).end();
    if (faults.authorization !== undefined && request.headers.authorization !== faults.authorization)
      return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="test"' }).end();
    const etag = `"${sample.length}"`;
    if (request.headers['if-none-match'] === etag) {
      count.unchanged++;
      return void response.writeHead(304, { etag }).end();
    }
    const range = faults.noRanges ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const usable = range && (condition === undefined || condition === etag) ? range : undefined;
    const start = usable ? Number(usable[1]) : 0;
    const end = usable?.[2] ? Math.min(Number(usable[2]) + 1, sample.length) : sample.length;
    if (start > 0 && start >= sample.length)
      return void response.writeHead(416, { 'content-range': `bytes */${sample.length}` }).end();
    response.writeHead(usable ? 206 : 200, {
      etag,
      'content-type': 'application/octet-stream',
      ...(faults.noRanges ? {} : { 'accept-ranges': 'bytes' }),
      ...(usable ? { 'content-range': `bytes ${start}-${end - 1}/${sample.length}` } : {}),
      ...(faults.chunked ? {} : { 'content-length': end - start + (faults.lieBytes ?? 0) }),
    });
    if (request.method === 'HEAD') return void response.end();
    await this.#send(entry, response, start, end);
  }

  async #send(
    entry: { sample: Sample; faults: Misbehaviour; cuts: number; count: Count },
    response: ServerResponse,
    start: number,
    end: number,
  ): Promise<void> {
    const { sample, faults, count } = entry;
    const cutting = faults.cut !== undefined && entry.cuts < (faults.cut.times ?? Number.POSITIVE_INFINITY);
    response.flushHeaders();
    await faults.gate;
    let sent = 0;
    for (const part of sample.parts(start, end, READ_BYTES)) {
      if (response.destroyed) return;
      if (faults.pause && start + sent >= faults.pause.atByte) await faults.pause.until;
      if (cutting && faults.cut && sent >= faults.cut.afterBytes) {
        entry.cuts++;
        response.destroy();
        return;
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
