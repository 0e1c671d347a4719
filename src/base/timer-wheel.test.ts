import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { TimerWheel } from './timer-wheel.ts';

const TICK_MS = 100;
const TICKS = 16;

describe('a timer wheel', () => {
  it('reports each deadline once, never early, at most a tick late, and a cleared or moved one not at its old time', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Random(seed);
      const wheel = new TimerWheel(TICK_MS, TICKS);
      const model = new Map<number, number>();
      let now = random.between(-10_000, 10_000);
      for (let step = 0; step < 2_000; step++) {
        const id = random.below(40);
        if (random.chance(0.5)) {
          // Beyond a whole turn of the wheel, too.
          const due = now + random.between(0, TICK_MS * TICKS * 3);
          wheel.set(id, due);
          model.set(id, due);
        } else if (random.chance(0.6)) {
          wheel.clear(id);
          model.delete(id);
        } else {
          now += random.between(-200, 400);
          for (const due of wheel.expire(now)) {
            expect(model.get(due)).toBeLessThanOrEqual(now);
            model.delete(due);
          }
        }
        expect(wheel.size).toBe(model.size);
      }
      now = Math.max(now, 0) + TICK_MS * TICKS * 4 + 2_000;
      expect(wheel.expire(now).sort()).toEqual([...model.keys()].sort());
      expect(wheel.size).toBe(0);
      expect(wheel.expire(now + TICK_MS * TICKS * 2)).toEqual([]);
    }
  });

  it('is late by less than two ticks when it is looked at often', () => {
    const wheel = new TimerWheel(TICK_MS, TICKS);
    wheel.set(3, 50);
    wheel.clear(3);
    wheel.set(3, 1234);
    let seen = Number.NaN;
    for (let now = 0; now < 3000; now += 10) if (wheel.expire(now).includes(3)) seen = now;
    expect(seen).toBeGreaterThanOrEqual(1234);
    expect(seen).toBeLessThan(1234 + 2 * TICK_MS);
  });

  it('sees a deadline that came nearer in time', () => {
    const wheel = new TimerWheel(TICK_MS, TICKS);
    wheel.set(1, 1_400);
    wheel.set(1, 300);
    expect(wheel.expire(500)).toEqual([1]);
    expect(wheel.expire(2_000)).toEqual([]);
  });
});
