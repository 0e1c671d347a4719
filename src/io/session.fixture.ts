/** Both ends of sessions, over real sockets on 127.0.0.1. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Fault } from '../protocol/faults.ts';
import { type ContentId, parseContentId } from '../protocol/ids.ts';
import type { HostMessage, SupernodeMessage } from '../protocol/messages.ts';
import {
  acceptSessions,
  type ConnectOptions,
  connectSession,
  type Session,
  type SessionAcceptor,
  type SessionLimits,
  type SessionRemote,
} from './session.ts';

export const CONTENT = parseContentId(`${'a'.repeat(64)}.g1`) as ContentId;
export const PATH = '/v1/session';

/** What a test has started, to be ended after it. */
export const clean: (() => unknown)[] = [];

export async function cleanUp(): Promise<void> {
  for (const close of clean.splice(0).reverse()) await close();
}

/** Values that arrive, and a promise for the moment when there are enough. */
class Arrivals<T> {
  readonly all: T[] = [];
  #waiting: (() => void)[] = [];
  add(...values: T[]) {
    this.all.push(...values);
    for (const wake of this.#waiting.splice(0)) wake();
  }
  async upTo(count: number): Promise<T[]> {
    while (this.all.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.all;
  }
  async first(): Promise<T> {
    return (await this.upTo(1))[0] as T;
  }
}

type Guest = {
  session: Session<SupernodeMessage>;
  remote: SessionRemote;
  heard: Arrivals<HostMessage>;
  batches: number[];
  closed: Arrivals<Fault>;
};

export async function supernode(limits: Partial<SessionLimits> = {}) {
  const server = createServer((_request, response) => response.end('plain'));
  const guests = new Arrivals<Guest>();
  const acceptor: SessionAcceptor = acceptSessions(
    server,
    PATH,
    (session, remote) => {
      const guest: Guest = { session, remote, heard: new Arrivals(), batches: [], closed: new Arrivals() };
      guests.add(guest);
      return {
        onMessages: (messages) => {
          guest.batches.push(messages.length);
          guest.heard.add(...messages);
        },
        onClose: (reason) => guest.closed.add(reason),
      };
    },
    limits,
  );
  await listen(server);
  clean.push(async () => {
    await acceptor.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { server, acceptor, guests, port, url: `ws://127.0.0.1:${port}${PATH}` };
}

export async function listen(server: Server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

export function host(url: string, options: Partial<ConnectOptions> = {}) {
  const heard = new Arrivals<SupernodeMessage>();
  const closed = new Arrivals<Fault>();
  const opened = new Arrivals<true>();
  const session = connectSession(url, {
    onMessages: (messages) => heard.add(...messages),
    onOpen: () => opened.add(true),
    onClose: (reason) => closed.add(reason),
    ...options,
  });
  clean.push(() => session.close());
  return { session, heard, closed, opened };
}

export const leave: HostMessage = { type: 'leave', content: CONTENT };
export const ask: SupernodeMessage = { type: 'ask-manifest', content: CONTENT };
