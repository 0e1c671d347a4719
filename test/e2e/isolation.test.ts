/** Hosts that give wrong bytes, nothing, or false witness: files are right, and scheduling goes round them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../support/download.ts';
import { wrongDeeds } from '../support/faulty/fault.ts';
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

describe('a host that flips a byte in every piece it gives', () => {
  it('spoils no file', async () => {
    const sample = new Sample(32 * MIB, 11);
    const url = source.serve('flipped.bin', sample);
    const { node } = await lab.supernode();
    const corrupt = await lab.faultyAgent('corrupt', '127.0.0.2', node);
    expect(await download(lab, corrupt, url, lab.path('first'))).toMatchObject({ code: 0 });
    const others = await Promise.all(['127.0.0.3', '127.0.0.4', '127.0.0.5'].map((ip) => lab.agent(ip, node)));
    const ends = await Promise.all(others.map((agent) => download(lab, agent, url, lab.path(agent.name, 'out'))));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(wrongDeeds(corrupt.faultFile)).toBeGreaterThan(0);
    for (const { name } of others) expect(await lab.sha256(lab.path(name, 'out'))).toBe(sample.digest());
  });
});
