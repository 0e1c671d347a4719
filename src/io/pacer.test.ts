import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { inTurns, Pacer, type Turn, turnOf } from './pacer.ts';

const RATE = 1024 * 1000;
const clock = { now: () => performance.now(), wall: () => Date.now() };
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function ask(pacer: Pacer, told: string[], name: string): Turn {
  const pace = pacer.pace('task');
  if (pace === undefined) throw new Error('no limit');
  return pace(10 * 1024, () => told.push(name));
}

it('tells at once whose turn has come, and calls the others in order when the time has passed', () => {
  const pacer = new Pacer(RATE, clock);
  const told: string[] = [];
  expect(ask(pacer, told, 'first').come).toBe(true);
  const second = ask(pacer, told, 'second');
  ask(pacer, told, 'third');
  const fourth = ask(pacer, told, 'fourth');
  expect([second.come, told]).toEqual([false, []]);
  vi.advanceTimersByTime(11);
  expect(told).toEqual(['second']);
  fourth.cancel();
  vi.advanceTimersByTime(100);
  expect(told).toEqual(['second', 'third']);
  expect(vi.getTimerCount()).toBe(0);
});

it('wakes who waits when the limit is raised or goes', () => {
  const pacer = new Pacer(1024, clock);
  const told: string[] = [];
  for (const name of ['first', 'second', 'third']) ask(pacer, told, name);
  pacer.bytesPerSecond = RATE;
  vi.advanceTimersByTime(6);
  expect(told).toEqual(['second']);
  pacer.bytesPerSecond = undefined;
  expect(told).toEqual(['second', 'third']);
  expect(pacer.pace('task')).toBeUndefined();
});

it('gives turns as promises, which a signal ends', async () => {
  const pacer = new Pacer(RATE, clock);
  const stop = new AbortController();
  const moved = inTurns(100 * 1024, pacer.turns('task'), stop.signal);
  await vi.advanceTimersByTimeAsync(110);
  await moved;
  const pace = pacer.pace('task');
  const waiting = pace === undefined ? Promise.reject(new Error('no limit')) : turnOf(pace, 1024, stop.signal);
  stop.abort();
  await waiting;
});
