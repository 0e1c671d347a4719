import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FirstFew } from './first-few.ts';

describe('the first few', () => {
  it('are those of the sorted many, the earlier one first of two equal ones', () => {
    const item = fc.record({ rank: fc.nat({ max: 5 }), at: fc.nat() });
    fc.assert(
      fc.property(fc.array(item), fc.nat({ max: 20 }), (all, limit) => {
        const order = (a: { rank: number }, b: { rank: number }) => a.rank - b.rank;
        const few = new FirstFew(limit, order);
        for (const one of all) few.offer(one);
        expect(few.items).toEqual(all.toSorted(order).slice(0, limit));
      }),
    );
  });
});
