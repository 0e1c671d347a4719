/** Hosts that give wrong bytes, nothing, or false witness, that die or stop for a while: files are right, and scheduling goes round them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, startDownload } from '../support/download.ts';
import { wrongDeeds } from '../support/faulty/fault.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;

type Shown = {
  readonly id: string;
  readonly ip: string;
  readonly connected: boolean;
  readonly state: string;
  readonly score: number;
  readonly witnesses: number;
  readonly reason?: string;
  readonly note?: string;
  readonly secondsLeft?: number | null;
  readonly excluded?: readonly string[];
};

let lab: Lab;
let source: TestSource;
beforeEach(async () => {
  lab = new Lab();
  source = await lab.source();
});
afterEach(() => lab.close());

async function ask(node: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const sent = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`http://${node}${path}`, body === undefined ? {} : sent);
  return { status: answer.status, body: await answer.json() };
}

async function hostsOf(node: string): Promise<readonly Shown[]> {
  return ((await ask(node, '/v1/hosts')).body as { hosts: readonly Shown[] }).hosts;
}

async function hostAt(node: string, ip: string): Promise<Shown> {
  const host = (await hostsOf(node)).find((each) => each.ip === ip);
  if (host === undefined) throw new Error(`no host ${ip}`);
  return host;
}

/** Agents at 127.0.0.`from` and on. */
function agents(node: string, from: number, count: number, ...flags: string[]): Promise<Agent[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => lab.agent(`127.0.0.${from + at}`, node, ...flags)));
}

async function allRight(sample: Sample, hosts: readonly Agent[], url: string): Promise<void> {
  const ends = await Promise.all(hosts.map((host) => download(lab, host, url, lab.path(host.name, 'out'))));
  expect(ends.map(({ code }) => code)).toEqual(hosts.map(() => 0));
  for (const { name } of hosts) expect(await lab.sha256(lab.path(name, 'out'))).toBe(sample.digest());
}

/** When the supernode says so of this host, or has said so first. Milliseconds since 1970. */
async function saidAt({ running }: Supernode, text: string, host: string): Promise<number> {
  const lineOf = (said: string) =>
    said
      .split('\n')
      .slice(0, -1)
      .find((line) => line.includes(text) && line.includes(host));
  await running.until((said) => lineOf(said) !== undefined);
  const { time } = JSON.parse(lineOf(running.said) ?? '') as { time: string };
  return Date.parse(time);
}

describe('a host of eight that flips a byte in every piece it gives', { timeout: 300_000 }, () => {
  it('spoils no file and is isolated after three wrong pieces, one of them seen by a child, two by the supernode', async () => {
    const sample = new Sample(16 * MIB, 11);
    const url = source.serve('flipped.bin', sample);
    const { node } = await lab.supernode();
    const corrupt = await lab.faultyAgent('corrupt', '127.0.0.2', node);
    expect(await download(lab, corrupt, url, lab.path('first'))).toMatchObject({ code: 0 });
    const others = await agents(node, 3, 7);
    await allRight(sample, others, url);
    expect(wrongDeeds(corrupt.faultFile)).toBeGreaterThanOrEqual(3);
    const shown = await hostAt(node, '127.0.0.2');
    expect(shown).toMatchObject({ state: 'isolated', reason: 'peer-corrupt', witnesses: 3 });
    expect(shown.secondsLeft).toBeGreaterThan(0);
    const rest = (await hostsOf(node)).filter(({ ip }) => ip !== '127.0.0.2');
    expect(rest.map(({ state }) => state)).toEqual(rest.map(() => 'ok'));
  });
});

