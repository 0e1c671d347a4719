/**
 * Serves held pieces to children by plain HTTP, so that curl can read one too. Bytes go from the store into pooled
 * buffers and out by `write` with its callback: streams cost up to five times the CPU for the same bytes. A content is
 * acquired for as long as it is being sent.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { parseRange, printContentRange } from '../protocol/byte-range.ts';
import type { ContentId } from '../protocol/ids.ts';
import { parsePiecePath, vouchedFrom } from '../protocol/piece-path.ts';
import { createServer } from './http-server.ts';
import { closeServer, listenOn } from './listen.ts';
import type { Log } from './log.ts';
import type { Pace } from './pacer.ts';
import { PieceSending, type SendContext, type SendPart } from './piece-sending.ts';
import { SendSlots } from './send-slots.ts';
import type { Servable } from './servable.ts';

export type { Servable } from './servable.ts';

export type PieceServerOptions = {
  locate(id: ContentId): Servable | undefined;
  /** Answers sent at once; 0 = all. */
  readonly slots: number;
  /** Requests that wait for a slot; beyond it 503. */
  readonly queueLimit: number;
  /** How what goes out of a content is paced; undefined = nothing limits it now. */
  readonly pace?: (content: ContentId) => Pace | undefined;
  /** Bytes that left; less than the range when the child went away. */
  readonly onServed?: (id: ContentId, bytes: number, remote: string) => void;
  readonly log: Log;
  /** A child that does not take a buffer's bytes within this long is cut off. Milliseconds. */
  readonly stallMs?: number;
  readonly maxConnections?: number;
  /** Idle connections are closed after it; the piece client's own limit is shorter. Milliseconds. */
  readonly idleMs?: number;
};

const STALL_MS = 20_000;
const IDLE_MS = 60_000;
const HEADERS_MS = 10_000;
const MAX_CONNECTIONS = 2048;
const MAX_HEADER_BYTES = 8 * 1024;

export class PieceServer {
  readonly #options: PieceServerOptions;
  readonly #server: Server;
  readonly #slots: SendSlots;
  readonly #context: SendContext;
  readonly #sendings = new Set<PieceSending>();
  #bytesSent = 0;

  constructor(options: PieceServerOptions) {
    this.#options = options;
    this.#slots = new SendSlots(options.slots, options.queueLimit);
    this.#context = {
      pace: options.pace,
      stallMs: options.stallMs ?? STALL_MS,
      log: options.log,
      onServed: (id, bytes, remote) => {
        this.#bytesSent += bytes;
        options.onServed?.(id, bytes, remote);
      },
    };
    const idleMs = options.idleMs ?? IDLE_MS;
    this.#server = createServer(
      {
        keepAlive: true,
        noDelay: true,
        keepAliveTimeout: idleMs,
        headersTimeout: HEADERS_MS,
        // Only requests without a body are served: the whole request is its head.
        requestTimeout: HEADERS_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (request, response) => this.#serve(request, response),
    );
    this.#server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  }

  /** Answers being sent, requests waiting, and all bytes sent so far. */
  get load(): { readonly sending: number; readonly waiting: number; readonly bytesSent: number } {
    return { sending: this.#slots.busy, waiting: this.#slots.waiting, bytesSent: this.#bytesSent };
  }

  /** Resolves with the port. Fault port-in-use, usage. */
  listen(host: string, port: number): Promise<number> {
    return listenOn(this.#server, { host, port });
  }

  /** Cuts what is being sent, and waits until no content is in use any more. */
  async close(): Promise<void> {
    const closed = closeServer(this.#server);
    this.#server.closeAllConnections();
    await closed;
    await Promise.all([...this.#sendings].map((sending) => sending.finished));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(response, 405, { Allow: 'GET, HEAD', Connection: 'close' });
      return;
    }
    const path = parsePiecePath(request.url ?? '');
    const content = path === undefined ? undefined : this.#options.locate(path.content);
    if (path === undefined || content === undefined) answer(response, 404);
    else if (path.type === 'pieces') answerPieces(response, content, vouchedFrom(request.url ?? ''));
    else this.#serveBytes(request, response, path.content, content);
  }

  #serveBytes(request: IncomingMessage, response: ServerResponse, id: ContentId, content: Servable): void {
    const { length } = content.shape;
    const range = parseRange(request.headers.range, length);
    if (range.type === 'unsatisfiable') {
      answer(response, 416, { 'Content-Range': printContentRange(undefined, length) });
      return;
    }
    const span = range.type === 'part' ? range.span : { start: 0, end: length ?? 0 };
    const empty = range.type === 'whole' && length === 0;
    if (!empty && (span.end === span.start || !content.has(span))) {
      answer(response, 404);
      return;
    }
    const head: Record<string, string | number> = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': span.end - span.start,
      'Accept-Ranges': 'bytes',
      ETag: `"${id}"`,
    };
    if (range.type === 'part') head['Content-Range'] = printContentRange(span, length);
    const status = range.type === 'part' ? 206 : 200;
    if (empty || request.method === 'HEAD') response.writeHead(status, head).end();
    else this.#send(response, id, content, { span, status, head });
  }

  #send(response: ServerResponse, id: ContentId, content: Servable, part: SendPart): void {
    const sending = new PieceSending(response, { id, content, part }, this.#context);
    const start = () => {
      response.off('close', gone);
      this.#sendings.add(sending);
      void sending.run().then(() => {
        this.#sendings.delete(sending);
        this.#slots.release();
      });
    };
    // A child that leaves while it waits costs nothing more.
    const gone = () => this.#slots.withdraw(start);
    response.on('close', gone);
    if (!this.#slots.enter(start)) {
      response.off('close', gone);
      answer(response, 503, { 'Retry-After': '1' });
    }
  }
}

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Length': 0, ...headers }).end();
}

function answerPieces(response: ServerResponse, content: Servable, from: number | undefined): void {
  const held = content.heldBase64?.();
  if (held === undefined) {
    answer(response, 404);
    return;
  }
  const vouched = from === undefined ? undefined : content.vouchedSince?.(from);
  const body = Buffer.from(JSON.stringify({ shape: content.shape, held, ...vouched }));
  response
    .writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length, 'Cache-Control': 'no-store' })
    .end(body);
}
