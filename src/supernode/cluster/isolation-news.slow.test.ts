/** Supernodes that tell each other of isolated hosts in a real Redis, each with a scheduler of its own. Skipped by name without redis-server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually, RedisServer, redisPath } from '../../../test/support/redis.ts';
import { Random } from '../../base/random.ts';
import { type Log, silentLog } from '../../io/log.ts';
import { systemClock } from '../../io/system-clock.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import { Scheduler } from '../../scheduler/scheduler.ts';
import type { RememberedHost } from '../../scheduler/trust-memory.ts';
import { SwarmLoop, type TrustCommand } from '../swarm-loop.ts';
import { IsolationNews } from './isolation-news.ts';
import { printWord } from './isolation-word.ts';
import { SECRET } from './records.fixture.ts';
import { Redis } from './redis.ts';
import { parseRedis } from './redis-place.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

type One = {
  readonly commands: TrustCommand[];
  readonly warnings: string[];
  readonly scheduler: Scheduler;
  state(host: string): string | undefined;
  say(event: SchedulerEvent): void;
  close(): Promise<void>;
};

const id = (name: string) => parseHostId(name) as HostId;
let folder: string;
let server: RedisServer;
let all: One[];
/** Of all that happens here nothing waits for an isolation to end. */
let skippedMs: number;

function enter(name: string, remembered: readonly RememberedHost[] = []): One {
  const clock = { now: () => systemClock.now() + skippedMs, wall: () => systemClock.wall() + skippedMs };
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (_, text) => void warnings.push(text) };
  const redis = new Redis({
    place: parseRedis(server.url),
    clusterName: 'c',
    clock,
    log: silentLog,
    random: Math.random,
  });
  const scheduler = new Scheduler({ random: new Random(1) });
  scheduler.recall(remembered, 0, clock.now());
  const commands: TrustCommand[] = [];
  const loop = new SwarmLoop({
    ...{ scheduler, clock, send: () => undefined, addressOf: () => undefined, digestsFor: () => undefined },
    ...{ starved: () => undefined, load: () => 0, crowded: () => undefined },
    trust: (command) => {
      commands.push(command);
      news.take(command);
    },
  });
  const news = new IsolationNews({
    ...{ redis, secret: SECRET, self: id(name), clock, log },
    handle: (event) => loop.handle(event),
    remembered: () => scheduler.remember(clock.now(), 100),
  });
  for (const host of ['h1', 'h2']) {
    const site = { idc: '', location: '', machine: host };
    loop.handle({ type: 'host-joined', host: id(host), site, seed: false, uploads: true });
  }
  redis.start();
  news.start();
  const close = async () => {
    await news.close();
    loop.close();
    await redis.close();
  };
  const one = {
    ...{ commands, warnings, scheduler, close },
    state: (host: string) => loop.standingOf(id(host))?.state,
    say: (event: SchedulerEvent) => loop.handle(event),
  };
  all.push(one);
  return one;
}

const isolate = (one: One, host: string, forMs: number | null = null) =>
  one.say({ type: 'isolation-ordered', host: id(host), forMs, note: 'noises' });
const release = (one: One, host: string) => one.say({ type: 'release-ordered', host: id(host) });
const become = (state: string, host: string, ...those: One[]) =>
  eventually(`${host} is ${state}`, () => those.every((one) => one.state(host) === state), 60_000);
const told = (name: string) => server.ask('exists', `dragonfly:{c}:isolation:${name}`) === '1';

