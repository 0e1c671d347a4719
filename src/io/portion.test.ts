import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateTree } from '../base/rate-tree.ts';
import { FIRST_PORTION_BYTES, nextPortion } from './portion.ts';

const MAX = 1024 * 1024;

describe('the pace of portions', () => {
  it('stays within its bounds whatever the limit answers', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })), (waits) => {
        let portion = FIRST_PORTION_BYTES;
        for (const wait of waits) {
          portion = nextPortion(portion, wait, MAX);
          expect(Number.isInteger(portion) && portion >= 4096 && portion <= MAX).toBe(true);
        }
      }),
    );
  });

  it('grows to the largest portion where nothing limits', () => {
    let portion = FIRST_PORTION_BYTES;
    for (let i = 0; i < 10; i++) portion = nextPortion(portion, 0, MAX);
    expect(portion).toBe(MAX);
  });

  it.each([200_000, 2_000_000, 50_000_000, 500_000_000])('holds %i bytes per second without lumps', (rate) => {
    const tree = new RateTree(rate);
    let portion = FIRST_PORTION_BYTES;
    let now = 0;
    let bytes = 0;
    let longest = 0;
    while (now < 4000) {
      const wait = tree.take('task', portion, now);
      bytes += portion;
      portion = nextPortion(portion, wait, MAX);
      // Timers count whole milliseconds, and come late.
      now += Math.max(0.05, Math.ceil(wait));
      if (now > 500) longest = Math.max(longest, wait);
    }
    expect(Math.abs((bytes * 1000) / now / rate - 1)).toBeLessThan(0.03);
    expect(longest).toBeLessThan(60);
  });
});
