/** What is killed goes on where it was; what cannot go on says so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, startDownload } from '../support/download.ts';
import { Lab } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;

let lab: Lab;
let source: TestSource;
beforeEach(async () => {
  lab = new Lab();
  source = await lab.source();
});
afterEach(() => lab.close());

function half(name: string, length: number): { url: string; sample: Sample; goOn: () => void } {
  const sample = new Sample(length, length);
  const { promise, resolve } = Promise.withResolvers<void>();
  const url = source.serve(name, sample, { pause: { atByte: length * 0.6, until: promise } });
  return { url, sample, goOn: resolve };
}

describe('an agent that is killed at 50 %', () => {
  it('goes on where it was: what was verified is not fetched again', async () => {
    const { url, sample, goOn } = half('agent.bin', 64 * MIB);
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const first = startDownload(lab, agent, url, lab.path('out'));
    await first.reached(sample.length / 2);
    await agent.running.kill('SIGKILL');
    expect((await first.ended).code).toBe(1);
    const verified = first.progress()?.done ?? 0;

    await lab.restart(agent);
    goOn();
    const second = await download(lab, agent, url, lab.path('out'));
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.result?.fromDisk).toBeGreaterThanOrEqual(verified);
    const { fromPeers = 0, fromSupernode = 0, fromSource = 0, fromDisk = 0 } = second.result ?? {};
    expect(fromPeers + fromSupernode + fromSource).toBe(sample.length - fromDisk);
    expect(source.count('agent.bin').bodyBytes).toBe(sample.length);
    expect(await lab.sha256(lab.path('out'))).toBe(sample.digest());
  });
});

describe('a dfget that is killed', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('with %s can be run again', async (signal) => {
    const { url, sample, goOn } = half('dfget.bin', 32 * MIB);
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const first = startDownload(lab, agent, url, lab.path('out'));
    await first.reached(sample.length / 2);
    const ended = await first.running.kill(signal);
    if (signal === 'SIGINT') expect(ended.code).toBe(130);
    goOn();
    const second = await download(lab, agent, url, lab.path('out'));
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.result?.fromDisk).toBeGreaterThanOrEqual(sample.length / 2);
    expect(await lab.sha256(lab.path('out'))).toBe(sample.digest());
    expect(source.count('dfget.bin').bodyBytes).toBe(sample.length);
  });
});

describe('a supernode that is killed', () => {
  it('while it reads the source: the hosts go on and end well', async () => {
    const { url, sample, goOn } = half('fill.bin', 64 * MIB);
    const supernode = await lab.supernode();
    const agents = await Promise.all(['127.0.0.2', '127.0.0.3'].map((ip) => lab.agent(ip, supernode.node)));
    const running = agents.map((agent) => startDownload(lab, agent, url, lab.path(agent.name, 'out')));
    await Promise.all(running.map((one) => one.reached(sample.length / 2)));
    await supernode.running.kill('SIGKILL');
    goOn();
    for (const [index, one] of running.entries()) {
      expect(await one.ended).toMatchObject({ code: 0, stderr: '' });
      expect(await lab.sha256(lab.path(agents[index]?.name ?? '', 'out'))).toBe(sample.digest());
    }
    // The cache had 60 %; what a host has it does not read again.
    expect(source.count('fill.bin').bodyBytes).toBeLessThanOrEqual(sample.length * 2);
  });

  it('when it has it all: the hosts go on and end well', async () => {
    const sample = new Sample(48 * MIB, 5);
    const url = source.serve('full.bin', sample);
    const supernode = await lab.supernode();
    const fast = await lab.agent('127.0.0.2', supernode.node);
    expect(await download(lab, fast, url, lab.path('fast'))).toMatchObject({ code: 0 });
    const slow = await lab.agent('127.0.0.3', supernode.node);
    const running = startDownload(lab, slow, url, lab.path('slow'), '--locallimit', '16M');
    await running.reached(sample.length / 3);
    await supernode.running.kill('SIGKILL');
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('slow'))).toBe(sample.digest());
  });

  it('and comes back, even without its cache: what the hosts hold is not read from the source again', async () => {
    const sample = new Sample(24 * MIB, 6);
    const url = source.serve('back.bin', sample);
    const supernode = await lab.supernode();
    const first = await lab.agent('127.0.0.2', supernode.node);
    expect(await download(lab, first, url, lab.path('first'))).toMatchObject({ code: 0 });
    await supernode.running.kill('SIGKILL');
    await lab.supernode(supernode);
    const second = await lab.agent('127.0.0.3', supernode.node);
    expect(await download(lab, second, url, lab.path('second'))).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('second'))).toBe(sample.digest());
    expect(source.count('back.bin').bodyBytes).toBe(sample.length);
  });
});

describe('no supernode', () => {
  it('back to source, unless --notbs says no', async () => {
    const sample = new Sample(8 * MIB, 7);
    const url = source.serve('none.bin', sample);
    const agent = await lab.agent('127.0.0.2', '127.0.0.1:9');
    const refused = await download(lab, agent, url, lab.path('no'), '--notbs');
    expect(refused).toMatchObject({ code: 7, fault: { code: 'supernode-unreachable' } });
    expect(source.count('none.bin').gets).toBe(0);
    const done = await download(lab, agent, url, lab.path('yes'));
    expect(done).toMatchObject({ code: 0, result: { fromSource: sample.length } });
    expect(done.result?.backToSource?.code).toBe('supernode-unreachable');
    expect(await lab.sha256(lab.path('yes'))).toBe(sample.digest());
  });

  it('is needed for --pattern source', async () => {
    const sample = new Sample(2 * MIB, 8);
    const url = source.serve('direct.bin', sample);
    const agent = await lab.agent('127.0.0.2', '127.0.0.1:9');
    const done = await download(lab, agent, url, lab.path('direct'), '--pattern', 'source', '--notbs');
    expect(done).toMatchObject({ code: 0, result: { fromSource: sample.length } });
    expect(await lab.sha256(lab.path('direct'))).toBe(sample.digest());
  });
});

describe('a source that fails', () => {
  it('once in the middle is read on from there', async () => {
    const sample = new Sample(16 * MIB, 9);
    const url = source.serve('cut.bin', sample, { cut: { afterBytes: 6 * MIB, times: 1 } });
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    expect(await download(lab, agent, url, lab.path('cut'))).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('cut'))).toBe(sample.digest());
    const { ranges, bodyBytes } = source.count('cut.bin');
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=\d+-/);
    expect(bodyBytes).toBeLessThanOrEqual(sample.length + 2 * MIB);
  });
});
