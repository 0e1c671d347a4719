import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Score, type ScoreLimits } from '../base/score.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Trust, trustRules } from './trust.ts';

const LIMITS: ScoreLimits = { halfLifeMs: 60_000, witnessPoints: 2.5, burstPoints: 3, burstMs: 1_000 };

const seen = fc.array(
  fc.record({
    witness: fc.constantFrom('a', 'b', 'c', 'd'),
    points: fc.double({ min: 0.1, max: 3, noNaN: true }),
    after: fc.nat(5_000),
  }),
  { maxLength: 40 },
);

describe('a score', () => {
  it('halves in its half-life and is clear in the end', () => {
    const score = new Score(LIMITS);
    score.add('a', 2, 0);
    expect(score.total(60_000)).toBeCloseTo(1);
    expect(score.total(600_000)).toBe(0);
    expect(score.clear).toBe(true);
  });

  it('never counts one witness for more than its share, nor one moment', () => {
    fc.assert(
      fc.property(seen, (reports) => {
        const score = new Score(LIMITS);
        let now = 0;
        for (const { witness, points, after } of reports) {
          now += after;
          const before = score.total(now);
          score.add(witness, points, now);
          const total = score.total(now);
          expect(total).toBeLessThanOrEqual(score.witnesses * LIMITS.witnessPoints + 1e-9);
          expect(total - before).toBeLessThanOrEqual(Math.min(points, LIMITS.burstPoints) + 1e-9);
          expect(total).toBeGreaterThanOrEqual(before - 1e-9);
        }
      }),
    );
  });

  it('counts all that is seen within a moment once', () => {
    const score = new Score(LIMITS);
    for (const witness of 'abcdefgh') score.add(witness, 1, 10);
    expect(score.total(10)).toBe(LIMITS.burstPoints);
    score.add('a', 1, 1_200);
    expect(score.total(1_200)).toBeGreaterThan(LIMITS.burstPoints);
  });

  it('bears a clock that goes back, and keeps few witnesses', () => {
    const score = new Score({ ...LIMITS, burstPoints: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 40; i++) score.add(`w${i}`, 1 + i / 100, 10_000 - i);
    expect(score.witnesses).toBe(16);
    expect(score.total(0)).toBeLessThanOrEqual(16 * LIMITS.witnessPoints);
  });

  it('is lowered by what turns out to be wrong, and fades with what goes well', () => {
    const score = new Score(LIMITS);
    score.add('a', 1, 0);
    score.lower('nobody', 0);
    score.lower('a', 2);
    expect(score.total(0)).toBe(1);
    score.lower('a', 0.4);
    expect(score.total(0)).toBe(0.4);
    score.lower('a', 0);
    expect(score.knows('a')).toBe(false);
    score.add('b', 1, 0);
    for (let i = 0; i < 100; i++) score.fade(0.95);
    expect(score.clear).toBe(true);
    score.add('b', 1, 5_000);
    score.reset();
    expect(score.total(5_000)).toBe(0);
  });
});

describe('a limited host', () => {
  it('is limited no more when a good piece comes after its points are gone', () => {
    const trust = new Trust(trustRules(DEFAULT_LIMITS));
    for (const witness of ['a', 'b'])
      for (let i = 0; i < 2; i++) trust.failed('peer-reset', witness, 2000 * i, DEFAULT_LIMITS);
    expect(trust.limited).toBe(true);
    const later = 3_600_000;
    expect(trust.standing(later).score).toBe(0);
    trust.delivered(later, DEFAULT_LIMITS);
    expect(trust.limited).toBe(false);
    expect(trust.clean).toBe(true);
  });
});
