/**
 * The one port: requests for the mirror (`/v2/…`), for the proxy (absolute form), tunnels (CONNECT), intercepted
 * connections, and a few pages of our own. Here it is decided who may ask and what a request is; `desk.ts` answers it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { BlockList, Socket } from 'node:net';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { closeServer, listenOn } from '../io/listen.ts';
import type { Log } from '../io/log.ts';
import { Fault } from '../protocol/faults.ts';
import type { Desk, From } from './desk.ts';
import { refuse } from './refusal.ts';
import type { Tunnels } from './tunnels.ts';

export type FrontOptions = {
  readonly desk: Desk;
  readonly tunnels: Tunnels;
  readonly log: Log;
  /** Addresses that may ask. */
  readonly clients: BlockList;
  /** Own paths; undefined = it is none of them. */
  readonly own: (path: string) => OwnPage | undefined;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly maxConnections?: number;
};

export type OwnPage = { readonly status: number; readonly body: object | string };

const HEADERS_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_HEADER_LINES = 500;
/** Of all clients together; one more is closed at once. */
const MAX_CONNECTIONS = 10_000;
/** Everything else that is no request is a bad one. */
const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

export class Front {
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What an intercepted connection is for, and from where it came. */
  readonly #intercepted = new WeakMap<object, From>();

  constructor(options: FrontOptions) {
    this.#options = options;
    const settings = {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: 0,
      noDelay: true,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    this.#server =
      options.tls === undefined ? createServer(settings) : createTlsServer({ ...settings, ...options.tls });
    this.#server.headersTimeout = HEADERS_TIMEOUT_MS;
    this.#server.maxHeadersCount = MAX_HEADER_LINES;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => this.#request(request, response);
    this.#server.on('request', onRequest);
    // The target decides whether the body is wanted.
    this.#server.on('checkContinue', onRequest);
    this.#server.on('checkExpectation', onRequest);
    this.#server.on('connect', (request, socket, head) => this.#connect(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const status = CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request';
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      else socket.destroy();
    });
    this.#server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  }

  /** Resolves with the port. Faults: port-in-use, usage. */
  listen(host: string, port: number): Promise<number> {
    return listenOn(this.#server, { host, port });
  }

  /** Takes no more, and ends what is idle; what runs is cut when `graceMs` are over. */
  async close(graceMs: number): Promise<void> {
    const closed = closeServer(this.#server);
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
      this.#options.tunnels.close();
    }, graceMs);
    await closed;
    clearTimeout(timer);
    this.#options.tunnels.close();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { desk, own, log } = this.#options;
    const from = this.#intercepted.get(request.socket) ?? this.#clientOf(request.socket);
    // An error of the connection is its end, which everybody who writes to it watches.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    if (from === undefined) {
      refuse(response, 403, new Fault('usage', 'this client is not on the list of clients'));
      return;
    }
    const page =
      from.target === undefined && request.url?.startsWith('/') ? own(request.url.split('?')[0] ?? '') : undefined;
    if (page !== undefined) {
      answerPage(response, page);
      return;
    }
    desk.answer(request, response, from).catch((error: unknown) => {
      const fault = Fault.of(error);
      if (fault.code === 'internal') log.error({ error }, 'a request failed');
      if (response.headersSent) response.socket?.destroySoon();
      else refuse(response, fault.code === 'usage' ? 403 : fault.entry.status, fault);
    });
  }

  #connect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const from = this.#clientOf(request.socket);
    socket.on('error', () => socket.destroy());
    if (from === undefined) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#options.tunnels.open(request, socket, head, from.origin, (secure, target) => {
      this.#intercepted.set(secure, { origin: from.origin, target });
      this.#server.emit('connection', secure);
    });
  }

  /** Undefined = it may not ask. */
  #clientOf({ remoteAddress }: Socket): From | undefined {
    const address = remoteAddress ?? '';
    const version = isIP(address);
    if (version === 0 || !this.#options.clients.check(address, version === 6 ? 'ipv6' : 'ipv4')) return undefined;
    return { origin: isLoopback(address) ? 'loopback' : 'elsewhere' };
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address);
}

function answerPage(response: ServerResponse, { status, body }: OwnPage): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body, undefined, 2)}\n`;
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(text);
}
