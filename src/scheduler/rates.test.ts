import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from './limits.ts';
import { childWindow, Mean, parentWindow, RateMeter } from './rates.ts';

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
  const rate = new RateMeter();
  rate.configured = 10 * MB;

  it('are one piece when a control round is much shorter than a piece', () => {
    const line = { rate, round: mean(1), pieceSize: MB };
    expect(parentWindow(line, DEFAULT_LIMITS)).toBe(MB);
    expect(childWindow(line, mean(100), DEFAULT_LIMITS)).toBe(MB);
  });

  it('grow with the round, and a child has more room than a parent', () => {
    const short = { rate, round: mean(20), pieceSize: MB };
    const long = { rate, round: mean(400), pieceSize: MB };
    expect(parentWindow(long, DEFAULT_LIMITS)).toBeGreaterThan(parentWindow(short, DEFAULT_LIMITS));
    for (const line of [short, long]) {
      expect(childWindow(line, mean(100), DEFAULT_LIMITS)).toBeGreaterThan(parentWindow(line, DEFAULT_LIMITS));
    }
  });

  it('let a fast downlink take from several slow parents at a time', () => {
    const line = { rate, round: mean(1), pieceSize: MB };
    expect(childWindow(line, mean(400), DEFAULT_LIMITS)).toBeGreaterThanOrEqual(4 * MB);
  });

  it('have an upper end', () => {
    const line = { rate, round: mean(1e9), pieceSize: 1 };
    expect(parentWindow(line, DEFAULT_LIMITS)).toBe(DEFAULT_LIMITS.maxParentPieces);
  });
});