describe('a host that calls wrong what others give it', { timeout: 300_000 }, () => {
  it('harms nobody but itself, and gets its file from the supernode', async () => {
    const sample = new Sample(8 * MIB, 12);
    const url = source.serve('lied.bin', sample);
    const { node } = await lab.supernode();
    const honest = await agents(node, 3, 3);
    await allRight(sample, honest, url);
    const liar = await lab.faultyAgent('liar', '127.0.0.2', node);
    await allRight(sample, [liar], url);
    expect(wrongDeeds(liar.faultFile)).toBeGreaterThanOrEqual(2);
    expect(await hostAt(node, '127.0.0.2')).toMatchObject({ state: 'isolated', reason: 'false-witness' });
    for (const { name } of honest) expect(await hostAt(node, name)).toMatchObject({ state: 'ok' });
    const another = await agents(node, 6, 1);
    const [end] = await Promise.all(another.map((host) => download(lab, host, url, lab.path('another'))));
    expect(end).toMatchObject({ code: 0 });
    expect(end?.result?.fromPeers).toBeGreaterThan(0);
  });
});

describe('a host that takes requests and never answers', { timeout: 300_000 }, () => {
  it('costs the others no more than moments', async () => {
    const sample = new Sample(8 * MIB, 13);
    const url = source.serve('mute.bin', sample);
    const { node } = await lab.supernode();
    const mute = await lab.faultyAgent('mute', '127.0.0.2', node);
    expect(await download(lab, mute, url, lab.path('first'))).toMatchObject({ code: 0 });
    const others = await agents(node, 3, 4);
    await allRight(sample, others, url);
    expect(wrongDeeds(mute.faultFile)).toBeGreaterThan(0);
    expect(await hostAt(node, '127.0.0.2')).not.toMatchObject({ score: 0 });
    for (const { name } of others) expect(await hostAt(node, name)).toMatchObject({ state: 'ok' });
  });
});

describe('an operator', { timeout: 300_000 }, () => {
  it('isolates a host, which stays so when it comes back and when the supernode does, and releases it', async () => {
    const sample = new Sample(4 * MIB, 14);
    const url = source.serve('operator.bin', sample);
    const supernode = await lab.supernode();
    const { node } = supernode;
    const holder = await lab.agent('127.0.0.2', node);
    await allRight(sample, [holder], url);
    const { id } = await hostAt(node, '127.0.0.2');
    const isolated = await ask(node, `/v1/hosts/${id}/isolate`, { reason: 'its disk makes noises' });
    expect(isolated).toMatchObject({ status: 200, body: { state: 'isolated', secondsLeft: null } });
    await holder.running.kill('SIGTERM');
    expect(await ask(node, `/v1/hosts/${id}`)).toMatchObject({ body: { connected: false, state: 'isolated' } });
    await supernode.running.kill('SIGTERM');
    await lab.supernode(supernode);
    expect(await ask(node, `/v1/hosts/${id}`)).toMatchObject({ body: { connected: false, state: 'isolated' } });
    await lab.restart(holder);
    const [first, second] = await agents(node, 3, 2);
    if (first === undefined || second === undefined) throw new Error('two agents');
    await expect.poll(async () => (await hostsOf(node)).filter(({ connected }) => connected).length).toBe(3);
    const alone = await download(lab, first, url, lab.path('first'));
    expect(alone).toMatchObject({ code: 0, result: { fromPeers: 0 } });
    expect(await hostAt(node, '127.0.0.2')).toMatchObject({ state: 'isolated', note: 'its disk makes noises' });
    expect(await ask(node, `/v1/hosts/${id}/release`, {})).toMatchObject({ status: 200, body: { state: 'ok' } });
    const shared = await download(lab, second, url, lab.path('second'));
    expect(shared.result?.fromPeers).toBeGreaterThan(0);
  });

  it('is told what is wrong with his words', async () => {
    const { node } = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', node);
    await expect.poll(async () => (await hostsOf(node)).length).toBe(1);
    const { id } = await hostAt(node, agent.name);
    const isolate = (body: unknown, host = id) => ask(node, `/v1/hosts/${host}/isolate`, body);
    for (const body of [
      {},
      { reason: '' },
      { reason: 'x'.repeat(201) },
      { reason: 'x', seconds: -1 },
      { reason: 'x', minutes: 1 },
      [],
    ])
      expect(await isolate(body)).toMatchObject({ status: 400, body: { code: 'usage' } });
    for (const host of ['nobody', 'no%20id', 'x'.repeat(90)])
      expect(await isolate({ reason: 'x' }, host)).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect(await ask(node, '/v1/hosts/nobody/release', {})).toMatchObject({ status: 404 });
    expect(await ask(node, `/v1/hosts/${id}`)).toMatchObject({ status: 200, body: { state: 'ok', score: 0 } });
    expect(await isolate({ reason: 'x', seconds: 1.5 })).toMatchObject({ status: 200, body: { secondsLeft: 2 } });
  });
});

