import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FreshnessFacts, freshness, immutable, usableStale } from './freshness.ts';

const HEURISTIC = 1000;
const base: FreshnessFacts = {
  digest: undefined,
  facts: { ranges: true },
  checkedAt: 100,
  freshUntil: undefined,
  now: 100,
  heuristicMs: HEURISTIC,
};
const time = fc.nat(10_000);
const maybe = fc.option(time, { nil: undefined });

describe('a content', () => {
  test('with a digest that cannot be forged is fresh whatever else is said', () => {
    fc.assert(
      fc.property(maybe, maybe, time, (checkedAt, freshUntil, now) => {
        const digest = `sha256:${'a'.repeat(64)}`;
        expect(freshness({ ...base, digest, checkedAt, freshUntil, now })).toBe('fresh');
      }),
    );
    expect(immutable(`md5:${'a'.repeat(32)}`)).toBe(false);
    expect(immutable(undefined)).toBe(false);
  });

  test('with a lifetime is fresh exactly until its end, and then asked about where it has a validator', () => {
    fc.assert(
      fc.property(time, time, fc.boolean(), (freshUntil, now, validator) => {
        const facts = { ranges: true, ...(validator ? { etag: '"1"' } : {}) };
        const verdict = freshness({ ...base, facts, freshUntil: freshUntil + 100, now });
        if (now < freshUntil + 100) expect(verdict).toBe('fresh');
        else expect(verdict).toBe(validator ? 'revalidate' : 'read-again');
      }),
    );
  });

  test('of which nothing was said is fresh for a while', () => {
    expect(freshness({ ...base, now: 100 + HEURISTIC - 1 })).toBe('fresh');
    expect(freshness({ ...base, now: 100 + HEURISTIC })).toBe('read-again');
    expect(freshness({ ...base, checkedAt: undefined })).toBe('read-again');
  });
});

describe('a stale content', () => {
  const down = { code: 'source-unreachable', message: '' } as const;

  test('is used only while the operator’s time lasts, from when it went stale', () => {
    fc.assert(
      fc.property(maybe, maybe, time, time, (checkedAt, freshUntil, now, allowedMs) => {
        const since = freshUntil ?? checkedAt;
        const allowed = allowedMs > 0 && since !== undefined && now < since + allowedMs;
        expect(usableStale({ checkedAt, freshUntil, now }, down, allowedMs)).toBe(allowed);
      }),
    );
  });

  test('is not used after an answer of the source, and a fault of ours is none of its', () => {
    for (const code of ['source-refused', 'no-space', 'digest-mismatch', 'source-changed'] as const)
      expect(usableStale({ checkedAt: 0, freshUntil: undefined, now: 1 }, { code, message: '' }, 100)).toBe(false);
  });
});