describe.skipIf(redisPath === undefined)('isolations in Redis (needs redis-server)', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dragonfly-isolations-'));
    server = await RedisServer.start(join(folder, 'redis'));
    all = [];
    skippedMs = 0;
  });
  afterEach(async () => {
    for (const { close } of all) await close();
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('go to the others, who do not tell them on, and to one that joins later; a release at one of them goes to all', async () => {
    const [a, b] = [enter('a'), enter('b')];
    isolate(a, 'h1');
    await become('isolated', 'h1', a, b);
    const standing = b.scheduler.standingOf(id('h1'), systemClock.now());
    expect(standing).toMatchObject({ reason: 'operator', note: 'noises', by: 'a', leftMs: null });
    const record = server.ask('get', 'dragonfly:{c}:isolation:h1');
    const late = enter('l');
    await become('isolated', 'h1', late);
    isolate(b, 'h2');
    await become('isolated', 'h2', a, b, late);
    expect(server.ask('get', 'dragonfly:{c}:isolation:h1')).toBe(record);
    release(b, 'h1');
    await become('ok', 'h1', a, b, late);
    await become('isolated', 'h2', a, b, late);
    expect(a.commands.at(-1)).toEqual({ type: 'released', host: 'h1', why: 'operator', by: 'b' });
    expect(a.commands.filter(({ type }) => type === 'released')).toHaveLength(1);
    release(a, 'h1');
    isolate(late, 'h1');
    await become('isolated', 'h1', a, b, late);
  });

  it('for a time end everywhere, on probation, and leave Redis by themselves', async () => {
    const [a, b] = [enter('a'), enter('b')];
    isolate(a, 'h1', 600_000);
    await become('isolated', 'h1', a, b);
    expect(b.commands).toMatchObject([{ type: 'isolated', host: 'h1', by: 'a' }]);
    const leftMs = Number(server.ask('pttl', 'dragonfly:{c}:isolation:h1'));
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(600_000);
    skippedMs = 600_000;
    for (const one of [a, b]) one.say({ type: 'tick' });
    await become('probation', 'h1', a, b);
    server.ask('del', 'dragonfly:{c}:isolation:h1');
    isolate(b, 'h2');
    await become('isolated', 'h2', a, b);
    await eventually('its id is struck off', () => server.ask('smembers', 'dragonfly:{c}:isolations') === 'h2');
  });

  it('made while Redis is away are told when it is back, and what an emptied Redis has lost is told again', async () => {
    const [a, b] = [enter('a'), enter('b')];
    isolate(a, 'h1');
    await become('isolated', 'h1', a, b);
    await server.kill();
    isolate(b, 'h2');
    await become('isolated', 'h2', b);
    expect([a.state('h2'), b.state('h1')]).toEqual(['ok', 'isolated']);
    await server.begin();
    await become('isolated', 'h2', a);
    await eventually('both are written down', () => told('h1') && told('h2'));
    const late = enter('l');
    await become('isolated', 'h1', late);
    await become('isolated', 'h2', late);
  });

  it('are remembered by who said them: released meanwhile they are over, else they are told anew', async () => {
    const isolated = { reason: 'operator', leftMs: null } as const;
    const rest = { probation: false, isolations: 0, service: [], wrong: [], doubt: [], excluded: [] };
    const b = enter('b');
    isolate(b, 'h1');
    release(b, 'h1');
    await eventually('the release is written down', () => told('h1'));
    const a = enter(
      'a',
      ['h1', 'h2'].map((host) => [id(host), { isolated, ...rest }] as const),
    );
    expect([a.state('h1'), a.state('h2')]).toEqual(['isolated', 'isolated']);
    await become('ok', 'h1', a);
    await become('isolated', 'h2', a, b);
    expect(b.state('h1')).toBe('ok');
  });

  it('that no supernode of this cluster has signed are not believed, and said so once each', async () => {
    const a = enter('a');
    const put = (name: string, record: string) => {
      server.ask('set', `dragonfly:{c}:isolation:${name}`, record, 'px', '100000');
      server.ask('sadd', 'dragonfly:{c}:isolations', name);
    };
    const word = { kind: 'isolated', by: id('x'), at: 1, reason: 'operator', until: null } as const;
    put('h1', printWord(Buffer.from('of another cluster'), { ...word, host: id('h1') }));
    put('h2', 'x'.repeat(10_000));
    put('h3', printWord(SECRET, { ...word, host: id('h1') }));
    put('h4', printWord(SECRET, { ...word, host: id('h4') }));
    server.ask('sadd', 'dragonfly:{c}:isolations', 'no host', 'nobody');
    server.ask('set', 'dragonfly:{c}:isolations-mark', 'changed', 'px', '100000');
    await become('isolated', 'h4', a);
    expect([a.state('h1'), a.state('h2'), a.state('h3')]).toEqual(['ok', 'ok', undefined]);
    await eventually(
      'what is no host is struck off',
      () => !server.ask('smembers', 'dragonfly:{c}:isolations').includes('no'),
    );
    for (const host of ['h1', 'h2']) {
      isolate(a, host);
      await eventually('it is told', () => server.ask('get', `dragonfly:{c}:isolation:${host}`).includes('noises'));
    }
    // It has read what it wrote.
    const b = enter('b');
    isolate(b, 'h5');
    await become('isolated', 'h5', a);
    expect(a.warnings.filter((text) => text.includes('not believed'))).toHaveLength(3);
  });
});
