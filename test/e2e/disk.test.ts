/** Disks that fill up or cannot be written: the download ends cleanly, the agent lives, nothing is lost or wrong. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, startDownload } from '../support/download.ts';
import { setFault, wrongDeeds } from '../support/faulty/fault.ts';
import { Lab, type Supernode } from '../support/lab.ts';
import { canMount, mountMemory } from '../support/mount.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
const unmounts: (() => void)[] = [];
beforeEach(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode()];
});
afterEach(async () => {
  for (const unmount of unmounts.splice(0)) unmount();
  await lab.close();
});

describe.skipIf(!canMount())('a disk (needs root and mount)', () => {
  it('that fills up half-way ends the download alone; with room again it goes on where it was', async () => {
    const home = lab.path('127.0.0.2');
    unmounts.push(mountMemory(home, 'size=40m'));
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const held = source.serve('held.bin', new Sample(4 * MIB, 1));
    expect(await download(lab, agent, held, lab.path('held'))).toMatchObject({ code: 0 });
    const gate = Promise.withResolvers<void>();
    const sample = new Sample(16 * MIB, 2);
    const url = source.serve('half.bin', sample, { pause: { atByte: 8 * MIB, until: gate.promise } });
    const half = startDownload(lab, agent, url, lab.path('half'), '--pattern', 'source');
    await half.reached(4 * MIB);
    writeFileSync(join(home, 'filler'), Buffer.alloc(24 * MIB));
    gate.resolve();
    const outcome = await half.ended;
    expect(outcome).toMatchObject({ code: 6, fault: { code: 'no-space' } });
    expect(existsSync(lab.path('half'))).toBe(false);
    expect(agent.running.alive).toBe(true);

    rmSync(join(home, 'filler'));
    const again = await download(lab, agent, url, lab.path('half'), '--pattern', 'source');
    expect(again).toMatchObject({ code: 0 });
    expect(again.result?.fromDisk).toBeGreaterThanOrEqual(4 * MIB);
    expect(await lab.sha256(lab.path('half'))).toBe(sample.digest());
    expect(await download(lab, agent, held, lab.path('held-again'))).toMatchObject({ code: 0 });
  });

  it('with a full place for the output is told, and the content stays in the cache', async () => {
    const agent = await lab.agent('127.0.0.3', supernode.node);
    unmounts.push(mountMemory(lab.path('small'), 'size=2m'));
    const sample = new Sample(6 * MIB, 3);
    const url = source.serve('out.bin', sample);
    const outcome = await download(lab, agent, url, lab.path('small', 'out'));
    expect(outcome).toMatchObject({ code: 6, fault: { code: 'no-space' } });
    expect(existsSync(lab.path('small', 'out'))).toBe(false);
    const elsewhere = await download(lab, agent, url, lab.path('elsewhere'));
    expect(elsewhere).toMatchObject({ code: 0, result: { fromDisk: sample.length } });
    expect(await lab.sha256(lab.path('elsewhere'))).toBe(sample.digest());
  });

  it('that cannot be written is named by the agent that wants to start on it', async () => {
    const home = lab.path('127.0.0.4');
    unmounts.push(mountMemory(home, 'size=2m,ro'));
    const ended = await lab.run('dfget', ['server', '--home', home, '--node', supernode.node]).ended;
    expect(ended.code).toBe(8);
    expect(ended.stderr).toContain(home);
  });
});

describe('a disk that breaks (EIO on every write)', () => {
  it('ends the download with the cause; the agent lives, and what it held before is right and is given', async () => {
    // It starts on a sound one: without its own name on the disk no agent would.
    const agent = await lab.faultyAgent(undefined, '127.0.0.5', supernode.node);
    const before = new Sample(3 * MIB, 4);
    const held = source.serve('before.bin', before);
    expect(await download(lab, agent, held, lab.path('before'))).toMatchObject({ code: 0 });

    const gate = Promise.withResolvers<void>();
    const sample = new Sample(8 * MIB, 5);
    const url = source.serve('broken.bin', sample, { pause: { atByte: 4 * MIB, until: gate.promise } });
    const half = startDownload(lab, agent, url, lab.path('broken'));
    await half.reached(2 * MIB);
    setFault(agent.faultFile, 'eio');
    gate.resolve();
    expect(await half.ended).toMatchObject({
      code: 8,
      fault: { code: 'local-io', message: expect.stringContaining('the disk failed') },
    });
    expect(wrongDeeds(agent.faultFile)).toBeGreaterThan(0);
    expect(existsSync(lab.path('broken'))).toBe(false);
    expect(agent.running.alive).toBe(true);
    expect(await download(lab, agent, held, lab.path('held'))).toMatchObject({
      code: 0,
      result: { fromDisk: before.length },
    });
    expect(await lab.sha256(lab.path('held'))).toBe(before.digest());

    setFault(agent.faultFile, undefined);
    const again = await download(lab, agent, url, lab.path('whole'));
    expect(again).toMatchObject({ code: 0 });
    expect(again.result?.fromDisk).toBeGreaterThanOrEqual(2 * MIB);
    expect(await lab.sha256(lab.path('whole'))).toBe(sample.digest());
  });
});
