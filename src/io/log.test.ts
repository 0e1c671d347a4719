import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { createLog, silentLog } from './log.ts';
import { nextTurn } from './turn.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the log', () => {
  it('writes one JSON line per event at and above its level', () => {
    const file = join(folder, 'deep', 'a.log');
    const log = createLog({ program: 'test', level: 'info', file });
    log.debug({}, 'quiet');
    log.info({ port: 1 }, 'loud');
    log.child({ task: 't' }).warn({}, 'child');
    log.error({ fault: new Fault('timeout', 'late'), error: new Error('odd') }, 'bad');
    const lines = linesOf(file);
    expect(lines.map((line) => [line.level, line.msg])).toEqual([
      ['info', 'loud'],
      ['warn', 'child'],
      ['error', 'bad'],
    ]);
    expect(lines[0]).toMatchObject({ program: 'test', port: 1 });
    expect(lines[1]).toMatchObject({ task: 't' });
    expect(lines[2]).toMatchObject({ fault: { code: 'timeout', message: 'late' }, error: { message: 'odd' } });
  });

  it('holds no secret', async () => {
    const file = join(folder, 'a.log');
    const log = createLog({ program: 'test', file });
    const secret = 'hunter2';
    log.info(
      { headers: { a: secret }, authorization: secret, token: secret, cookie: secret, cacerts: [secret] },
      'top',
    );
    log.info({ spec: { headers: [['Authorization', secret]], token: secret } }, 'below');
    log.child({ token: secret, headers: secret }).info({}, 'child');
    await nextTurn();
    expect(readFileSync(file, 'utf8')).not.toContain(secret);
    expect(linesOf(file).length).toBe(3);
  });

  it('is bounded: a full file becomes the one before', async () => {
    const file = join(folder, 'a.log');
    const log = createLog({ program: 'test', file, maxFileBytes: 1000 });
    for (let i = 0; i < 30; i++) log.info({ i }, 'x'.repeat(100));
    await nextTurn();
    expect(readFileSync(file).length).toBeLessThanOrEqual(1000);
    expect(readFileSync(`${file}.1`).length).toBeLessThanOrEqual(1000);
    expect(linesOf(file).at(-1)?.i).toBe(29);
  });

  it('goes on where it was, and says in one line when it cannot be written', async () => {
    const file = join(folder, 'a.log');
    createLog({ program: 'test', file }).info({}, 'first');
    createLog({ program: 'test', file }).info({}, 'second');
    await nextTurn();
    expect(linesOf(file).map((line) => line.msg)).toEqual(['first', 'second']);
    writeFileSync(join(folder, 'plain'), '');
    expect(() => createLog({ program: 'test', file: join(folder, 'plain', 'a.log') })).toThrow(Fault);
  });

  it('gathers the lines of a turn, and writes them before a warning', async () => {
    const file = join(folder, 'a.log');
    const log = createLog({ program: 'test', file });
    log.info({}, 'one');
    log.info({}, 'two');
    expect(readFileSync(file, 'utf8')).toBe('');
    await nextTurn();
    expect(linesOf(file).map((line) => line.msg)).toEqual(['one', 'two']);
    log.info({}, 'three');
    log.child({}).warn({}, 'four');
    expect(linesOf(file).map((line) => line.msg)).toEqual(['one', 'two', 'three', 'four']);
  });

  it('has said everything when its process exits', () => {
    const file = join(folder, 'a.log');
    const program = `import { createLog } from '${new URL('log.ts', import.meta.url).href}';
      createLog({ program: 'test', file: '${file}' }).info({}, 'last');
      process.exit(0);`;
    execFileSync(process.execPath, ['--input-type=module', '--eval', program]);
    expect(linesOf(file).map((line) => line.msg)).toEqual(['last']);
  });

  it('can be nobody', () => {
    expect(silentLog.child({})).toBe(silentLog);
    expect(silentLog.error({}, 'x')).toBeUndefined();
  });
});
