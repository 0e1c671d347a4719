import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateQueue } from './rate-queue.ts';
import { TokenBucket } from './token-bucket.ts';

const MIB = 1024 * 1024;

type Flow = {
  readonly key: string;
  /** From a turn to the next ask, while the bytes come. Milliseconds. */
  readonly pauseMs: number;
};
type Grant = { readonly at: number; readonly key: string; readonly bytes: number };

/** Flows that ask, move what they may and ask again, on a clock that is moved on; timers come `lateMs` late. */
function play(queue: RateQueue<Flow>, flows: readonly Flow[], seconds: number, lateMs = 0): Grant[] {
  const grants: Grant[] = [];
  let asking = flows.map((flow, i) => ({ at: i * 0.01, flow }));
  for (let now = 0; now < seconds * 1000; ) {
    for (const { flow } of asking.filter(({ at }) => at <= now)) queue.ask(flow.key, MIB, flow, now);
    asking = asking.filter(({ at }) => at > now);
    for (const { key, bytes, who } of queue.serve(now)) {
      grants.push({ at: now, key, bytes });
      asking.push({ at: now + who.pauseMs, flow: who });
    }
    const next = Math.min(queue.nextAt(now) + lateMs, ...asking.map(({ at }) => at));
    now = Math.max(next, now + 0.001);
  }
  return grants;
}

const bytesOf = (grants: readonly Grant[]): number => sum(grants.map(({ bytes }) => bytes));

/** The most that was granted beyond the rate in any time at all. Milliseconds of the rate. */
function burstMs(grants: readonly Grant[], perSecond: number): number {
  let [given, least, most] = [0, Number.POSITIVE_INFINITY, 0];
  for (const { at, bytes } of grants) {
    least = Math.min(least, given - (perSecond / 1000) * at);
    given += bytes;
    most = Math.max(most, given - (perSecond / 1000) * at - least);
  }
  return (most / perSecond) * 1000;
}

/** The lowest and the highest rate over windows of `ms`, as parts of `perSecond`. */
function rates(grants: readonly Grant[], perSecond: number, seconds: number, ms: number): [number, number] {
  const found: number[] = [];
  for (let from = 0; from + ms <= seconds * 1000; from += 10) {
    const inside = grants.filter(({ at }) => at >= from && at < from + ms);
    found.push(bytesOf(inside) / ((perSecond * ms) / 1000));
  }
  return [Math.min(...found), Math.max(...found)];
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

describe('TokenBucket', () => {
  it('holds the rate over any chunks and pauses', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 1e9 }),
        fc.array(fc.record({ bytes: fc.nat(1e6), gap: fc.nat(500) }), { minLength: 1 }),
        (rate, steps) => {
          const bucket = new TokenBucket(rate);
          let now = 0;
          let total = 0;
          for (const { bytes, gap } of steps) {
            now += gap + bucket.take(bytes, now + gap);
            total += bytes;
          }
          expect(total).toBeLessThanOrEqual((rate * (now + 50)) / 1000 + 1);
        },
      ),
    );
  });

  it('does not limit without a rate, and refuses a senseless one', () => {
    expect(new TokenBucket().take(1e12, 0)).toBe(0);
    expect(() => new TokenBucket(0)).toThrow(RangeError);
  });

  it('takes a new rate at once and keeps the debt', () => {
    const bucket = new TokenBucket(1000);
    expect(bucket.take(1000, 0)).toBe(1000);
    bucket.setRate(10_000, 0);
    expect(bucket.debt(0)).toBe(100);
    bucket.setRate(undefined, 0);
    expect(bucket.take(1e9, 1)).toBe(0);
  });
});

