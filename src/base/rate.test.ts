import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateTree } from './rate-tree.ts';
import { TokenBucket } from './token-bucket.ts';

const MIB = 1024 * 1024;

type Taker = { readonly key: string; readonly chunk: number; readonly idle?: number };

/** Plays takers that move a chunk, wait as told (and `idle` more) and come again; bytes per taker and per 100 ms. */
function play(tree: RateTree, takers: readonly Taker[], seconds: number): { taken: number[]; slots: number[] } {
  const taken = takers.map(() => 0);
  const slots = new Array<number>(seconds * 10).fill(0);
  const ready = takers.map((_, i) => i * 0.1);
  for (;;) {
    const next = ready.indexOf(Math.min(...ready));
    const taker = takers[next];
    const now = ready[next] ?? 0;
    if (taker === undefined || now >= seconds * 1000) return { taken, slots };
    const debt = tree.debt(taker.key, now);
    if (taken[next] === 0 && debt > 0) {
      ready[next] = now + debt; // Who starts waits for those who were there before.
      continue;
    }
    const bytes = Math.min(taker.chunk, tree.quantum(taker.key));
    taken[next] = (taken[next] ?? 0) + bytes;
    slots[Math.floor(now / 100)] = (slots[Math.floor(now / 100)] ?? 0) + bytes;
    ready[next] = now + Math.max(0.01, tree.take(taker.key, bytes, now)) + (taker.idle ?? 0);
  }
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

describe('RateTree', () => {
  it.each([1, 3, 20])('holds the total within 3 percent over 5 s and without bursts for %i tasks', (count) => {
    const tree = new RateTree(20 * MIB);
    const takers = Array.from({ length: count * 4 }, (_, i) => ({ key: `t${i % count}`, chunk: 65536 }));
    const { taken, slots } = play(tree, takers, 6);
    expect(Math.abs(sum(slots.slice(10)) / (20 * MIB * 5) - 1)).toBeLessThan(0.03);
    expect(Math.abs(sum(taken) / (20 * MIB * 6) - 1)).toBeLessThan(0.03);
    for (const slot of slots) expect(slot).toBeLessThan(20 * MIB * 0.2);
  });

  it('is fair between tasks, however many connections each has', () => {
    const tree = new RateTree(20 * MIB);
    const takers = [...new Array(8).fill({ key: 'many', chunk: 262144 }), { key: 'one', chunk: 65536 }] as Taker[];
    const { taken } = play(tree, takers, 10);
    const one = taken[8] ?? 0;
    expect(one / sum(taken)).toBeGreaterThan(0.45);
  });

  it('gives the others what a task leaves', () => {
    const tree = new RateTree(20 * MIB);
    tree.setTask('slow', 1 * MIB, 0);
    const takers = [
      { key: 'slow', chunk: 65536 },
      { key: 'fast', chunk: 65536 },
      { key: 'fast', chunk: 65536 },
    ];
    const { taken } = play(tree, takers, 10);
    expect((taken[0] ?? 0) / (10 * MIB)).toBeCloseTo(1, 1);
    expect(sum(taken) / (200 * MIB)).toBeGreaterThan(0.97);
  });

  it('makes a task that nobody opened pay for its first bytes too', () => {
    const tree = new RateTree(1000);
    expect([tree.take('a', 100, 0), tree.take('a', 100, 0)]).toEqual([100, 200]);
  });

  it('forgets a task that nobody opened when it has rested, and knows none without a limit', () => {
    const tree = new RateTree();
    tree.take('never', 1000, 0);
    expect(tree.size).toBe(0);
    tree.setTotal(MIB, 0);
    tree.setTask('opened', undefined, 0);
    tree.take('passing', 1000, 0);
    expect(tree.size).toBe(2);
    tree.take('opened', 1000, 60_000);
    expect(tree.size).toBe(1);
    tree.closeTask('opened');
    expect(tree.size).toBe(0);
  });

  it('follows a change while running', () => {
    const tree = new RateTree();
    expect(tree.take('a', 1e9, 0)).toBe(0);
    expect(tree.quantum('a')).toBe(Number.POSITIVE_INFINITY);
    tree.setTotal(MIB, 0);
    expect(tree.take('a', MIB, 0)).toBeCloseTo(1000);
    tree.closeTask('a');
    tree.setTotal(undefined, 1);
    expect(tree.take('a', 1e9, 1)).toBe(0);
  });
});
