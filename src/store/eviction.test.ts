import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idOf } from './content.fixture.ts';
import { expired, type Resident, victimsFor } from './eviction.ts';

function resident(name: string, change: Partial<Resident> = {}): Resident {
  return { id: idOf(name), bytes: 10, frees: 10, usedAt: 0, idle: true, ...change };
}

const residents: fc.Arbitrary<readonly Resident[]> = fc
  .array(fc.record({ bytes: fc.nat(50), shared: fc.boolean(), usedAt: fc.nat(20), idle: fc.boolean() }), {
    maxLength: 12,
  })
  .map((items) =>
    items.map(({ bytes, shared, usedAt, idle }, index) =>
      resident(`${index}`, { bytes, frees: shared ? 0 : bytes, usedAt, idle }),
    ),
  );
const need = fc.record({
  diskBytes: fc.integer({ min: -20, max: 150 }),
  quotaBytes: fc.integer({ min: -20, max: 150 }),
});

function sums(chosen: readonly Resident[]): { disk: number; quota: number } {
  return {
    disk: chosen.reduce((total, each) => total + each.frees, 0),
    quota: chosen.reduce((total, each) => total + each.bytes, 0),
  };
}

describe('victims', () => {
  test('go in the order of their last use', () => {
    const all = [resident('new', { usedAt: 3 }), resident('old', { usedAt: 1 }), resident('middle', { usedAt: 2 })];
    expect(victimsFor(all, { diskBytes: 11, quotaBytes: 0 })).toEqual([idOf('old'), idOf('middle')]);
  });

  test('are none when there is enough', () => {
    expect(victimsFor([resident('a')], { diskBytes: 0, quotaBytes: -1 })).toEqual([]);
  });

  test('are not those in use, nor those whose going frees nothing', () => {
    const all = [resident('used', { idle: false }), resident('shared', { frees: 0 }), resident('plain', { usedAt: 9 })];
    expect(victimsFor(all, { diskBytes: 1, quotaBytes: 0 })).toEqual([idOf('plain')]);
    expect(victimsFor(all, { diskBytes: 11, quotaBytes: 0 })).toBeUndefined();
  });

  test('are not the small ones when a large one after them is enough', () => {
    const all = [resident('small', { usedAt: 1 }), resident('large', { usedAt: 2, bytes: 100, frees: 100 })];
    expect(victimsFor(all, { diskBytes: 50, quotaBytes: 0 })).toEqual([idOf('large')]);
  });

  test('always meet the need, are idle, and not one of them is too many', () => {
    fc.assert(
      fc.property(residents, need, (all, wanted) => {
        const victims = victimsFor(all, wanted);
        const idle = all.filter((each) => each.idle);
        const most = sums(idle);
        if (victims === undefined) {
          expect(most.disk < wanted.diskBytes || most.quota < wanted.quotaBytes).toBe(true);
          return;
        }
        const chosen = all.filter((each) => victims.includes(each.id));
        expect(chosen.every((each) => each.idle)).toBe(true);
        expect(new Set(victims).size).toBe(chosen.length);
        const meets = (some: readonly Resident[]) =>
          sums(some).disk >= wanted.diskBytes && sums(some).quota >= wanted.quotaBytes;
        expect(meets(chosen)).toBe(true);
        for (const each of chosen) expect(meets(chosen.filter((other) => other !== each))).toBe(false);
      }),
    );
  });

  test('of one size are the least recently used of all', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { maxLength: 12 }), fc.nat(12), (uses, count) => {
        const all = uses.map((usedAt, index) => resident(`${index}`, { usedAt }));
        const victims = victimsFor(all, { diskBytes: count * 10, quotaBytes: 0 });
        if (count > all.length) {
          expect(victims).toBeUndefined();
          return;
        }
        const times = all.filter((each) => victims?.includes(each.id)).map((each) => each.usedAt);
        expect(times.toSorted((a, b) => a - b)).toEqual(uses.toSorted((a, b) => a - b).slice(0, count));
      }),
    );
  });
});

test('expired are those idle ones that were used too long ago', () => {
  const all = [
    resident('fresh', { usedAt: 90 }),
    resident('old', { usedAt: 49 }),
    resident('edge', { usedAt: 50 }),
    resident('used', { usedAt: 1, idle: false }),
    resident('oldest', { usedAt: 2 }),
  ];
  expect(expired(all, 100, 50)).toEqual([idOf('oldest'), idOf('old')]);
});
