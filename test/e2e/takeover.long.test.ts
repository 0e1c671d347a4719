/**
 * What a supernode that dies leaves to the next one: the part that it had read of a running task, contents that were
 * complete. With real processes, a real redis-server and a store that checks signatures.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { taskIdOf } from '../../src/io/hash.ts';
import { orderFor, parseNodes, placeOf } from '../../src/peer/node-list.ts';
import { taskIdentity } from '../../src/protocol/identity.ts';
import { programPath, Service } from '../support/command.ts';
import { download, startDownload } from '../support/download.ts';
import { Lab, ready, type Supernode } from '../support/lab.ts';
import { TestS3 } from '../support/s3.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const AWS = { AWS_ACCESS_KEY_ID: 'AKIDCLUSTER', AWS_SECRET_ACCESS_KEY: 'the secret of the tests' };
const LOOK_AGAIN_MS = 50;
/** Many processes on a machine that may have other work. */
const PATIENCE = { timeout: 240_000 };
const installed = programPath('redis-server') !== undefined;

let lab: Lab;
let source: TestSource;
let redis: Redis | undefined;
let s3: TestS3 | undefined;
beforeEach(() => {
  lab = new Lab();
  writeFileSync(lab.path('secret'), 'a secret that all supernodes of this cluster share', { mode: 0o600 });
});
afterEach(async () => {
  await lab.close();
  await redis?.service.stop();
  await s3?.close();
  redis = undefined;
  s3 = undefined;
});

type Redis = { readonly service: Service; readonly port: number; ask(...args: string[]): Promise<string> };

async function startRedis(): Promise<Redis> {
  const port = await freePort();
  const place = ['--port', String(port), '--bind', '127.0.0.1'];
  const service = new Service('redis-server', [...place, '--save', '', '--dir', lab.folder]);
  const ask = (...args: string[]) => askRedis(port, args);
  await service.ready(async () => (await ask('ping')) === 'PONG');
  return { service, port, ask };
}

/** One command, and its answer as text; lists as their items between blanks. */
function askRedis(port: number, args: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const said = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  socket.setEncoding('utf8').write(`*${args.length}\r\n${said.join('')}*1\r\n$4\r\nquit\r\n`);
  let answer = '';
  socket.on('data', (text: string) => {
    answer += text;
  });
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('close', () => {
      const lines = answer.split('\r\n').slice(0, -2);
      resolve(
        lines
          .filter((line) => !/^[$*]/.test(line))
          .map((line) => line.replace(/^[+:]/, ''))
          .join(' '),
      );
    });
  });
}

/** Some of one cluster, each at an address of its own. */
async function cluster(count: number, ...args: string[]): Promise<Supernode[]> {
  redis = await startRedis();
  const shared = ['--cluster', `redis://127.0.0.1:${redis.port}`, '--cluster-secret-file', lab.path('secret'), ...args];
  return Promise.all(Array.from({ length: count }, (_, index) => supernode(`127.0.1.${index + 1}`, shared)));
}

async function supernode(ip: string, args: readonly string[]): Promise<Supernode> {
  const [port, downloadPort] = [await freePort(ip), await freePort(ip)];
  const home = lab.path(`supernode-${ip}`);
  const place = ['--bind', ip, '--advertise-ip', ip, '--port', String(port), '--download-port', String(downloadPort)];
  const running = lab.run('supernode', [...place, '--home-dir', home, ...args], AWS);
  await ready(running, { host: ip, port });
  return { ip, port, downloadPort, home, node: `${ip}:${port}`, running };
}

/** The order in which all hosts ask them for this URL. */
function orderOf(url: string, supernodes: readonly Supernode[]): Supernode[] {
  const task = taskIdOf(taskIdentity({ url, headers: [], filter: [] }));
  const order = orderFor(task, parseNodes(supernodes.map(({ node }) => node))).map(placeOf);
  return supernodes.toSorted((a, b) => order.indexOf(a.node) - order.indexOf(b.node));
}

