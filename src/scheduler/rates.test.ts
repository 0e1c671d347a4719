import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from './limits.ts';
import { childWindow, Line, Mean, parentWindow, RateMeter } from './rates.ts';

const MB = 1e6;

/** Pieces of 1 MB one after the other, each taking so long. */
function carry(meter: RateMeter, pieces: number, everyMs: number, from = 0): number {
  let now = from;
  for (let i = 0; i < pieces; i++) {
    meter.busy(now);
    meter.filled();
    now += everyMs;
    meter.carried(MB, now);
  }
  return now;
}

function mean(ms: number): Mean {
  const mean = new Mean();
  mean.sample(ms);
  return mean;
}

describe('RateMeter', () => {
  it('knows nothing at first and then what a busy link carries', () => {
    const meter = new RateMeter();
    expect(meter.rate).toBe(0);
    carry(meter, 40, 100);
    expect(meter.rate / MB).toBeCloseTo(10, 0);
  });

  it('is certain when it grows no more', () => {
    const meter = new RateMeter();
    carry(meter, 13, 100);
    expect(meter.certain).toBe(false);
    carry(meter, 60, 100, 1300);
    expect(meter.certain).toBe(true);
  });

  it('forgets a better time after a while of a busy link', () => {
    const meter = new RateMeter();
    const now = carry(meter, 30, 50);
    expect(meter.rate / MB).toBeCloseTo(20, 0);
    carry(meter, 400, 200, now);
    expect(meter.rate / MB).toBeCloseTo(5, 0);
  });

  it('believes a configured limit unless the link shows much less, and is never above it', () => {
    const meter = new RateMeter();
    meter.configured = 12 * MB;
    expect(meter.rate).toBe(12 * MB);
    expect(meter.certain).toBe(true);
    const now = carry(meter, 40, 100);
    expect(meter.rate).toBe(12 * MB);
    carry(meter, 400, 500, now);
    expect(meter.rate / MB).toBeCloseTo(2, 0);
  });

  it('does not count the time in which nothing was asked of it', () => {
    const meter = new RateMeter();
    let now = 0;
    for (let lot = 0; lot < 4; lot++) now = carry(meter, 20, 50, now + 10_000);
    expect(meter.rate / MB).toBeGreaterThan(15);
  });

  it('is halved by a failure', () => {
    const meter = new RateMeter();
    carry(meter, 40, 100);
    const before = meter.rate;
    meter.halve();
    expect(meter.rate).toBe(before / 2);
  });
});

describe('windows', () => {
  function line(roundMs: number): Line {
    const line = new Line();
    line.rate.configured = 10 * MB;
    line.round.sample(roundMs);
    return line;
  }

  it('are one piece when a control round is much shorter than a piece', () => {
    expect(parentWindow(line(1), MB, DEFAULT_LIMITS, false)).toBe(MB);
    expect(childWindow(line(1), mean(100), MB, DEFAULT_LIMITS)).toBe(MB);
  });

  it('grow with the round, and a child has more room than a parent', () => {
    const short = line(20);
    const long = line(400);
    expect(parentWindow(long, MB, DEFAULT_LIMITS, false)).toBeGreaterThan(
      parentWindow(short, MB, DEFAULT_LIMITS, false),
    );
    for (const each of [short, long]) {
      const room = childWindow(each, mean(100), MB, DEFAULT_LIMITS);
      expect(room).toBeGreaterThan(parentWindow(each, MB, DEFAULT_LIMITS, false));
    }
  });

  it('let a fast downlink take from several slow parents at a time', () => {
    expect(childWindow(line(1), mean(400), MB, DEFAULT_LIMITS)).toBeGreaterThanOrEqual(4 * MB);
  });

  it('have an upper end', () => {
    expect(parentWindow(line(1e9), 1, DEFAULT_LIMITS, false)).toBe(DEFAULT_LIMITS.maxParentPieces);
  });
});
