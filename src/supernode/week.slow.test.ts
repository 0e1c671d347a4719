/** A week of 10,000 tasks a day, on a clock that is moved by hand: what nobody uses leaves every map. */
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { Random } from '../base/random.ts';
import { BufferPool } from '../io/buffers.ts';
import { taskIdOf } from '../io/hash.ts';
import { silentLog } from '../io/log.ts';
import type { Session } from '../io/session.ts';
import { Fault } from '../protocol/faults.ts';
import { taskIdentity } from '../protocol/identity.ts';
import { type ContentId, parseHostId } from '../protocol/ids.ts';
import { PROTOCOL_VERSION, type SupernodeMessage } from '../protocol/messages.ts';
import type { TaskSpec } from '../protocol/task.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { SourceAnswer } from '../source/source.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { Cache } from './cache/cache.ts';
import { Grants } from './grants.ts';
import { HostFetches } from './host-fetches.ts';
import { Hosts } from './hosts.ts';
import { HostConversation } from './sessions.ts';
import { SwarmLoop } from './swarm-loop.ts';
import { Swarms } from './swarms.ts';
import { sweepMemory } from './sweeping.ts';

const DAY_MS = 24 * 3600 * 1000;
const TASKS_A_DAY = 10_000;
const HOSTS = 12;
/** Above the size that travels inside the answer. */
const BYTES = bytesOf(70_000);
const SPEC_EXPIRE_MS = 180_000;
const HOST_KEEPS_MS = 6 * 3600 * 1000;
const QUOTA = 200 * BYTES.length;

function idOf(name: string) {
  const id = parseHostId(name);
  if (id === undefined) throw new Error('no id');
  return id;
}

/** A host that takes what it is told to at once, keeps it for some hours, and then says that it is gone. */
class SimpleHost {
  readonly #conversation: HostConversation;
  readonly #answers = new Map<number, (message: SupernodeMessage) => void>();
  readonly #kept: { content: ContentId; until: number }[] = [];
  #requests = 0;

  constructor(name: string, parts: ConstructorParameters<typeof HostConversation>[2]) {
    const session: Session<SupernodeMessage> = {
      open: true,
      send: (message) => this.#hear(message),
      sendText: () => undefined,
      sendNow: () => undefined,
      close: () => undefined,
    };
    this.#conversation = new HostConversation(session, { ip: '10.0.0.2', port: 1, headers: {} }, parts);
    const site = { idc: '', location: '', machine: name };
    const host = { id: idOf(name), name, ip: '10.0.0.2', port: 1, site, version: '1', uploads: true };
    this.#say({ type: 'hello', protocol: PROTOCOL_VERSION, host });
  }

  /** Resolves when the supernode has answered; true when it gave the content. */
  async download(spec: TaskSpec, now: number): Promise<boolean> {
    const request = ++this.#requests;
    const answered = new Promise<SupernodeMessage>((resolve) => this.#answers.set(request, resolve));
    this.#say({ type: 'open', request, task: taskIdOf(taskIdentity(spec)), spec });
    const message = await answered;
    if (message.type !== 'opened') return false;
    const { content } = message;
    this.#say({ type: 'report', content, held: [[0, 0, 1]], failed: [] });
    this.#say({ type: 'leave', content });
    this.#kept.push({ content, until: now + HOST_KEEPS_MS });
    return true;
  }

  forgetOld(now: number): void {
    while ((this.#kept[0]?.until ?? Number.POSITIVE_INFINITY) < now) {
      const gone = this.#kept.shift();
      if (gone !== undefined) this.#say({ type: 'lost', content: gone.content, pieces: 'all' });
    }
  }

  leave(): void {
    this.#conversation.onClose(new Fault('cancelled', 'goodbye'));
  }

  #say(message: Parameters<HostConversation['onMessages']>[0][number]): void {
    this.#conversation.onMessages([message]);
  }

  #hear(message: SupernodeMessage): void {
    if (message.type !== 'opened' && message.type !== 'refused') return;
    this.#answers.get(message.request)?.(message);
    this.#answers.delete(message.request);
  }
}

