/** The three kinds of Redis as processes of their own: killed, stopped, failed over. Skipped by name without redis-server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestAuthority } from '../../../test/support/certificates.ts';
import { freePort } from '../../../test/support/free-port.ts';
import { eventually, RedisServer, redisCluster, redisPath } from '../../../test/support/redis.ts';
import type { Log } from '../../io/log.ts';
import { systemClock } from '../../io/system-clock.ts';
import { Redis } from './redis.ts';
import { parseRedis } from './redis-place.ts';

/** A busy machine takes its time to start six servers. */
const LIMIT_MS = 240_000;
vi.setConfig({ hookTimeout: 60_000 });
/** A call ends within a second; what is shown here is that it does not wait for Redis to come back. */
const CALL_MS = 20_000;

let folder: string;
let clean: (() => Promise<void>)[];
let said: string;

function open(url: string): Redis {
  const keep = (fields: object, message: string) => {
    said += `${message} ${JSON.stringify(fields)}\n`;
  };
  const log: Log = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  const redis = new Redis({
    place: parseRedis(url),
    clusterName: 'test',
    clock: systemClock,
    log,
    random: Math.random,
  });
  clean.unshift(() => redis.close());
  redis.start();
  return redis;
}

async function server(...args: Parameters<typeof RedisServer.start>): Promise<RedisServer> {
  const started = await RedisServer.start(...args);
  clean.push(() => started.kill());
  return started;
}

const isUp = (redis: Redis) => eventually('Redis is there', () => redis.health.up, 60_000);
const isDown = (redis: Redis) => eventually('Redis is away', () => !redis.health.up, 60_000);

async function worksAll(redis: Redis): Promise<void> {
  const [key, set] = [redis.key('a'), redis.key('s')];
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  await redis.set(key, bytes, 60_000);
  expect(await redis.get(key)).toEqual(bytes);
  expect(await redis.getMany([redis.key('none'), key])).toEqual([undefined, bytes]);
  expect([await redis.setIfAbsent(key, 'x', 1_000), await redis.setIfAbsent(redis.key('b'), 'x', 1_000)]).toEqual([
    false,
    true,
  ]);
  await redis.addToSet(set, 'one', 'two');
  expect([...(await redis.membersOfSet(set))].sort()).toEqual(['one', 'two']);
  await redis.removeFromSet(set, 'two');
  expect(await redis.membersOfSet(set)).toEqual(['one']);
  expect([await redis.keepFor(key, 60_000), await redis.keepFor(redis.key('none'), 1)]).toEqual([true, false]);
  await redis.delete(key, set, redis.key('b'));
  expect(await redis.get(key)).toBeUndefined();
}

async function failsSoon(redis: Redis): Promise<void> {
  const begin = performance.now();
  await expect(redis.get(redis.key('a'))).rejects.toMatchObject({ code: 'redis-unreachable' });
  expect(performance.now() - begin).toBeLessThan(CALL_MS);
}