const nodesOf = (supernodes: readonly Supernode[]): string => supernodes.map(({ node }) => node).join(',');

async function freePort(ip = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, ip, done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Asks until it is so; a test that waits for ever is ended by its own limit. */
async function until(so: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await so())) await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
}

/** Three supernodes, two hosts that know them all, and a file; what becomes of it later nobody learns from an inventory at the start. */
async function held() {
  source = await lab.source();
  const supernodes = await cluster(3);
  const agents = ['127.0.0.2', '127.0.0.3'].map((ip) => lab.agent(ip, nodesOf(supernodes)));
  const [first, second] = await Promise.all(agents);
  if (first === undefined || second === undefined) throw new Error('no agents');
  for (const agent of [first, second])
    await until(() => lab.logOf(agent).split('connected to the supernode').length > supernodes.length);
  const sample = new Sample(24 * MIB, 14);
  const url = source.serve('held.bin', sample);
  const killOwner = async () => {
    const [owner] = orderOf(url, supernodes);
    await owner?.running.kill('SIGKILL');
    rmSync(owner?.home ?? '', { recursive: true });
  };
  return { first, second, url, sample, killOwner };
}

/** The record of the only content that Redis has; its key. */
async function recordKey(): Promise<string> {
  let key = '';
  await until(async () => {
    key = (await redis?.ask('keys', '*content*')) ?? '';
    return key !== '';
  });
  return key;
}

