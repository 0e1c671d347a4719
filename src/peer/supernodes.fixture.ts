/** Supernodes as far as a host's links can see them, over real sessions on 127.0.0.1. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { vi } from 'vitest';
import type { Backoff } from '../base/backoff.ts';
import { silentLog } from '../io/log.ts';
import { acceptSessions, type Session, type SessionAcceptor } from '../io/session.ts';
import { systemClock } from '../io/system-clock.ts';
import { type HostId, parseHostId, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { Member } from '../protocol/member.ts';
import type { HostMessage, SupernodeMessage } from '../protocol/messages.ts';
import { nodeOf, orderFor, placeOf } from './node-list.ts';
import { Supernodes } from './supernodes.ts';

export const task = (n: number) => parseTaskId(n.toString(16).padStart(64, '0')) as TaskId;
const clean: (() => unknown)[] = [];

/** Ends what the tests have started. */
export async function cleanUp(): Promise<void> {
  for (const end of clean.splice(0).reverse()) await end();
}

export const waitFor = (look: () => void) => vi.waitFor(look, { timeout: 20_000, interval: 10 });

/** As much of a supernode as a host's links can see. */
export class Fake {
  readonly id: HostId;
  readonly sessions = new Set<Session<SupernodeMessage>>();
  readonly heard: HostMessage[] = [];
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #acceptor: SessionAcceptor | undefined;
  #port = 0;
  state: Member['state'] = 'up';
  members: () => readonly Member[] = () => [];

  constructor(name: string) {
    this.id = parseHostId(name) as HostId;
    clean.push(() => this.vanish());
  }

  get place(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get member(): Member {
    return { id: this.id, place: this.place, weight: 1, state: this.state };
  }

  /** At its old port, if it had one. */
  async start(): Promise<this> {
    const server = createServer();
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    });
    this.#acceptor = acceptSessions(server, '/v1/session', (session) => ({
      onMessages: (messages) => this.#take(session, messages),
      onClose: () => void this.sessions.delete(session),
    }));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** As kill -9 does it. */
  async vanish(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await this.#acceptor?.close();
    await new Promise((done) => server.close(done));
  }

  /** As SIGSTOP does it: connections stand and nobody reads. */
  stopReading(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  tell(): void {
    for (const session of this.sessions) this.#say(session);
  }

  #say(session: Session<SupernodeMessage>): void {
    const members = this.members();
    if (members.length > 0) session.send({ type: 'members', fresh: true, members });
  }

  #take(session: Session<SupernodeMessage>, messages: readonly HostMessage[]): void {
    this.heard.push(...messages);
    if (messages[0]?.type !== 'hello') return;
    this.sessions.add(session);
    session.send({ type: 'welcome', protocol: 1, supernode: this.id, beatMs: 0 });
    this.#say(session);
  }
}

export async function cluster(count: number): Promise<Fake[]> {
  const fakes = await Promise.all(Array.from({ length: count }, (_, i) => new Fake(`s${i}`).start()));
  for (const fake of fakes) fake.members = () => fakes.map(({ member }) => member);
  return fakes;
}

export function hostWith(...nodes: string[]): Supernodes {
  return patientHost({ firstMs: 20, maxMs: 50 }, nodes);
}

export function patientHost(backoff: Backoff, nodes: readonly string[]): Supernodes {
  const supernodes = new Supernodes({
    ...{ nodes, clock: systemClock, log: silentLog, token: undefined, random: Math.random },
    connectTimeoutMs: 10_000,
    backoff,
    describe: async () => ({
      ...{ id: parseHostId('host') as HostId, name: 'host', ip: '127.0.0.1', port: 1, version: '1', uploads: true },
      site: { idc: '', location: '', machine: '' },
    }),
    contents: () => [],
    onStray: () => undefined,
  });
  clean.push(() => supernodes.close());
  supernodes.start();
  return supernodes;
}

export const expectedFor = (fakes: readonly Fake[], n: number) =>
  orderFor(
    task(n),
    fakes.map(({ member }) => nodeOf(member)),
  ).map((node) => fakes.find(({ place }) => place === placeOf(node)) as Fake);