describe('a host that stops', { timeout: 300_000 }, () => {
  it('killed: it is out when its connection is, and the others end well', async () => {
    const sample = new Sample(32 * MIB, 15);
    const url = source.serve('killed.bin', sample);
    const supernode = await lab.supernode();
    const hosts = await agents(supernode.node, 2, 4, '--totallimit', '4M');
    const running = hosts.map((host) => startDownload(lab, host, url, lab.path(host.name, 'out')));
    await Promise.all(running.map((one) => one.reached(sample.length / 4)));
    const [victim, ...rest] = hosts;
    const { id } = await hostAt(supernode.node, '127.0.0.2');
    const killedAt = Date.now();
    await victim?.running.kill('SIGKILL');
    const noticedMs = (await saidAt(supernode, 'a host left', id)) - killedAt;
    process.stdout.write(`a killed host was out after ${noticedMs} ms\n`);
    const ends = await Promise.all(running.slice(1).map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    for (const { name } of rest) expect(await lab.sha256(lab.path(name, 'out'))).toBe(sample.digest());
  });

  it('stopped for three seconds: others take over, and then it goes on where it was', async () => {
    const sample = new Sample(32 * MIB, 16);
    const url = source.serve('stopped.bin', sample);
    const supernode = await lab.supernode();
    const hosts = await agents(supernode.node, 2, 4, '--totallimit', '4M');
    const running = hosts.map((host) => startDownload(lab, host, url, lab.path(host.name, 'out')));
    await Promise.all(running.map((one) => one.reached(sample.length / 4)));
    const [victim] = hosts;
    const { id } = await hostAt(supernode.node, '127.0.0.2');
    const stoppedAt = Date.now();
    victim?.running.child.kill('SIGSTOP');
    const noticedMs = (await saidAt(supernode, 'is silent', id)) - stoppedAt;
    await expect.poll(() => Date.now() - stoppedAt, { timeout: 5_000 }).toBeGreaterThan(3_000);
    const wokenAt = Date.now();
    victim?.running.child.kill('SIGCONT');
    const backMs = (await saidAt(supernode, 'heard again', id)) - wokenAt;
    process.stdout.write(`a stopped host was out after ${noticedMs} ms and back ${backMs} ms after it went on\n`);
    const ends = await Promise.all(running.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    for (const { name } of hosts) expect(await lab.sha256(lab.path(name, 'out'))).toBe(sample.digest());
    const { fromPeers = 0, fromSupernode = 0, fromSource = 0 } = ends[0]?.result ?? {};
    expect([fromPeers + fromSupernode, fromSource]).toEqual([sample.length, 0]);
    expect(source.count('stopped.bin').bodyBytes).toBe(sample.length);
  });
});

describe('half of sixteen hosts killed at 50 %', { timeout: 300_000 }, () => {
  it('the others end well, and the source is read once', async () => {
    const sample = new Sample(16 * MIB, 17);
    const url = source.serve('halved.bin', sample);
    const { node } = await lab.supernode();
    const hosts = await agents(node, 2, 16, '--totallimit', '2M');
    const running = hosts.map((host) => startDownload(lab, host, url, lab.path(host.name, 'out')));
    await Promise.all(running.map((one) => one.reached(sample.length / 2)));
    for (const host of hosts.slice(0, 8)) host.running.child.kill('SIGKILL');
    const ends = await Promise.all(running.slice(8).map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual(ends.map(() => 0));
    for (const { name } of hosts.slice(8)) expect(await lab.sha256(lab.path(name, 'out'))).toBe(sample.digest());
    expect(source.count('halved.bin').bodyBytes).toBe(sample.length);
  });
});