describe('RateQueue', () => {
  const RATE = 20 * MIB;
  const flowsOf = (tasks: number, each: number): Flow[] =>
    Array.from({ length: tasks * each }, (_, i) => ({ key: `t${i % tasks}`, pauseMs: 0.2 + (i % 7) / 10 }));

  describe.each([1, 20, 200])('with %i tasks', (tasks) => {
    it.each([
      [1, 0],
      [4, 0],
      [4, 8],
    ])('of %i flows holds the total, without bursts, fairly, when timers come %i ms late', (each, lateMs) => {
      const queue = new RateQueue<Flow>(RATE);
      const grants = play(queue, flowsOf(tasks, each), 6, lateMs);
      const [lowest, highest] = rates(grants, RATE, 6, 1000);
      expect(lowest).toBeGreaterThan(0.97);
      expect(highest).toBeLessThan(1.03);
      expect(burstMs(grants, RATE)).toBeLessThanOrEqual(20.001 + lateMs);
      // Who came first had all of it until the others came.
      const later = grants.filter(({ at }) => at >= 1000);
      const parts = Array.from({ length: tasks }, (_, i) => bytesOf(later.filter(({ key }) => key === `t${i}`)));
      expect(Math.min(...parts) / Math.max(...parts)).toBeGreaterThan(0.95);
    });
  });

  it('never grants more than the rate, its credit and a portion, whatever is asked and when', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300_000, max: 1e9 }),
        fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 4e6 }), fc.nat(300)), { minLength: 1 }),
        (rate, steps) => {
          const queue = new RateQueue<number>(rate);
          let [now, total, first] = [0, 0, -1];
          for (const [task, bytes, gap] of steps) {
            now += gap;
            queue.ask(`t${task}`, bytes, 0, now);
            total += sum(queue.serve(now).map((ask) => ask.bytes));
            if (first < 0) first = now;
            expect(total).toBeLessThanOrEqual((rate * (now - first + 50 + 20)) / 1000 + 1);
          }
        },
      ),
    );
  });

  it('is fair between tasks, however many flows each has', () => {
    const queue = new RateQueue<Flow>(RATE);
    const many = Array.from({ length: 40 }, () => ({ key: 'many', pauseMs: 0.5 }));
    const grants = play(queue, [...many, { key: 'one', pauseMs: 0.5 }], 10);
    const one = bytesOf(grants.filter(({ key }) => key === 'one'));
    expect(one / bytesOf(grants)).toBeGreaterThan(0.45);
  });

  it('serves a task first that asks for less than its part, and gives the others what it leaves', () => {
    const queue = new RateQueue<Flow>(RATE);
    queue.setTask('slow', 1 * MIB, 0);
    const fast = Array.from({ length: 8 }, () => ({ key: 'fast', pauseMs: 0.5 }));
    const grants = play(queue, [...fast, { key: 'slow', pauseMs: 0.5 }], 10);
    const slow = bytesOf(grants.filter(({ key }) => key === 'slow'));
    expect(slow / (10 * MIB)).toBeCloseTo(1, 1);
    expect(bytesOf(grants) / (200 * MIB)).toBeGreaterThan(0.97);
  });

  it('gives all of the rate to those who are left, from the moment on that others have no work', () => {
    const queue = new RateQueue<Flow>(RATE);
    const first = play(queue, flowsOf(20, 4), 1);
    expect(bytesOf(first) / RATE).toBeCloseTo(1, 1);
    // Those that wait are gone; one comes back.
    for (const ask of queue.serve(1e6)) queue.withdraw(ask);
    const left = new RateQueue<Flow>(RATE);
    for (let i = 0; i < 19; i++) left.setTask(`t${i}`, undefined, 0);
    const [lowest] = rates(play(left, [{ key: 't19', pauseMs: 0.5 }], 2), RATE, 2, 200);
    expect(lowest).toBeGreaterThan(0.9);
  });

  it('does not let a task that rested for long keep the others waiting', () => {
    const queue = new RateQueue<Flow>(RATE);
    queue.setTask('rested', undefined, 0);
    play(queue, flowsOf(1, 4), 5);
    queue.ask('rested', MIB, { key: 'rested', pauseMs: 0.5 }, 5000);
    const grants: Grant[] = [];
    for (let now = 5000; now < 5500; now += 1) {
      for (const { key, bytes, who } of queue.serve(now)) {
        grants.push({ at: now, key, bytes });
        queue.ask(key, MIB, who, now);
      }
    }
    const rested = bytesOf(grants.filter(({ key }) => key === 'rested'));
    expect(rested / bytesOf(grants)).toBeLessThan(0.6);
    expect(rested / bytesOf(grants)).toBeGreaterThan(0.4);
  });

  it('tells nobody whose turn is wanted no more, and everybody else once', () => {
    const queue = new RateQueue<string>(1000);
    const [first, second] = [queue.ask('a', 100, 'first', 0), queue.ask('a', 100, 'second', 0)];
    queue.ask('b', 100, 'third', 0);
    expect(queue.serve(0).map(({ who }) => who)).toEqual(['first']);
    queue.withdraw(first);
    queue.withdraw(second);
    queue.withdraw(second);
    expect(queue.waiting).toBe(1);
    expect(queue.serve(queue.nextAt(0)).map(({ who }) => who)).toEqual(['third']);
    expect(queue.nextAt(0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('forgets a task that nobody opened when it has rested, and one that is closed', () => {
    const queue = new RateQueue<string>(MIB);
    queue.setTask('opened', undefined, 0);
    queue.ask('passing', 1000, 'a', 0);
    queue.serve(0);
    expect(queue.size).toBe(2);
    queue.ask('opened', 1000, 'b', 60_000);
    expect(queue.size).toBe(1);
    queue.closeTask('opened');
    expect(queue.serve(60_000)).toHaveLength(1);
    queue.ask('passing', 1000, 'c', 120_000);
    expect(queue.size).toBe(1);
  });

  it('follows a change while running', () => {
    const queue = new RateQueue<string>();
    expect(queue.limits('a')).toBe(false);
    queue.ask('a', 1e9, 'unlimited', 0);
    expect(queue.serve(0)).toHaveLength(1);
    queue.setTotal(MIB, 0);
    expect(queue.limits('a')).toBe(true);
    expect(queue.ask('a', MIB, 'portion', 0).bytes).toBe(Math.floor(MIB / 50));
    expect(queue.serve(0)).toHaveLength(1);
    expect(queue.nextAt(0)).toBe(Number.POSITIVE_INFINITY);
    queue.ask('a', MIB, 'next', 0);
    expect(queue.nextAt(0)).toBeCloseTo(20);
    queue.setTotal(undefined, 0);
    expect(queue.serve(0).map(({ who }) => who)).toEqual(['next']);
  });
});
