import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from './limits.ts';
import { asksNear, childWindow, parentWindow } from './line-windows.ts';
import { downLine, Lines, upLine } from './lines.ts';

const MB = 1e6;
const LINE = upLine(3);

function opened(): Lines {
  const lines = new Lines();
  lines.open(LINE);
  return lines;
}

/** Pieces of 1 MB one after the other, each taking so long. */
function carry(lines: Lines, pieces: number, everyMs: number, from = 0): number {
  let now = from;
  for (let i = 0; i < pieces; i++) {
    lines.busy(LINE, now);
    lines.filled(LINE);
    now += everyMs;
    lines.carried(LINE, MB, now);
  }
  return now;
}

describe('a line', () => {
  it('knows nothing at first and then what a busy link carries', () => {
    const lines = opened();
    expect(lines.rate(LINE)).toBe(0);
    carry(lines, 40, 100);
    expect(lines.rate(LINE) / MB).toBeCloseTo(10, 0);
  });

  it('is certain when it grows no more', () => {
    const lines = opened();
    carry(lines, 13, 100);
    expect(lines.certain(LINE)).toBe(false);
    carry(lines, 60, 100, 1300);
    expect(lines.certain(LINE)).toBe(true);
  });

  it('forgets a better time after a while of a busy link', () => {
    const lines = opened();
    const now = carry(lines, 30, 50);
    expect(lines.rate(LINE) / MB).toBeCloseTo(20, 0);
    carry(lines, 400, 200, now);
    expect(lines.rate(LINE) / MB).toBeCloseTo(5, 0);
  });

  it('believes a configured limit unless the link shows much less, and is never above it', () => {
    const lines = opened();
    lines.configure(LINE, 12 * MB);
    expect(lines.rate(LINE)).toBe(12 * MB);
    expect(lines.certain(LINE)).toBe(true);
    const now = carry(lines, 40, 100);
    expect(lines.rate(LINE)).toBe(12 * MB);
    carry(lines, 400, 500, now);
    expect(lines.rate(LINE) / MB).toBeCloseTo(2, 0);
  });

  it('does not count the time in which nothing was asked of it', () => {
    const lines = opened();
    let now = 0;
    for (let lot = 0; lot < 4; lot++) now = carry(lines, 20, 50, now + 10_000);
    expect(lines.rate(LINE) / MB).toBeGreaterThan(15);
  });

  it('is halved by a failure', () => {
    const lines = opened();
    carry(lines, 40, 100);
    const before = lines.rate(LINE);
    lines.halve(LINE);
    expect(lines.rate(LINE)).toBe(before / 2);
  });

  it('counts what is outstanding, and keeps it when others come', () => {
    const lines = opened();
    lines.began(LINE, 3);
    lines.began(LINE, 4);
    for (const line of [upLine(500), downLine(500)]) lines.open(line);
    lines.began(downLine(500), 100);
    lines.ended(LINE, 3);
    expect([lines.count(LINE), lines.bytes(LINE)]).toEqual([1, 4]);
    lines.open(LINE);
    expect([lines.count(LINE), lines.bytes(LINE)]).toEqual([0, 0]);
    expect([lines.count(downLine(500)), lines.bytes(downLine(500))]).toEqual([1, 100]);
  });
});

describe('windows', () => {
  function line(roundMs: number, flightMs = 100): Lines {
    const lines = opened();
    lines.configure(LINE, 10 * MB);
    lines.sampleRound(LINE, roundMs);
    lines.sampleFlight(LINE, flightMs);
    return lines;
  }

  it('are one piece when a control round is much shorter than a piece', () => {
    expect(parentWindow(line(1), LINE, MB, DEFAULT_LIMITS)).toBe(MB);
    expect(childWindow(line(1), LINE, MB, DEFAULT_LIMITS)).toBe(MB);
  });

  it('grow with the round, and a child has more room than a parent', () => {
    const short = line(20);
    const long = line(400);
    expect(parentWindow(long, LINE, MB, DEFAULT_LIMITS)).toBeGreaterThan(parentWindow(short, LINE, MB, DEFAULT_LIMITS));
    for (const each of [short, long]) {
      const room = childWindow(each, LINE, MB, DEFAULT_LIMITS);
      expect(room).toBeGreaterThan(parentWindow(each, LINE, MB, DEFAULT_LIMITS));
    }
  });

  it('let a fast downlink take from several slow parents at a time', () => {
    expect(childWindow(line(1, 400), LINE, MB, DEFAULT_LIMITS)).toBeGreaterThanOrEqual(4 * MB);
  });

  it('need to hear of what is near its end where a round is neither short nor long beside a piece', () => {
    expect(asksNear(opened(), LINE, MB, DEFAULT_LIMITS)).toBe(true);
    // A piece takes 100 ms.
    const asks = (lines: Lines) => asksNear(lines, LINE, MB, DEFAULT_LIMITS);
    expect([1, 20, 100, 1_000].map((roundMs) => asks(line(roundMs)))).toEqual([false, true, true, false]);
    const learnt = opened();
    carry(learnt, 40, 100);
    learnt.sampleRound(LINE, 1);
    expect(asks(learnt)).toBe(true);
  });

  it('begin anew after a pause: what a round took in a busy time would have the first holder of a piece send it to all', () => {
    const lines = line(400);
    lines.carried(LINE, MB, 1_000);
    lines.busy(LINE, 1_900);
    expect(parentWindow(lines, LINE, MB, DEFAULT_LIMITS)).toBeGreaterThan(3 * MB);
    lines.busy(LINE, 2_100);
    expect(lines.roundMs(LINE)).toBeNaN();
    expect(lines.flightMs(LINE)).toBeNaN();
    expect(parentWindow(lines, LINE, MB, DEFAULT_LIMITS)).toBe(MB);
  });

  it('have some more at a seed from its first piece on, unless its rate was told', () => {
    const lines = opened();
    lines.setExtra(LINE, 2);
    expect(parentWindow(lines, LINE, MB, DEFAULT_LIMITS)).toBe(3 * MB);
    lines.configure(LINE, 10 * MB);
    expect(parentWindow(lines, LINE, MB, DEFAULT_LIMITS)).toBe(MB);
  });

  it('have more at a seed, and an upper end', () => {
    const lines = line(20);
    const before = parentWindow(lines, LINE, MB, DEFAULT_LIMITS);
    lines.setExtra(LINE, 3);
    expect(parentWindow(lines, LINE, MB, DEFAULT_LIMITS)).toBe(before + 3 * MB);
    expect(parentWindow(line(1e9), LINE, 1, DEFAULT_LIMITS)).toBe(DEFAULT_LIMITS.maxParentPieces);
  });
});
