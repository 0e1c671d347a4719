import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseTaskId } from '../../protocol/ids.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import { Failures } from './failures.ts';

const task = parseTaskId('a'.repeat(64));
if (task === undefined) throw new Error('no task id');
const of = (token: string): TaskSpec => ({ url: 'http://a/', headers: [['Authorization', token]], filter: [] });
const down = new Fault('source-unreachable', 'down', { sourceStatus: 503 });
const refused = new Fault('source-refused', 'no', { sourceStatus: 401 });

describe('a failure of a source', () => {
  it('that is down is remembered for everybody, for as long as was set', () => {
    const clock = new ManualClock();
    const failures = new Failures(clock, 30_000);
    failures.remember(task, of('one'), down);
    expect(failures.find(task, of('other'))).toBe(down);
    clock.advance(29_999);
    expect(failures.find(task, of('one'))).toBe(down);
    clock.advance(1);
    expect(failures.find(task, of('one'))).toBeUndefined();
  });

  it('that asks for a longer rest gets it', () => {
    const clock = new ManualClock();
    const failures = new Failures(clock, 30_000);
    failures.remember(task, of('one'), new Fault('source-unreachable', 'busy', { retryAfterMs: 60_000 }));
    clock.advance(59_999);
    expect(failures.find(task, of('other'))).toBeDefined();
    clock.advance(1);
    expect(failures.find(task, of('other'))).toBeUndefined();
  });

  it('that refused one asker says nothing about another, nor about another signature', () => {
    const failures = new Failures(new ManualClock(), 30_000);
    failures.remember(task, of('one'), refused);
    expect(failures.find(task, of('one'))).toBe(refused);
    expect(failures.find(task, of('other'))).toBeUndefined();
    expect(failures.find(task, { ...of('one'), signature: 's' })).toBeUndefined();
  });

  it('is forgotten when it went well, and is not remembered when it is none of the source', () => {
    const failures = new Failures(new ManualClock(), 30_000);
    failures.remember(task, of('one'), down);
    failures.forget(task, of('one'));
    expect(failures.find(task, of('one'))).toBeUndefined();
    failures.remember(task, of('one'), new Fault('no-space', 'full'));
    expect(failures.find(task, of('one'))).toBeUndefined();
  });
});
