import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { createLog, silentLog } from './log.ts';

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

  it('holds no secret', () => {
    const file = join(folder, 'a.log');
    const log = createLog({ program: 'test', file });
    const secret = 'hunter2';
    log.info(
      { headers: { a: secret }, authorization: secret, token: secret, cookie: secret, cacerts: [secret] },
      'top',
    );
    log.info({ spec: { headers: [['Authorization', secret]], token: secret } }, 'below');
    log.child({ token: secret, headers: secret }).info({}, 'child');
    expect(readFileSync(file, 'utf8')).not.toContain(secret);
    expect(linesOf(file).length).toBe(3);
  });

  it('is bounded: a full file becomes the one before', () => {
    const file = join(folder, 'a.log');
    const log = createLog({ program: 'test', file, maxFileBytes: 1000 });
    for (let i = 0; i < 30; i++) log.info({ i }, 'x'.repeat(100));
    expect(readFileSync(file).length).toBeLessThanOrEqual(1000);
    expect(readFileSync(`${file}.1`).length).toBeLessThanOrEqual(1000);
    expect(linesOf(file).at(-1)?.i).toBe(29);
  });

  it('goes on where it was, and says in one line when it cannot be written', () => {
    const file = join(folder, 'a.log');
    createLog({ program: 'test', file }).info({}, 'first');
    createLog({ program: 'test', file }).info({}, 'second');
    expect(linesOf(file).map((line) => line.msg)).toEqual(['first', 'second']);
    writeFileSync(join(folder, 'plain'), '');
    expect(() => createLog({ program: 'test', file: join(folder, 'plain', 'a.log') })).toThrow(Fault);
  });

  it('can be nobody', () => {
    expect(silentLog.child({})).toBe(silentLog);
    expect(silentLog.error({}, 'x')).toBeUndefined();
  });
});
