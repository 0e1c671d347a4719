/**
 * Serves held pieces to children by plain HTTP, so that curl can read one too. Bytes go from the store into pooled
 * buffers and out by `write` with its callback: streams cost up to five times the CPU for the same bytes. A content is
 * acquired for as long as it is being sent.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { parseRange, printContentRange } from '../protocol/byte-range.ts';
import type { ContentId } from '../protocol/ids.ts';
import { parsePiecePath, vouchedFrom } from '../protocol/piece-path.ts';
import type { RequestHead } from './http-head.ts';
import { closeServer, listenOn } from './listen.ts';
import type { Log } from './log.ts';
import type { Pace } from './pacer.ts';
import { PieceSending, type SendContext, type SendPart } from './piece-sending.ts';
import { SendSlots } from './send-slots.ts';
import type { Servable } from './servable.ts';
import { type ConnectionLimits, type Headers, ServedConnection } from './served-connection.ts';

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
  /** A head that takes longer to come ends the connection. Milliseconds. */
  readonly headMs?: number;
};

const STALL_MS = 20_000;
const IDLE_MS = 60_000;
const HEAD_MS = 10_000;
const MAX_CONNECTIONS = 2048;
/** How often connections are looked at, which makes their limits a little longer: at most, and as a share of the shortest. */
const CHECK_MS = 1_000;
const CHECK_SHARE = 0.25;

export class PieceServer {
  readonly #options: PieceServerOptions;
  readonly #server: Server;
  readonly #slots: SendSlots;
  readonly #context: SendContext;
  readonly #limits: ConnectionLimits;
  readonly #connections = new Set<ServedConnection>();
  readonly #sendings = new Set<PieceSending>();
  #checks: NodeJS.Timeout | undefined;
  #bytesSent = 0;

  constructor(options: PieceServerOptions) {
    this.#options = options;
    this.#slots = new SendSlots(options.slots, options.queueLimit);
    this.#context = {
      pace: options.pace,
      log: options.log,
      onServed: (id, bytes, remote) => {
        this.#bytesSent += bytes;
        options.onServed?.(id, bytes, remote);
      },
    };
    this.#limits = {
      idleMs: options.idleMs ?? IDLE_MS,
      headMs: options.headMs ?? HEAD_MS,
      stallMs: options.stallMs ?? STALL_MS,
    };
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
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
    for (const connection of this.#connections) connection.cut();
    await closed;
    await Promise.all([...this.#sendings].map((sending) => sending.finished));
  }

  #accept(socket: Socket): void {
    const connection = new ServedConnection(socket, this.#limits, {
      onRequest: (request, asked) => this.#serve(request, asked),
      onStalled: ({ remote }) => this.#options.log.info({ remote }, 'a child takes no bytes and is cut off'),
      onClosed: (closed) => {
        this.#connections.delete(closed);
        if (this.#connections.size > 0) return;
        clearInterval(this.#checks);
        this.#checks = undefined;
      },
    });
    this.#connections.add(connection);
    const { idleMs, headMs, stallMs } = this.#limits;
    const every = Math.min(CHECK_MS, CHECK_SHARE * Math.min(idleMs, headMs, stallMs));
    this.#checks ??= setInterval(() => this.#check(), every).unref();
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.check(now);
  }

  #serve(request: RequestHead, connection: ServedConnection): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      connection.say(405, { Allow: 'GET, HEAD' }, { close: true });
      return;
    }
    const path = parsePiecePath(request.url);
    const content = path === undefined ? undefined : this.#options.locate(path.content);
    if (path === undefined || content === undefined) connection.say(404, {});
    else if (path.type === 'pieces') sayPieces(request, connection, content);
    else this.#serveBytes(request, connection, path.content, content);
  }

  #serveBytes(request: RequestHead, connection: ServedConnection, id: ContentId, content: Servable): void {
    const { length } = content.shape;
    const range = parseRange(request.range, length);
    if (range.type === 'unsatisfiable') {
      connection.say(416, { 'Content-Range': printContentRange(undefined, length) });
      return;
    }
    const span = range.type === 'part' ? range.span : { start: 0, end: length ?? 0 };
    const empty = range.type === 'whole' && length === 0;
    if (!empty && (span.end === span.start || !content.has(span))) {
      connection.say(404, {});
      return;
    }
    const headers: Headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': span.end - span.start,
      'Accept-Ranges': 'bytes',
      ETag: `"${id}"`,
      ...(range.type === 'part' ? { 'Content-Range': printContentRange(span, length) } : {}),
    };
    const status = range.type === 'part' ? 206 : 200;
    if (empty || request.method === 'HEAD') connection.say(status, headers);
    else this.#send(connection, id, content, { span, status, head: headers });
  }

  #send(connection: ServedConnection, id: ContentId, content: Servable, part: SendPart): void {
    const sending = new PieceSending(connection, { id, content, part }, this.#context);
    const start = () => {
      this.#sendings.add(sending);
      void sending.run().then(() => {
        this.#sendings.delete(sending);
        this.#slots.release();
      });
    };
    // A child that leaves while it waits costs nothing more.
    connection.onGone = () => this.#slots.withdraw(start);
    if (this.#slots.enter(start)) return;
    connection.say(503, { 'Retry-After': '1' });
  }
}

function sayPieces({ url, method }: RequestHead, connection: ServedConnection, content: Servable): void {
  const held = content.heldBase64?.();
  if (held === undefined) {
    connection.say(404, {});
    return;
  }
  const from = vouchedFrom(url);
  const vouched = from === undefined ? undefined : content.vouchedSince?.(from);
  const body = JSON.stringify({ shape: content.shape, held, ...vouched });
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  };
  connection.say(200, headers, method === 'HEAD' ? {} : { body });
}
