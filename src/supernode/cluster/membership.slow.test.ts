/** Supernodes that find each other in a real Redis. Skipped by name without redis-server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually, RedisServer, redisPath } from '../../../test/support/redis.ts';
import { silentLog } from '../../io/log.ts';
import { systemClock } from '../../io/system-clock.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import { Membership, type MembersMessage } from './membership.ts';
import { Redis } from './redis.ts';
import { parseRedis } from './redis-place.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

type One = { readonly membership: Membership; readonly told: MembersMessage[]; close(): Promise<void> };

let folder: string;
let server: RedisServer;
let all: One[];

function enter(name: string): One {
  const [clock, log] = [systemClock, silentLog];
  const redis = new Redis({ place: parseRedis(server.url), clusterName: 'c', clock, log, random: Math.random });
  const told: MembersMessage[] = [];
  const self = { id: parseHostId(name) as HostId, place: `${name}:8002`, weight: 1 };
  const membership = new Membership({ redis, self, clock, log, onChange: (message) => told.push(message) });
  redis.start();
  membership.start();
  const close = async () => {
    await membership.close();
    await redis.close();
  };
  all.push({ membership, told, close });
  return { membership, told, close };
}

const places = ({ membership }: One) => membership.message.members.map(({ place }) => place.split(':')[0]).join('');
const know = (what: string, ...those: One[]) =>
  eventually(`they know ${what}`, () => those.every((one) => places(one) === what), 60_000);

describe.skipIf(redisPath === undefined)('the members of a cluster in Redis (needs redis-server)', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dragonfly-members-'));
    server = await RedisServer.start(join(folder, 'redis'));
    all = [];
  });
  afterEach(async () => {
    for (const { close } of all) await close();
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('find each other, are told of who drains and who goes, and leave nothing behind', async () => {
    const [a, b] = [enter('a'), enter('b')];
    await know('ab', a, b);
    const c = enter('c');
    await know('abc', a, b, c);
    expect(a.membership.hasHeir).toBe(true);
    c.membership.drain();
    expect(c.told.at(-1)?.members.find(({ id }) => id === 'c')?.state).toBe('draining');
    await eventually('the others know that it drains', () =>
      [a, b].every(({ membership }) => membership.message.members.some(({ state }) => state === 'draining')),
    );
    await c.close();
    await know('ab', a, b);
    expect(server.ask('--scan').split('\n').sort()).toEqual([
      'dragonfly:{c}:member:a',
      'dragonfly:{c}:member:b',
      'dragonfly:{c}:members',
      'dragonfly:{c}:probe',
    ]);
    expect(Number(server.ask('pttl', 'dragonfly:{c}:member:a'))).toBeLessThanOrEqual(5_000);
  });

  it('stay known without Redis, and when it comes back with nothing', async () => {
    const [a, b] = [enter('a'), enter('b')];
    await know('ab', a, b);
    await eventually('both are sure', () => [a, b].every(({ membership }) => membership.message.fresh));
    await server.kill();
    await eventually('they say that it is no news', () => [a, b].every(({ told }) => told.at(-1)?.fresh === false));
    expect([places(a), places(b)]).toEqual(['ab', 'ab']);
    const late = enter('l');
    expect(places(late)).toBe('l');
    const before = a.told.length;
    await server.begin();
    await know('abl', a, b, late);
    for (const { members } of a.told.slice(before)) expect(members.length).toBeGreaterThanOrEqual(2);
    await eventually('all are sure', () => all.every(({ membership }) => membership.message.fresh));
  });

  it('one that is killed is forgotten by itself', async () => {
    const [a, b] = [enter('a'), enter('b')];
    await know('ab', a, b);
    server.ask('set', 'dragonfly:{c}:member:ghost', 'no member at all', 'px', '4000');
    server.ask(
      'set',
      'dragonfly:{c}:member:k',
      JSON.stringify({ id: 'k', place: 'k:1', weight: 1, state: 'up' }),
      'px',
      '4000',
    );
    server.ask('sadd', 'dragonfly:{c}:members', 'ghost', 'k');
    await know('abk', a, b);
    await know('ab', a, b);
    await eventually(
      'their ids are struck off',
      () => server.ask('smembers', 'dragonfly:{c}:members').split('\n').length === 2,
    );
  });
});
