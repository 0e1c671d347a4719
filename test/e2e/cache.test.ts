/** What the supernode's cache and the hosts' stores do over time: revalidation, stale contents, room. */
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

describe('a content that was read before', () => {
  it('costs one conditional request, and a changed one is read once under its new generation', async () => {
    const first = new Sample(4 * MIB, 1);
    const url = source.serve('changing.bin', first);
    const supernode = await lab.supernode();
    const agents = await Promise.all(['127.0.0.2', '127.0.0.3'].map((ip) => lab.agent(ip, supernode.node)));
    const [one, two] = agents;
    if (one === undefined || two === undefined) throw new Error('no agents');
    expect(await download(lab, one, url, lab.path('a'))).toMatchObject({ code: 0 });
    expect(await download(lab, two, url, lab.path('b'))).toMatchObject({ code: 0 });
    expect(source.count('changing.bin')).toMatchObject({ gets: 2, unchanged: 1, bodyBytes: first.length });

    const second = new Sample(5 * MIB, 2);
    source.serve('changing.bin', second);
    const both = await Promise.all(agents.map((agent) => download(lab, agent, url, lab.path(`${agent.name}.new`))));
    for (const outcome of both) expect(outcome).toMatchObject({ code: 0, stderr: '' });
    for (const agent of agents) expect(await lab.sha256(lab.path(`${agent.name}.new`))).toBe(second.digest());
    expect(source.count('changing.bin').bodyBytes).toBe(second.length);
  });

  it('is given out stale when its source is down, only if the operator said so, and says it', async () => {
    const sample = new Sample(2 * MIB, 3);
    const url = source.serve('stale.bin', sample);
    const strict = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', strict.node);
    expect(await download(lab, agent, url, lab.path('a'))).toMatchObject({ code: 0, stderr: '' });
    source.serve('stale.bin', sample, { status: 503 });
    const other = await lab.agent('127.0.0.3', strict.node);
    expect(await download(lab, other, url, lab.path('b'), '--notbs')).toMatchObject({
      code: 9,
      fault: { code: 'source-unreachable' },
    });

    await strict.running.kill('SIGTERM');
    await lab.supernode(strict, '--stale-if-error', '1h');
    const stale = await download(lab, other, url, lab.path('b'), '--notbs');
    expect(stale).toMatchObject({ code: 0, result: { stale: { why: { code: 'source-unreachable' } } } });
    expect(stale.stderr).toMatch(/^dfget: the content may be out of date: it was right at .*503/);
    expect(await lab.sha256(lab.path('b'))).toBe(sample.digest());
  });
});

describe('a supernode that is killed while it reads', () => {
  it('goes on with the first byte that it had not verified', async () => {
    const sample = new Sample(24 * MIB, 4);
    const { promise: gate, resolve: goOn } = Promise.withResolvers<void>();
    const url = source.serve('killed.bin', sample, { pause: { atByte: 16 * MIB, until: gate } });
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const first = startDownload(lab, agent, url, lab.path('first'), '--notbs');
    await first.reached(12 * MIB);
    await first.running.kill('SIGKILL');
    await agent.running.kill('SIGKILL');
    await supernode.running.kill('SIGKILL');
    goOn();
    await lab.supernode(supernode);
    // Another host, which holds nothing: all that is saved is what the cache kept.
    const other = await lab.agent('127.0.0.3', supernode.node);
    expect(await download(lab, other, url, lab.path('out'), '--notbs')).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path('out'))).toBe(sample.digest());
    const { ranges } = source.count('killed.bin');
    const from = Number(/^bytes=(\d+)-/.exec(ranges.at(-1) ?? '')?.[1]);
    expect(from).toBeGreaterThanOrEqual(12 * MIB);
  });
});

describe('dfget cache', () => {
  const said = async (home: string, ...args: string[]) => lab.run('dfget', ['cache', ...args, '--home', home]).ended;

  it('lists, verifies, pins and removes what a host keeps, and only that', async () => {
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const urls = ['a.bin', 'b.bin'].map((name, index) => source.serve(name, new Sample(3 * MIB, 20 + index)));
    const [a = '', b = ''] = urls;
    for (const [index, url] of urls.entries())
      expect(await download(lab, agent, url, lab.path(`out${index}`), '--copy')).toMatchObject({ code: 0 });
    const list = await said(agent.home, 'ls');
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toContain(a);
    expect(list.stdout).toMatch(/2 contents, 6 MiB/);

    const [id = ''] = /^[0-9a-f]{12}/m.exec(list.stdout) ?? [];
    expect(await said(agent.home, 'pin', id)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`pinned ${id}`),
    });
    expect((await said(agent.home, 'ls')).stdout).toMatch(/ pinned /);
    expect(await said(agent.home, 'unpin', id)).toMatchObject({ code: 0 });

    const contents = join(agent.home, 'store', 'contents');
    for (const part of readdirSync(contents)) {
      for (const name of readdirSync(join(contents, part))) {
        const file = join(contents, part, name, 'data');
        truncateSync(file, 0);
        writeFileSync(file, Buffer.alloc(3 * MIB, 1));
      }
    }
    const verified = await said(agent.home, 'verify', '--all');
    expect(verified.code).toBe(0);
    expect(verified.stdout.match(/pieces were spoilt and are dropped/g)).toHaveLength(2);
    const mended = await download(lab, agent, a, lab.path('mended'), '--copy');
    expect(mended).toMatchObject({ code: 0, result: { fromDisk: 0, fromSupernode: 3 * MIB } });

    expect(await said(agent.home, 'rm', b)).toMatchObject({ code: 0, stdout: expect.stringContaining('removed ') });
    expect(await said(agent.home, 'rm', b)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`no content ${b}`),
    });
    expect((await said(agent.home, 'ls')).stdout).toMatch(/1 contents/);
    expect(await said(agent.home, 'frobnicate')).toMatchObject({ code: 2 });
    expect(await said(lab.path('nobody'), 'ls')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no agent'),
    });
    const cached = await lab.run('dfget', ['cache', 'rm', '--all', '--node', supernode.node]).ended;
    expect(cached.stdout.match(/^removed /gm)).toHaveLength(2);
    // The cache is empty, but the host still has it: the source is not read again.
    const other = await lab.agent('127.0.0.3', supernode.node);
    expect(await download(lab, other, a, lab.path('other'), '--notbs')).toMatchObject({ code: 0, stderr: '' });
    expect(source.count('a.bin').bodyBytes).toBe(3 * MIB);
  });
});