describe.skipIf(!installed)('three supernodes on Redis (needs redis-server)', () => {
  it('the owner of a task is killed at 30 %: the next one reads only the rest', PATIENCE, async () => {
    source = await lab.source({ bytesPerSecond: 8 * MIB });
    const supernodes = await cluster(3);
    const ips = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
    const agents = await Promise.all(ips.map((ip) => lab.agent(ip, nodesOf(supernodes))));
    const wave = async (name: string, kill: boolean) => {
      const sample = new Sample(64 * MIB, name.length);
      const url = source.serve(name, sample);
      const began = performance.now();
      const all = agents.map((agent) => startDownload(lab, agent, url, lab.path(agent.name, name)));
      if (kill) {
        await Promise.race(all.map((one) => one.reached(sample.length * 0.3)));
        await orderOf(url, supernodes)[0]?.running.kill('SIGKILL');
      }
      const outcomes = await Promise.all(all.map((one) => one.ended));
      const millis = performance.now() - began;
      for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stderr: '' });
      for (const { name: ip } of agents) expect(await lab.sha256(lab.path(ip, name))).toBe(sample.digest());
      return { millis, share: source.count(name).bodyBytes / sample.length, ranges: source.count(name).ranges };
    };
    const calm = await wave('calm.bin', false);
    const killed = await wave('killed.bin', true);
    expect(killed.share).toBeLessThanOrEqual(1.1);
    expect(killed.ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
    process.stdout.write(
      `undisturbed ${Math.round(calm.millis)} ms, the owner killed ${Math.round(killed.millis)} ms\n`,
    );
  });

  it('what was complete is taken from the hosts that hold it, when its supernode is gone', PATIENCE, async () => {
    const { first, second, url, sample, killOwner } = await held();
    expect(await download(lab, first, url, lab.path('first'))).toMatchObject({ code: 0, stderr: '' });
    await killOwner();
    expect(await download(lab, second, url, lab.path('second'))).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('second'))).toBe(sample.digest());
    expect(source.count('held.bin').bodyBytes).toBe(sample.length);
  });

  it(
    'a host that only takes is not waited for: the source is read at once, in a few large reads',
    PATIENCE,
    async () => {
      const { first, second, url, sample, killOwner } = await held();
      expect(await download(lab, first, url, lab.path('first'))).toMatchObject({ code: 0, stderr: '' });
      const again = await download(lab, first, url, lab.path('again'), '--pattern', 'cdn');
      expect(again).toMatchObject({ code: 0, stderr: '' });
      await killOwner();
      const before = source.count('held.bin').gets;
      expect(await download(lab, second, url, lab.path('second'))).toMatchObject({ code: 0, stderr: '' });
      expect(await lab.sha256(lab.path('second'))).toBe(sample.digest());
      const { gets, bodyBytes } = source.count('held.bin');
      expect(bodyBytes).toBe(2 * sample.length);
      expect(gets - before).toBeLessThanOrEqual(5);
    },
  );

  it('what another supernode has is read from its cache, not from the source', PATIENCE, async () => {
    source = await lab.source();
    const [first, second] = await cluster(2);
    const sample = new Sample(24 * MIB, 11);
    const url = source.serve('there.bin', sample);
    const agents = [await lab.agent('127.0.0.2', first?.node ?? ''), await lab.agent('127.0.0.3', second?.node ?? '')];
    for (const agent of agents) {
      expect(await download(lab, agent, url, lab.path(agent.name, 'out'))).toMatchObject({ code: 0, stderr: '' });
      expect(await lab.sha256(lab.path(agent.name, 'out'))).toBe(sample.digest());
      await recordKey();
    }
    expect(source.count('there.bin')).toMatchObject({ gets: 2, unchanged: 1, bodyBytes: sample.length });
  });

  it('a small content too, which travels with the answer', PATIENCE, async () => {
    source = await lab.source();
    const [first, second] = await cluster(2);
    const sample = new Sample(10_000, 12);
    const url = source.serve('small.bin', sample);
    for (const [ip, one] of [
      ['127.0.0.2', first],
      ['127.0.0.3', second],
    ] as const) {
      const agent = await lab.agent(ip, one?.node ?? '');
      expect(await download(lab, agent, url, lab.path(ip, 'out'))).toMatchObject({ code: 0, stderr: '' });
      expect(await lab.sha256(lab.path(ip, 'out'))).toBe(sample.digest());
      await recordKey();
    }
    expect(source.count('small.bin').bodyBytes).toBe(sample.length);
  });

  it('what was complete is in the S3 store, when the old supernode and its disk are gone', PATIENCE, async () => {
    source = await lab.source();
    s3 = await TestS3.start({ keys: { [AWS.AWS_ACCESS_KEY_ID]: AWS.AWS_SECRET_ACCESS_KEY } });
    s3.put('contents', 'other', Buffer.from('x'));
    const place = ['--s3', 's3://contents/dragonfly', '--s3-endpoint', s3.endpoint];
    const [first, second] = await cluster(2, ...place);
    const sample = new Sample(40 * MIB, 13);
    const url = source.serve('kept.bin', sample);
    const agent = await lab.agent('127.0.0.2', first?.node ?? '');
    expect(await download(lab, agent, url, lab.path('first'))).toMatchObject({ code: 0, stderr: '' });
    const store = s3;
    await until(() => store.keys('contents').some((key) => key.endsWith('/manifest.json')));
    await first?.running.kill('SIGKILL');
    rmSync(first?.home ?? '', { recursive: true });
    await agent.running.kill();
    // Redis forgets it as well: the store alone must do.
    await redis?.ask('flushall');
    const fresh = await lab.agent('127.0.0.3', second?.node ?? '');
    expect(await download(lab, fresh, url, lab.path('second'))).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('second'))).toBe(sample.digest());
    expect(source.count('kept.bin')).toMatchObject({ gets: 2, unchanged: 1, bodyBytes: sample.length });
    // Nobody may ask for the store's own objects with the credentials of the supernode.
    const [key] = store.keys('contents').filter((each) => !each.endsWith('.json') && each !== 'other');
    const thief = await download(lab, fresh, `s3://contents/${key}`, lab.path('stolen'), '--notbs');
    expect(thief).toMatchObject({ code: 3, fault: { code: 'source-refused' } });
  });
});
