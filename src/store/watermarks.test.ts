import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idOf } from './content.fixture.ts';
import type { Resident } from './eviction.ts';
import { type Fullness, LOW_SHARE, type Marks, overdue, urgent } from './watermarks.ts';

const MARKS: Marks = { youngBytes: 100, fullBytes: 20, restMs: 1000, maxContents: 1000 };

function resident(name: string, change: Partial<Resident> = {}): Resident {
  return { id: idOf(name), bytes: 10, frees: 10, usedAt: 0, idle: true, ...change };
}

function fullness(freeBytes: number, change: Partial<Fullness> = {}): Fullness {
  return { freeBytes, takenBytes: 0, wall: 5000, ...change };
}

const residents: fc.Arbitrary<readonly Resident[]> = fc
  .array(fc.record({ bytes: fc.nat(50), shared: fc.boolean(), usedAt: fc.nat(5000), idle: fc.boolean() }), {
    maxLength: 12,
  })
  .map((items) =>
    items.map(({ shared, ...item }, index) => resident(`${index}`, { ...item, frees: shared ? 0 : item.bytes })),
  );
const marks: fc.Arbitrary<Marks> = fc
  .record({
    full: fc.nat(60),
    over: fc.nat(100),
    restMs: fc.nat(5000),
    maxContents: fc.nat(14),
    maxBytes: fc.option(fc.nat(300), { nil: undefined }),
    expireMs: fc.option(fc.nat(5000), { nil: undefined }),
  })
  .map(({ full, over, ...rest }) => ({ ...rest, fullBytes: full, youngBytes: full + over }));

describe('a disk', () => {
  test('with more free than the young mark loses nothing', () => {
    expect(overdue([resident('old')], fullness(100), MARKS)).toEqual([]);
  });

  test('below the young mark loses what has rested, oldest first, and only down to the mark', () => {
    const all = [
      resident('used lately', { usedAt: 4500 }),
      resident('old', { usedAt: 2 }),
      resident('oldest', { usedAt: 1 }),
      resident('rested', { usedAt: 3 }),
    ];
    expect(overdue(all, fullness(85), MARKS)).toEqual([idOf('oldest'), idOf('old')]);
    expect(overdue(all, fullness(21), MARKS)).toEqual([idOf('oldest'), idOf('old'), idOf('rested')]);
  });

  test('at the full mark loses all idle contents that it takes, in one look', () => {
    const all = Array.from({ length: 12 }, (_, index) => resident(`${index}`, { usedAt: 4990 + index }));
    expect(overdue(all, fullness(20), MARKS)).toEqual(all.slice(0, 8).map((each) => each.id));
  });

  test('has a young mark no lower than the full one', () => {
    const some = { ...MARKS, youngBytes: 0 };
    expect(overdue([resident('a'), resident('b', { usedAt: 1 })], fullness(15), some)).toEqual([idOf('a')]);
  });

  test('wins nothing by a content that somebody else has a link to', () => {
    expect(overdue([resident('shared', { frees: 0 })], fullness(0), MARKS)).toEqual([]);
  });
});

describe('a store', () => {
  test('over its quota goes down to the low mark at once', () => {
    const all = Array.from({ length: 12 }, (_, index) => resident(`${index}`, { usedAt: index }));
    const gone = overdue(all, fullness(1000, { takenBytes: 120 }), { ...MARKS, maxBytes: 100 });
    expect(gone).toEqual(all.slice(0, 3).map((each) => each.id));
  });

  test('with too many contents loses the least recently used', () => {
    const all = [resident('b', { usedAt: 2 }), resident('a', { usedAt: 1 }), resident('c', { usedAt: 3 })];
    expect(overdue(all, fullness(1000), { ...MARKS, maxContents: 2 })).toEqual([idOf('a')]);
  });

  test('loses what expired however much is free', () => {
    const all = [resident('old', { usedAt: 1000 }), resident('new', { usedAt: 4900 })];
    expect(overdue(all, fullness(1000), { ...MARKS, expireMs: 500 })).toEqual([idOf('old')]);
  });
});

describe('whatever the marks say', () => {
  const any = { free: fc.nat(300), promised: fc.nat(100) };

  test('only idle contents go, each once, and none after one that was used earlier and helps as much', () => {
    fc.assert(
      fc.property(residents, marks, any.free, any.promised, (all, some, freeBytes, promised) => {
        const takenBytes = promised + all.reduce((sum, each) => sum + each.bytes, 0);
        const gone = new Set(overdue(all, { freeBytes, takenBytes, wall: 5000 }, some));
        const victims = all.filter((each) => gone.has(each.id));
        expect(victims).toHaveLength(gone.size);
        expect(victims.every((each) => each.idle)).toBe(true);
        for (const victim of victims) {
          const better = all.filter(
            (each) =>
              !gone.has(each.id) &&
              each.idle &&
              each.usedAt < victim.usedAt &&
              each.frees === victim.frees &&
              each.bytes === victim.bytes,
          );
          expect(better).toEqual([]);
        }
      }),
    );
  });

  test('after one look the disk, the quota and the number are right, or nothing is left that could mend them', () => {
    fc.assert(
      fc.property(residents, marks, any.free, any.promised, (all, some, freeBytes, promised) => {
        const takenBytes = promised + all.reduce((sum, each) => sum + each.bytes, 0);
        const gone = new Set(overdue(all, { freeBytes, takenBytes, wall: 5000 }, some));
        const kept = all.filter((each) => !gone.has(each.id));
        const idle = kept.filter((each) => each.idle);
        const free = freeBytes + all.reduce((sum, each) => sum + (gone.has(each.id) ? each.frees : 0), 0);
        const taken = promised + kept.reduce((sum, each) => sum + each.bytes, 0);
        const mayGo = freeBytes <= some.fullBytes ? idle : idle.filter((each) => 5000 - each.usedAt >= some.restMs);
        if (free <= some.fullBytes) expect(idle.filter((each) => each.frees > 0)).toEqual([]);
        if (free < some.youngBytes && freeBytes > some.fullBytes)
          expect(mayGo.filter((each) => each.frees > 0)).toEqual([]);
        if (some.maxBytes !== undefined && taken > some.maxBytes)
          expect(idle.filter((each) => each.bytes > 0)).toEqual([]);
        if (kept.length > some.maxContents) expect(idle).toEqual([]);
      }),
    );
  });

  test('a look at what one look has left takes nothing more', () => {
    fc.assert(
      fc.property(residents, marks, any.free, (all, some, freeBytes) => {
        const bytes = (each: readonly Resident[]) => each.reduce((sum, one) => sum + one.bytes, 0);
        const gone = new Set(overdue(all, { freeBytes, takenBytes: bytes(all), wall: 5000 }, some));
        const kept = all.filter((each) => !gone.has(each.id));
        const won = all.reduce((sum, each) => sum + (gone.has(each.id) ? each.frees : 0), 0);
        const again = { freeBytes: freeBytes + won, takenBytes: bytes(kept), wall: 5000 };
        expect(overdue(kept, again, some)).toEqual([]);
      }),
    );
  });
});

test('a nearly full disk and a broken quota are urgent', () => {
  expect(urgent({ freeBytes: 21, takenBytes: 0 }, MARKS)).toBe(false);
  expect(urgent({ freeBytes: 20, takenBytes: 0 }, MARKS)).toBe(true);
  expect(urgent({ freeBytes: 999, takenBytes: 101 }, { ...MARKS, maxBytes: 100 })).toBe(true);
  expect(LOW_SHARE).toBeLessThan(1);
});
