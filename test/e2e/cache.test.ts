/** What the supernode's cache and the hosts' stores do over time: revalidation, stale contents, room. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../support/download.ts';
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
