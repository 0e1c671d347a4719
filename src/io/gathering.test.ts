import { describe, expect, it } from 'vitest';
import { Gathering } from './gathering.ts';

const KIB = 1024;

/** Looks at a body of `length` bytes that comes at `rate` bytes per millisecond; the kernel says so when there are 1,448. */
function play(length: number, rate: (now: number) => number): { looks: number; lateMs: number; endMs: number } {
  const gathering = new Gathering();
  gathering.restart(0);
  const step = 0.05;
  let [now, came, seen, looks, nextLook, arrivedAt] = [0, 0, 0, 0, 0, 0];
  while (seen < length) {
    now += step;
    came = Math.min(length, came + rate(now) * step);
    if (came === length && arrivedAt === 0) arrivedAt = now;
    const readable = came - seen >= 1448 || came === length;
    if (!readable || now < nextLook) continue;
    const bytes = Math.floor(came) - seen;
    seen += bytes;
    looks++;
    nextLook = now + (seen < length ? gathering.after(bytes, length - seen, now) : 0);
  }
  return { looks, lateMs: now - arrivedAt, endMs: now };
}

describe('gathering', () => {
  it('looks a few times at a slow body, and is not late for its end', () => {
    // 256 KiB over one of ten connections at 40 Mbit/s: 180 packets.
    const { looks, lateMs } = play(256 * KIB, () => 500);
    expect(looks).toBeLessThan(30);
    expect(lateMs).toBeLessThan(4);
  });

  it('is late by little when the others end and the rate doubles near the end', () => {
    for (let at = 0; at < 500; at += 7) {
      const { lateMs } = play(256 * KIB, (now) => (now < at ? 500 : 1000));
      expect(lateMs).toBeLessThan(8);
    }
  });

  it('leaves a fast body alone: the kernel brings much at a time by itself', () => {
    const gathering = new Gathering();
    gathering.restart(0);
    expect([gathering.after(64 * KIB, 900 * KIB, 1), gathering.after(20 * KIB, 880 * KIB, 2)]).toEqual([0, 0]);
  });

  it('never waits for longer than a stall could hide', () => {
    const gathering = new Gathering();
    gathering.restart(0);
    expect(gathering.after(10, 1000 * KIB, 5_000)).toBe(40);
    expect(gathering.after(10, 0, 6_000)).toBe(0);
  });
});
