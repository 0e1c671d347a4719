/**
 * One WebSocket between a host and its supernode, as an ordered stream of checked messages. Everything that one turn of
 * the event loop has to say leaves as one text frame (a JSON array), which is what makes tens of thousands of messages a
 * second cheap. Invariant: `onClose` is called exactly once, and nothing is delivered after it.
 */
import type { Server as HttpServer, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { decodeHostMessages, decodeSupernodeBytes, decodeSupernodeMessages } from '../protocol/codec.ts';
import { Fault } from '../protocol/faults.ts';
import type { HostMessage, SupernodeMessage } from '../protocol/messages.ts';
import { type SessionLimits, SessionSocket } from './session-socket.ts';

export type { SessionLimits } from './session-socket.ts';

export interface Session<Out> {
  readonly open: boolean;
  /** Rhythm at which the silence of the other side is noticed; see SessionLimits. */
  heartbeatMs: number;
  /** Queues; before the connection stands messages wait. Without effect on a closed session. */
  send(message: Out): void;
  /** Queues one message that is JSON text already: for a message that goes to many. */
  sendText(json: string): void;
  /** What is queued, messages that are JSON text already, and bytes, now in one frame; false = it cannot be now, and nothing was sent. */
  sendBytes(texts: readonly string[], bytes: Uint8Array): boolean;
  /** Sends what is queued now instead of at the end of this turn. */
  sendNow(): void;
  /** Milliseconds since anything was heard of the other side. */
  readonly quietMs: number;
  /** Asks for a sign of life. */
  ping(): void;
  /** Says goodbye with the fault, which the other side's onClose gets; own onClose follows with it too. */
  close(reason?: Fault): void;
}

export interface SessionReceiver<In> {
  onMessages(messages: readonly In[]): void;
  /** The last call. The other side's own reason where it gave one, else why the connection was lost. */
  onClose(reason: Fault): void;
}

export const SESSION_LIMITS: SessionLimits = {
  heartbeatMs: 10_000,
  maxFrameBytes: 8 * 1024 * 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxSessions: 20_000,
};

export type ConnectOptions = SessionReceiver<SupernodeMessage> & {
  onOpen(): void;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<SessionLimits>;
};

/** A host's side. `url` is `ws://host:port/v1/session`. Does not reconnect. Faults in onClose: supernode-unreachable, supernode-refused, bad-message, cancelled. */
export function connectSession(url: string, options: ConnectOptions): Session<HostMessage> {
  const limits = { ...SESSION_LIMITS, ...options.limits };
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: options.connectTimeoutMs ?? 5000,
    maxPayload: limits.maxFrameBytes,
    ...(options.headers === undefined ? {} : { headers: { ...options.headers } }),
  });
  const abort = () => session.close(new Fault('cancelled', 'the session was cancelled'));
  const session = new SessionSocket<HostMessage, SupernodeMessage>(socket, {
    limits,
    decode: decodeSupernodeMessages,
    decodeBytes: decodeSupernodeBytes,
    lost: 'supernode-unreachable',
    onMessages: (messages) => options.onMessages(messages),
    onClose: (reason) => {
      options.signal?.removeEventListener('abort', abort);
      options.onClose(reason);
    },
  });
  socket.on('open', () => {
    session.opened();
    if (session.open) options.onOpen();
  });
  socket.on('unexpected-response', (_request, response) => {
    response.resume();
    session.end(new Fault('supernode-refused', `the supernode answered ${response.statusCode} to the session request`));
  });
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted) abort();
  return session;
}

export type SessionRemote = {
  readonly ip: string;
  readonly port: number;
  /** Holds secrets: never logged. */
  readonly headers: IncomingHttpHeaders;
};

export type SessionAcceptor = {
  readonly count: number;
  /** Closes every session with the reason (default: supernode-refused, shutting down); the HTTP server stays the caller's. */
  close(reason?: Fault): Promise<void>;
};

/** The supernode's side: takes over upgrades of `path` on a server that the caller owns. */
export function acceptSessions(
  server: HttpServer,
  path: string,
  onSession: (session: Session<SupernodeMessage>, remote: SessionRemote) => SessionReceiver<HostMessage>,
  options: Partial<SessionLimits> = {},
): SessionAcceptor {
  const limits = { ...SESSION_LIMITS, ...options };
  const acceptor = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: limits.maxFrameBytes });
  const sessions = new Set<SessionSocket<SupernodeMessage, HostMessage>>();
  let closing = false;

  const adopt = (socket: WebSocket, request: IncomingMessage) => {
    let receiver: SessionReceiver<HostMessage> | undefined;
    const session = new SessionSocket<SupernodeMessage, HostMessage>(socket, {
      limits,
      decode: decodeHostMessages,
      lost: 'agent-unreachable',
      onMessages: (messages) => receiver?.onMessages(messages),
      onClose: (reason) => {
        sessions.delete(session);
        receiver?.onClose(reason);
      },
    });
    sessions.add(session);
    receiver = onSession(session, {
      ip: (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''),
      port: request.socket.remotePort ?? 0,
      headers: request.headers,
    });
    session.opened();
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if ((request.url ?? '').split('?', 1)[0] !== path) {
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found');
      return;
    }
    // Agents send none; a page in somebody's browser does, and would be a host that nobody has set up.
    if (request.headers.origin !== undefined) {
      refuse(socket, '403 Forbidden');
      return;
    }
    if (closing || sessions.size >= limits.maxSessions) {
      refuse(socket, '503 Service Unavailable');
      return;
    }
    acceptor.handleUpgrade(request, socket, head, adopt);
  };
  server.on('upgrade', onUpgrade);

  return {
    get count() {
      return sessions.size;
    },
    async close(reason = new Fault('supernode-refused', 'the supernode is shutting down')) {
      closing = true;
      const gone = [...sessions].map((session) => session.closed);
      for (const session of sessions) session.close(reason);
      await Promise.all(gone);
      server.off('upgrade', onUpgrade);
      acceptor.close();
    },
  };
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
