/** Each mistake ends in one clear line, the right exit code, no half file and no process that stays. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download } from '../support/download.ts';
import { freePort } from '../support/free-port.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { canMount, mountMemory } from '../support/mount.ts';
import type { Ended } from '../support/process.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
let agent: Agent;
beforeAll(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode()];
  agent = await lab.agent('127.0.0.2', supernode.node);
});
afterAll(() => lab.close());

function expectOneLine(ended: Pick<Ended, 'stderr'>, ...parts: (string | RegExp)[]): void {
  expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  for (const part of parts) expect(ended.stderr).toMatch(part);
}

describe('what the user gives', () => {
  it.each([
    ['a URL that is none', ['--url', 'nonsense'], 2, 'not an absolute URL'],
    ['a scheme that is not supported', ['--url', 'gopher://a/b'], 2, 'has the scheme gopher'],
    ['no URL', ['--output', 'x'], 2, '--url'],
    ['an output that is a directory', ['--url', 'http://127.0.0.1:9/f', '--output', '/'], 8, 'is a directory'],
    [
      'an output in a place that takes no files',
      ['--url', 'http://127.0.0.1:9/f', '--output', '/proc/x/f'],
      8,
      '/proc/x',
    ],
    ['an unknown flag', ['--url', 'http://127.0.0.1:9/f', '--locallimt', '1M'], 2, 'did you mean --locallimit?'],
    ['a bad rate', ['--url', 'http://127.0.0.1:9/f', '--locallimit', 'fast'], 2, 'wants a size'],
    ['a bad digest', ['--url', 'http://127.0.0.1:9/f', '--md5', 'abc'], 2, '32 hexadecimal digits'],
    ['a bad supernode', ['--url', 'http://127.0.0.1:9/f', '--node', 'a:b:c'], 2, '--node wants'],
  ])('%s', async (_, flags, code, message) => {
    const before = readdirSync(lab.folder);
    const ended = await lab.dfget(agent.home, ...flags).ended;
    expect(ended.code).toBe(code);
    expectOneLine(ended, message);
    expect(readdirSync(lab.folder)).toEqual(before);
  });

  it('an unknown key in the properties', async () => {
    const file = lab.path('dfget.yml');
    writeFileSync(file, 'nodez: [a]\n');
    const home = lab.path('unknown-key');
    const ended = await lab.run('dfget', ['--home', home, '--config', file, '--url', `${source.url}/x`]).ended;
    expect(ended.code).toBe(2);
    expectOneLine(ended, 'nodez', file);
  });

  it('an unknown flag, key or variable of the supernode', async () => {
    const file = lab.path('bad-supernode.yml');
    writeFileSync(file, 'listenPrt: 1\n');
    const wrong: [string[], NodeJS.ProcessEnv, string][] = [
      [['--prot', '1'], {}, '--prot'],
      [['--config', file], {}, 'listenPrt'],
      [['--port', 'x'], {}, 'port'],
      [[], { SUPERNODE_LISTEN_PRT: '1' }, 'SUPERNODE_LISTEN_PRT'],
    ];
    for (const [args, env, message] of wrong) {
      const ended = await lab.run('supernode', ['--home-dir', lab.path('bad'), ...args], env).ended;
      expect(ended.code).toBe(2);
      expectOneLine(ended, message);
    }
  });
});

describe('a port that is in use', () => {
  it('of the supernode', async () => {
    const args = ['--home-dir', lab.path('second'), '--advertise-ip', '127.0.0.1'];
    const ports = ['--port', String(supernode.port), '--download-port', String(await freePort('127.0.0.1'))];
    const ended = await lab.run('supernode', [...args, ...ports]).ended;
    expect(ended.code).toBe(2);
    expectOneLine(ended, `${supernode.port}`, 'in use');
  });

  it('of an agent, told by the dfget that starts it', async () => {
    const server = createServer().listen(0, '127.0.0.30');
    const port = await freePort('127.0.0.30').then(() => (server.address() as { port: number }).port);
    const home = lab.path('port');
    const flags = ['--ip', '127.0.0.30', '--port', String(port), '--url', `${source.url}/x`, '--home', home];
    const ended = await lab.run('dfget', flags).ended;
    server.close();
    expect(ended.code).toBe(2);
    expectOneLine(ended, `${port}`, 'in use');
    expect(existsSync(join(home, 'agent.sock'))).toBe(false);
  });
});

describe('a source', () => {
  it('that nobody runs', async () => {
    const url = `http://127.0.0.1:${await freePort('127.0.0.1')}/gone`;
    const outcome = await download(lab, agent, url, lab.path('gone'));
    expect(outcome).toMatchObject({ code: 9, fault: { code: 'source-unreachable' } });
    expectOneLine(outcome);
    expect(existsSync(lab.path('gone'))).toBe(false);
  });

  it('that announces more than it sends', async () => {
    const url = source.serve('lies.bin', 2 * MIB, { lieBytes: 1000 });
    const outcome = await download(lab, agent, url, lab.path('lies'));
    expect(outcome.code).toBe(9);
    expectOneLine(outcome);
    expect(existsSync(lab.path('lies'))).toBe(false);
  });

  it('that always cuts the connection', async () => {
    const url = source.serve('cuts.bin', 2 * MIB, { cut: { afterBytes: MIB }, noRanges: true });
    const outcome = await download(lab, agent, url, lab.path('cuts'));
    expect(outcome.code).toBe(9);
    expectOneLine(outcome);
    expect(existsSync(lab.path('cuts'))).toBe(false);
  });

  it('that is too slow for --timeout', async () => {
    const gate = Promise.withResolvers<void>();
    const url = source.serve('slow.bin', 2 * MIB, { pause: { atByte: MIB, until: gate.promise } });
    const outcome = await download(lab, agent, url, lab.path('slow'), '--timeout', '1s');
    gate.resolve();
    expect(outcome).toMatchObject({ code: 4, fault: { code: 'timeout' } });
    expectOneLine(outcome, '--timeout');
    expect(existsSync(lab.path('slow'))).toBe(false);
  });
});

describe('a store', () => {
  it('of another version', async () => {
    const home = lab.path('old-store');
    mkdirSync(join(home, 'store'), { recursive: true });
    writeFileSync(join(home, 'store', 'VERSION'), '999\n');
    const ended = await lab.run('dfget', ['--home', home, '--ip', '127.0.0.31', '--url', `${source.url}/x`]).ended;
    expect(ended.code).toBe(8);
    expectOneLine(ended, '999', 'home');
  });

  it('without the space for a content says so before a byte of it moves', async () => {
    const url = source.serve('huge.bin', new Sample(2 ** 52, 1));
    const outcome = await download(lab, agent, url, lab.path('huge'));
    expect(outcome).toMatchObject({ code: 6, fault: { code: 'no-space' } });
    expectOneLine(outcome);
    expect(source.count('huge.bin').bodyBytes).toBeLessThan(16 * MIB);
  });

  it.skipIf(!canMount())('on a disk that is full (needs root and mount)', async () => {
    const home = lab.path('full-disk');
    const unmount = mountMemory(home, 'size=6m');
    try {
      const url = source.serve('full.bin', 24 * MIB);
      const args = ['server', '--ip', '127.0.0.32', '--home', home, '--node', supernode.node];
      const small = await lab.restart({ name: '127.0.0.32', home, args });
      const outcome = await download(lab, home, url, lab.path('full'));
      expect(outcome).toMatchObject({ code: 6, fault: { code: 'no-space' } });
      expectOneLine(outcome);
      expect(existsSync(lab.path('full'))).toBe(false);
      const fits = source.serve('fits.bin', MIB);
      expect(await download(lab, home, fits, lab.path('fits'))).toMatchObject({ code: 0 });
      await small.running.kill('SIGTERM');
    } finally {
      unmount();
    }
  });
});