function supernodeInMemory(clock: ManualClock) {
  let cache: Cache | undefined;
  const store = new MemoryStore({ clock, marks: { maxBytes: QUOTA }, onEvicted: (content) => cache?.forget(content) });
  const hosts = new Hosts({ id: idOf('seed'), ip: '10.0.0.1', port: 1 });
  const scheduler = new Scheduler({ random: new Random(1) });
  const loop = new SwarmLoop({
    scheduler,
    clock,
    send: (host, message) => hosts.send(host, message),
    addressOf: (host) => hosts.addressOf(host),
    digestFor: (host, content, piece) => swarms.digestFor(host, content, piece),
    starved: (content, pieces) => swarms.starved(content, pieces),
    isolated: () => undefined,
  });
  const site = { idc: '', location: '', machine: 'seed' };
  const swarms = new Swarms({ hosts, loop, clock, seedSite: site, seedUpBytesPerSecond: undefined });
  const openSource = async ({ url }: { url: string }): Promise<SourceAnswer> => {
    if (url.endsWith('missing')) throw new Fault('source-refused', 'not found', { sourceStatus: 404 });
    const body = (async function* () {
      yield BYTES;
    })();
    return {
      type: 'body',
      start: 0,
      length: BYTES.length,
      facts: { ranges: true, etag: '"1"' },
      freshForMs: DAY_MS,
      body,
    };
  };
  cache = new Cache({
    ...{ store, clock, openSource, log: silentLog, events: swarms },
    pool: new BufferPool({ budgetBytes: 16 * 1024 * 1024 }),
    secret: Buffer.from('a secret of the tests, 32 characters'),
    take: () => 0,
    delay: async () => undefined,
    random: () => 0.5,
    unique: () => 'unique',
    rememberFailureMs: 30_000,
    heuristicFreshMs: SPEC_EXPIRE_MS,
    staleIfErrorMs: 0,
    manifestFromHosts: async () => undefined,
  });
  swarms.start(cache);
  const grants = new Grants(() => 'grant');
  const fetches = new HostFetches({ hosts, grants, limit: 10, silenceMs: 1000 });
  const parts = { hosts, swarms, fetches, grants, clock, log: silentLog, name: 'supernode' };
  return { cache, store, hosts, swarms, loop, parts, core: scheduler.state };
}

describe('a supernode', () => {
  test('is as large after a week of 10,000 tasks a day as after the first day', async () => {
    const clock = new ManualClock(1_000_000);
    const { cache, store, hosts, swarms, loop, parts, core } = supernodeInMemory(clock);
    const crowd = Array.from({ length: HOSTS }, (_, index) => new SimpleHost(`host-${index}`, parts));
    const random = new Random(2);
    let given = 0;
    const counts = () => ({
      ...cache.counts,
      ...swarms.counts,
      ...hosts.counts,
      contents: store.list().length,
      schedulerHosts: core.hosts.size,
      schedulerSwarms: core.swarms.size,
      pairs: core.pairs.size,
      isolated: core.isolated.size,
    });
    const daily: ReturnType<typeof counts>[] = [];
    for (let task = 0; task < 7 * TASKS_A_DAY; task++) {
      clock.advance(DAY_MS / TASKS_A_DAY);
      const name = random.chance(0.02) ? `${task}-missing` : `${random.chance(0.1) ? random.below(task + 1) : task}`;
      const spec: TaskSpec = { url: `http://source.example/${name}`, headers: [], filter: [] };
      for (let asker = 0; asker < 2; asker++)
        if (await crowd[random.below(HOSTS)]?.download(spec, clock.now())) given++;
      if (task % 4 === 0) sweepMemory({ cache, swarms, clock }, SPEC_EXPIRE_MS);
      if (task % 10 === 0) for (const host of crowd) host.forgetOld(clock.now());
      if (task % 500 === 0) {
        // Hosts come and go under new names.
        crowd.shift()?.leave();
        crowd.push(new SimpleHost(`host-${HOSTS + task}`, parts));
      }
      if ((task + 1) % TASKS_A_DAY === 0) {
        await store.keep();
        sweepMemory({ cache, swarms, clock }, SPEC_EXPIRE_MS);
        daily.push(counts());
      }
    }
    loop.close();
    process.stdout.write(`${JSON.stringify({ first: daily[0], last: daily.at(-1) })}\n`);
    expect(given).toBeGreaterThan(1.9 * 7 * TASKS_A_DAY);
    const [first] = daily;
    if (first === undefined) throw new Error('no day went by');
    for (const [name, afterOneDay] of Object.entries(first)) {
      const most = Math.max(...daily.map((day) => day[name as keyof typeof first]));
      // Chance makes one day a little fuller than another; a map that grew would be seven times as full.
      expect({ name, flat: most <= 1.5 * afterOneDay + 50 }).toEqual({ name, flat: true });
    }
  }, 300_000);
});