describe.skipIf(redisPath === undefined)('Redis (needs redis-server)', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dragonfly-redis-'));
    clean = [];
    said = '';
  });
  afterEach(async () => {
    for (const end of clean) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  it('one server, with a user who may do only what we need', { timeout: LIMIT_MS }, async () => {
    const user = 'user df on >geheim ~dragonfly:* +@read +@write +@connection';
    const one = await server(join(folder, 'one'), { lines: ['user default off', user] });
    writeFileSync(join(folder, 'password'), 'geheim\n');
    const redis = open(`redis://df@${one.place}/3?passwordFile=${join(folder, 'password')}`);
    await isUp(redis);
    await worksAll(redis);

    one.signal('SIGSTOP');
    await failsSoon(redis);
    await isDown(redis);
    await failsSoon(redis);
    one.signal('SIGCONT');
    await isUp(redis);
    await one.kill();
    await isDown(redis);
    await failsSoon(redis);
    await one.begin();
    await isUp(redis);
    await worksAll(redis);

    const wrong = open(`redis://df:falsch@${one.place}`);
    await eventually('it says what is wrong', () => wrong.health.why?.includes('WRONGPASS') === true);
    expect(said).not.toMatch(/geheim|falsch/);
  });

  it('over TLS, where each side shows a certificate', { timeout: LIMIT_MS }, async () => {
    const ours = await TestAuthority.make(folder);
    const [there, here] = [await ours.leaf('127.0.0.1'), await ours.leaf('supernode')];
    const strange = await TestAuthority.make(folder, 'stranger');
    const port = await freePort('127.0.0.1');
    const files = [`tls-cert-file ${there.cert}`, `tls-key-file ${there.key}`, `tls-ca-cert-file ${ours.ca}`];
    const one = await server(join(folder, 'tls'), {
      port,
      lines: ['port 0', `tls-port ${port}`, 'tls-auth-clients yes', ...files],
    });
    const redis = open(`rediss://${one.place}?ca=${ours.ca}&cert=${here.cert}&key=${here.key}`);
    await isUp(redis);
    await worksAll(redis);
    await one.kill();
    await isDown(redis);
    await one.begin();
    await isUp(redis);

    const unknown = open(`rediss://${one.place}?ca=${strange.ca}&cert=${here.cert}&key=${here.key}`);
    await eventually('it does not trust that server', () => /certificate/i.test(unknown.health.why ?? ''));
    const plain = open(`redis://${one.place}`);
    const silent = open(`rediss://${one.place}?ca=${ours.ca}`);
    await eventually('nobody comes in without', () => [plain, silent].every(({ health }) => health.why !== undefined));
    for (const other of [unknown, plain, silent]) await failsSoon(other);
  });

  it('a primary and its replica behind sentinels, when the primary dies', { timeout: LIMIT_MS }, async () => {
    const primary = await server(join(folder, 'primary'));
    const replica = await server(join(folder, 'replica'), { lines: [`replicaof 127.0.0.1 ${primary.port}`] });
    await eventually('the replica follows', () => replica.ask('info', 'replication').includes('master_link_status:up'));
    const watch = [
      `sentinel monitor main 127.0.0.1 ${primary.port} 2`,
      'sentinel down-after-milliseconds main 2000',
      'sentinel failover-timeout main 10000',
    ];
    const sentinels: RedisServer[] = [];
    for (const name of ['s1', 's2', 's3'])
      sentinels.push(await server(join(folder, name), { lines: watch, args: ['--sentinel'] }));
    await eventually('the sentinels know each other and the replica', () =>
      sentinels.every((one) => {
        const known = one.ask('sentinel', 'master', 'main').split('\n');
        const of = (name: string) => known[known.indexOf(name) + 1];
        return of('num-slaves') === '1' && of('num-other-sentinels') === '2';
      }),
    );
    const redis = open(`redis+sentinel://${sentinels.map(({ place }) => place).join()}/main`);
    await isUp(redis);
    await worksAll(redis);
    await redis.set(redis.key('kept'), 'x', 600_000);
    await eventually('the replica has it', () => replica.ask('exists', redis.key('kept')) === '1');
    await primary.kill();
    await isDown(redis);
    await isUp(redis);
    expect(String(await redis.get(redis.key('kept')))).toBe('x');
    await worksAll(redis);
    expect(replica.ask('info', 'replication')).toContain('role:master');
  });

  it('a Redis Cluster, when the node with our keys dies', { timeout: LIMIT_MS }, async () => {
    const nodes: RedisServer[] = [];
    for (let n = 0; n < 6; n++) {
      const port = await freeClusterPort();
      const lines = ['cluster-enabled yes', 'cluster-node-timeout 2000'];
      nodes.push(await server(join(folder, `n${n}`), { port, lines }));
    }
    redisCluster(nodes, 1);
    await eventually('the cluster stands', () => nodes.every((one) => one.ask('cluster', 'info').includes('state:ok')));
    // A replica that never had its master's data does not take its place.
    await eventually('the replicas follow', () => {
      const said = nodes.map((one) => one.ask('info', 'replication'));
      return said.filter((text) => text.includes('master_link_status:up')).length === 3;
    });
    const redis = open(
      `redis://${nodes
        .slice(0, 3)
        .map(({ place }) => place)
        .join()}`,
    );
    await isUp(redis);
    await worksAll(redis);
    const slot = nodes[0]?.ask('cluster', 'keyslot', redis.key('a')) ?? '';
    expect(nodes[0]?.ask('cluster', 'keyslot', redis.key('members', 'other'))).toBe(slot);
    const owner = nodes.find((one) => one.ask('set', redis.key('a'), '1') === 'OK');
    await owner?.kill();
    await isDown(redis);
    await isUp(redis);
    await worksAll(redis);
  });
});

/** The nodes speak with each other at a port 10,000 above. */
async function freeClusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort('127.0.0.1');
    if (port < 55_000) return port;
  }
}
