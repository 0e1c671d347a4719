/** The main job: each byte is read from the source once, whatever the number of hosts, and every copy is right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIN_PIECE_BYTES } from '../../src/protocol/piece.ts';
import { download, type Outcome } from '../support/download.ts';
import { freePort } from '../support/free-port.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Nginx, nginxPath } from '../support/nginx.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const HOSTS = 8;

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
let agents: Agent[] = [];

beforeAll(async () => {
  lab = new Lab();
  source = await lab.source();
  supernode = await lab.supernode();
  const ips = Array.from({ length: HOSTS }, (_, index) => `127.0.0.${index + 2}`);
  agents = await Promise.all(ips.map((ip) => lab.agent(ip, supernode.node)));
});
afterAll(() => lab.close());

function all(url: string, name: string, hosts = agents): Promise<Outcome[]> {
  return Promise.all(hosts.map((agent) => download(lab, agent, url, lab.path(`${name}-${agent.name}`))));
}

async function expectCopies(outcomes: readonly Outcome[], name: string, sample: Sample, hosts = agents): Promise<void> {
  expect(outcomes.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(hosts.map(() => '0 '));
  const wanted = sample.digest();
  for (const agent of hosts) expect(await lab.sha256(lab.path(`${name}-${agent.name}`))).toBe(wanted);
}

const sum = (outcomes: readonly Outcome[], key: 'fromPeers' | 'fromSupernode' | 'fromSource' | 'fromDisk') =>
  outcomes.reduce((bytes, { result }) => bytes + (result?.[key] ?? 0), 0);

function expectMostFromPeers(outcomes: readonly Outcome[], sample: Sample): void {
  expect(sum(outcomes, 'fromSource')).toBe(0);
  const got = sum(outcomes, 'fromPeers') + sum(outcomes, 'fromSupernode');
  expect(got).toBeGreaterThanOrEqual(outcomes.length * sample.length);
  // On a busy machine a late piece may come twice: that is what a hedge costs, and it has its limit.
  expect(got).toBeLessThanOrEqual(outcomes.length * sample.length * 1.01);
  expect(sum(outcomes, 'fromPeers') / (outcomes.length * sample.length)).toBeGreaterThan(0.8);
}

describe('256 MiB to 8 hosts at once', () => {
  const sample = new Sample(256 * MIB, 11);

  it('reads the source once and takes more than 80 % from peers', async () => {
    const url = source.serve('once.bin', sample);
    const outcomes = await all(url, 'once');
    await expectCopies(outcomes, 'once', sample);
    expect(source.count('once.bin')).toMatchObject({ gets: 1, bodyBytes: sample.length });
    expect(source.count('once.bin').heads).toBeLessThanOrEqual(1);
    expectMostFromPeers(outcomes, sample);
  });

  it('a second wave reads no byte of the body from the source, and what a host has it does not fetch', async () => {
    const { bodyBytes } = source.count('once.bin');
    const again = await all(`${source.url}/once.bin`, 'again');
    await expectCopies(again, 'again', sample);
    expect(sum(again, 'fromDisk')).toBe(HOSTS * sample.length);
    const late = [await lab.agent('127.0.0.20', supernode.node)];
    const outcomes = await all(`${source.url}/once.bin`, 'late', late);
    await expectCopies(outcomes, 'late', sample, late);
    expect(source.count('once.bin').bodyBytes).toBe(bodyBytes);
  });

  it.skipIf(nginxPath === undefined)('is read from nginx once, says its log (needs nginx)', async () => {
    const nginx = await Nginx.start(lab.path('nginx'), '127.0.0.1', await freePort('127.0.0.1'));
    try {
      const url = nginx.serve('nginx.bin', sample);
      const outcomes = await all(url, 'nginx');
      await expectCopies(outcomes, 'nginx', sample);
      const entries = nginx.log('nginx.bin');
      expect(entries.filter(({ method }) => method === 'GET')).toHaveLength(1);
      expect(entries.length).toBeLessThanOrEqual(2);
      expect(entries.reduce((bytes, entry) => bytes + entry.bodyBytes, 0)).toBe(sample.length);
      expectMostFromPeers(outcomes, sample);
    } finally {
      await nginx.close();
    }
  });
});

/** Who comes a moment after it was read asks whether it changed; nobody gets a body again. */
function expectOneRead(name: string, length: number): void {
  const { gets, unchanged, bodyBytes } = source.count(name);
  expect({ bodies: gets - unchanged, bodyBytes }).toEqual({ bodies: 1, bodyBytes: length });
}

describe('odd lengths', () => {
  it.each([
    ['nothing', 0],
    ['one byte', 1],
    ['one byte less than a piece', MIN_PIECE_BYTES - 1],
    ['a piece', MIN_PIECE_BYTES],
    ['one byte more than a piece', MIN_PIECE_BYTES + 1],
    ['many pieces and a rest', 5 * MIB + 12_345],
  ])('%s arrives at all hosts', async (_, length) => {
    const name = `length-${length}`;
    const url = source.serve(name, length);
    const outcomes = await all(url, name);
    await expectCopies(outcomes, name, source.sample(name));
    expectOneRead(name, length);
  });

  it.each([0, 1, 3 * MIB + 7])('%i bytes whose length the source does not tell arrive at all hosts', async (length) => {
    const name = `chunked-${length}`;
    const url = source.serve(name, length, { chunked: true, noRanges: true });
    const outcomes = await all(url, name);
    await expectCopies(outcomes, name, source.sample(name));
    expectOneRead(name, length);
  });

  it('3 GiB arrive at a host', { timeout: 180_000 }, async () => {
    const sample = new Sample(3 * 1024 * MIB, 3);
    const url = source.serve('large.bin', sample);
    const host = agents.slice(0, 1);
    const outcomes = await all(url, 'large', host);
    await expectCopies(outcomes, 'large', sample, host);
    expect(source.count('large.bin')).toMatchObject({ gets: 1, bodyBytes: sample.length });
  });
});

describe('the source’s answer', () => {
  it.each([404, 401, 403, 410])('%i reaches every host that waits', async (status) => {
    const url = source.serve(`status-${status}`, 10, { status });
    const outcomes = await all(url, `status-${status}`);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ code: 3, fault: { code: 'source-refused', sourceStatus: status } });
    expect(outcomes[0]?.stderr).toContain(String(status));
    expect(outcomes[0]?.stderr.trim().split('\n')).toHaveLength(1);
  });
});
