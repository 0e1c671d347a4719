/** One agent for all that a host downloads, however many dfgets ask. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, startDownload } from '../support/download.ts';
import { Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
beforeEach(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode()];
});
afterEach(() => lab.close());

/** Command lines of the processes that serve this home. */
function agentsOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it ended while we looked
      }
    })
    .filter((line) => line.includes(' server ') && line.includes(home));
}

describe('the agent of a home', () => {
  it('is started by the first dfget, once, and keeps secrets out of its command line and log', async () => {
    const home = lab.path('auto');
    const sample = new Sample(4 * MIB, 1);
    const url = source.serve('secret.bin', sample, { authorization: 'Bearer 5ecret' });
    const flags = [
      '--ip',
      '127.0.0.2',
      '--node',
      supernode.node,
      '--header',
      'Authorization: Bearer 5ecret',
      '--verbose',
    ];
    const outcomes = await Promise.all(
      ['a', 'b', 'c'].map((name) => download(lab, home, url, lab.path(name), ...flags)),
    );
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(agentsOf(home)).toHaveLength(1);
    expect(agentsOf(home)[0]).not.toContain('5ecret');
    expect(lab.logOf({ home })).not.toContain('5ecret');
    expect(supernode.running.said).not.toContain('5ecret');
    expect(await lab.sha256(lab.path('b'))).toBe(sample.digest());
    expect((await lab.run('dfget', ['stop', '--home', home]).ended).code).toBe(0);
    expect(agentsOf(home)).toEqual([]);
  });

  it('gives two dfgets for one URL one download', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const sample = new Sample(16 * MIB, 2);
    const gate = Promise.withResolvers<void>();
    const url = source.serve('shared.bin', sample, { pause: { atByte: 8 * MIB, until: gate.promise } });
    const first = startDownload(lab, agent, url, lab.path('first'), '--pattern', 'source');
    await first.reached(MIB);
    const second = startDownload(lab, agent, url, lab.path('second'), '--pattern', 'source');
    await second.reached(MIB);
    gate.resolve();
    for (const outcome of await Promise.all([first.ended, second.ended])) expect(outcome).toMatchObject({ code: 0 });
    expect(source.count('shared.bin')).toMatchObject({ gets: 1, bodyBytes: sample.length });
    for (const name of ['first', 'second']) expect(await lab.sha256(lab.path(name))).toBe(sample.digest());
  });

  it('lets the second dfget go on when the first is interrupted', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const sample = new Sample(16 * MIB, 3);
    const gate = Promise.withResolvers<void>();
    const url = source.serve('left.bin', sample, { pause: { atByte: 8 * MIB, until: gate.promise } });
    const first = startDownload(lab, agent, url, lab.path('first'));
    await first.reached(MIB);
    const second = startDownload(lab, agent, url, lab.path('second'));
    await second.reached(MIB);
    expect((await first.running.kill('SIGINT')).code).toBe(130);
    gate.resolve();
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(existsSync(lab.path('first'))).toBe(false);
    expect(source.count('left.bin')).toMatchObject({ gets: 1, bodyBytes: sample.length });
  });
});

describe('an output', () => {
  it('shares the cache’s blocks, and what is done to it harms no later copy', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const sample = new Sample(4 * MIB, 4);
    const url = source.serve('linked.bin', sample);
    expect(await download(lab, agent, url, lab.path('one'))).toMatchObject({ code: 0 });
    writeFileSync(lab.path('one'), 'spoilt');
    expect(await download(lab, agent, url, lab.path('two'))).toMatchObject({ code: 0 });
    expect(await lab.sha256(lab.path('two'))).toBe(sample.digest());
  });

  it('is a file of its own with --copy', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const url = source.serve('copied.bin', 4 * MIB);
    expect(await download(lab, agent, url, lab.path('one'), '--copy')).toMatchObject({ code: 0 });
    expect(statSync(lab.path('one')).nlink).toBe(1);
  });

  it('replaces a file that is there, and gets the folders that it needs', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const sample = new Sample(MIB, 5);
    const url = source.serve('replaced.bin', sample);
    const path = lab.path('new', 'folder', 'file');
    expect(await download(lab, agent, url, path)).toMatchObject({ code: 0 });
    rmSync(path);
    writeFileSync(path, 'old');
    expect(await download(lab, agent, url, path)).toMatchObject({ code: 0 });
    expect(await lab.sha256(path)).toBe(sample.digest());
  });
});

describe('what identifies a content', () => {
  it('is the URL less filtered parameters', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const url = source.serve('named.bin', MIB);
    for (const signature of ['a', 'b'])
      expect(
        await download(lab, agent, `${url}?v=1&sig=${signature}`, lab.path(signature), '--filter', 'sig&expires'),
      ).toMatchObject({ code: 0 });
    expect(source.count('named.bin').bodyBytes).toBe(MIB);
    expect(await download(lab, agent, `${url}?v=2&sig=a`, lab.path('c'), '--filter', 'sig')).toMatchObject({ code: 0 });
    expect(source.count('named.bin').bodyBytes).toBe(2 * MIB);
  });

  it('is checked against the digest that the user gives', async () => {
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const sample = new Sample(3 * MIB, 6);
    const url = source.serve('digest.bin', sample);
    const right = [
      ['--digest', `sha256:${sample.digest()}`],
      ['--md5', sample.digest('md5')],
    ];
    for (const [index, flags] of right.entries())
      expect(await download(lab, agent, url, lab.path(`right-${index}`), ...flags)).toMatchObject({ code: 0 });
    const wrong = [
      ['--digest', `sha256:${'0'.repeat(64)}`],
      ['--md5', '0'.repeat(32)],
    ];
    for (const [index, flags] of wrong.entries()) {
      const outcome = await download(lab, agent, url, lab.path(`wrong-${index}`), ...flags);
      expect(outcome).toMatchObject({ code: 5, fault: { code: 'digest-mismatch' } });
      expect(existsSync(lab.path(`wrong-${index}`))).toBe(false);
    }
  });
});
