import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../io/log.ts';
import { acceptSessions, type Session, type SessionAcceptor } from '../io/session.ts';
import { systemClock } from '../io/system-clock.ts';
import { type HostId, parseHostId, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { Member } from '../protocol/member.ts';
import type { HostMessage, SupernodeMessage } from '../protocol/messages.ts';
import { nodeOf, orderFor, placeOf } from './node-list.ts';
import type { LinkUser, SupernodeLink } from './supernode-link.ts';
import { Supernodes } from './supernodes.ts';

const task = (n: number) => parseTaskId(n.toString(16).padStart(64, '0')) as TaskId;
const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of clean.splice(0).reverse()) await end();
});
const waitFor = (look: () => void) => vi.waitFor(look, { timeout: 20_000, interval: 10 });

/** As much of a supernode as a host's links can see. */
class Fake {
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

async function cluster(count: number): Promise<Fake[]> {
  const fakes = await Promise.all(Array.from({ length: count }, (_, i) => new Fake(`s${i}`).start()));
  for (const fake of fakes) fake.members = () => fakes.map(({ member }) => member);
  return fakes;
}

function hostWith(...nodes: string[]): Supernodes {
  const supernodes = new Supernodes({
    ...{ nodes, clock: systemClock, log: silentLog, token: undefined, random: Math.random },
    connectTimeoutMs: 10_000,
    backoff: { firstMs: 20, maxMs: 50 },
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

const expectedFor = (fakes: readonly Fake[], n: number) =>
  orderFor(
    task(n),
    fakes.map(({ member }) => nodeOf(member)),
  ).map((node) => fakes.find(({ place }) => place === placeOf(node)) as Fake);

const user: LinkUser = { onMessage: () => undefined, onDown: () => undefined };

function openAt(link: SupernodeLink, n: number): void {
  link.open({ task: task(n), spec: { url: 'http://h/x', headers: [], filter: [] } }, user);
}

describe('the supernodes of a host', () => {
  it('are all of the cluster, though it was told of one: each task at the first of its order', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith(fakes[1]?.place ?? '');
    for (let n = 0; n < 12; n++) {
      const link = await supernodes.pick(task(n), []);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1, 1]));
  });

  it('of a list that a download names are a cluster as well', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith();
    for (let n = 0; n < 6; n++) {
      const link = await supernodes.pick(task(n), [fakes[0]?.place ?? '']);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
  });

  it('one that dies is passed over at once, and has its tasks again when it is back', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    await first.vanish();
    await waitFor(() => expect(supernodes.links.filter(({ up }) => up)).toHaveLength(2));
    const stand = await supernodes.pick(task(1), []);
    expect(stand.supernode).toBe(second.id);
    expect(supernodes.review(task(1), [], stand, new Set())).toBeUndefined();
    await first.start();
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
    const move = supernodes.review(task(1), [], stand, new Set());
    expect([move?.to.supernode, move?.when]).toEqual([first.id, 'settled']);
  });

  it('one that stands still is noticed while somebody waits for it', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    const link = await supernodes.pick(task(1), []);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    openAt(link, 1);
    first.stopReading();
    await waitFor(() => expect(link.up).toBe(false));
    expect(link.fault?.message).toContain('nothing heard');
    expect((await supernodes.pick(task(1), [])).supernode).toBe(second.id);
  });

  it('one that drains is left now, and asked only when nobody else is there', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    const link = await supernodes.pick(task(1), []);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    first.state = 'draining';
    first.tell();
    await waitFor(() => {
      const move = supernodes.review(task(1), [], link, new Set());
      expect([move?.to.supernode, move?.when]).toEqual([second.id, 'now']);
    });
    await second.vanish();
    await waitFor(() => expect(supernodes.links.filter(({ up }) => up)).toHaveLength(1));
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
  });

  it('one that was reached by another name has one session; by its own name when that breaks', async () => {
    const fakes = await cluster(2);
    const named = fakes[0] as Fake;
    const supernodes = hostWith(`localhost:${named.port}`);
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1]));
    for (let n = 0; n < 6; n++) {
      const link = await supernodes.pick(task(n), []);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
    expect(named.sessions.size).toBe(1);
    await named.vanish();
    await named.start();
    await waitFor(() => expect(supernodes.links.find(({ place }) => place === named.place)?.up).toBe(true));
    expect(named.sessions.size).toBe(1);
  });

  it('when all are gone, those of the configuration and the last members are tried', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1]));
    for (const fake of fakes) await fake.vanish();
    await waitFor(() => expect(supernodes.links.some(({ up }) => up)).toBe(false));
    await expect(supernodes.pick(task(1), [])).rejects.toMatchObject({ code: 'supernode-unreachable' });
    await fakes[1]?.start();
    const link = await supernodes.whenBack(task(1), [], AbortSignal.timeout(20_000));
    expect(link.supernode).toBe(fakes[1]?.id);
  });
});
