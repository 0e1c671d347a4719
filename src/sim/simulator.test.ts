import { describe, expect, it, vi } from 'vitest';
import { fuzz, fuzzOptions } from './fuzz.ts';
import { DEFAULT_OPTIONS, NO_FAULTS, type SimOptions } from './options.ts';
import { simulate, traceOf } from './run.ts';

vi.setConfig({ testTimeout: 60_000 });

const small: SimOptions = { ...DEFAULT_OPTIONS, hosts: 8, pieces: 32, pieceSize: 256 * 1024, check: true };
const rough: SimOptions = {
  ...small,
  faults: { ...NO_FAULTS, crashes: 0.2, stalls: 0.3, corrupt: 0.3, lostMessages: 0.1, repeatedMessages: 0.1 },
};

describe('the simulator', () => {
  it('repeats a run bit for bit from its seed, and another seed is another run', () => {
    const first = simulate(rough);
    const second = simulate(rough);
    expect(second).toEqual(first);
    expect(simulate({ ...rough, seed: 2 }).hash).not.toBe(first.hash);
  });

  it('tells the story of a run without changing it', () => {
    const { lines, error, hash } = traceOf(rough);
    expect(error).toBeUndefined();
    expect(hash).toBe(simulate(rough).hash);
    expect(lines.some((line) => line.includes('"assign"'))).toBe(true);
    expect(lines.some((line) => line.includes('"piece-held"'))).toBe(true);
  });

  it('brings every piece to every host and counts what the seed has sent', () => {
    const result = simulate(small);
    expect(result.finished).toBe(8);
    expect(result.decisions).toBe(8 * 32);
    expect(result.seedShare).toBeGreaterThanOrEqual(1);
    expect(result.ratio).toBeGreaterThanOrEqual(1);
  });

  it('passes thirty seeds of faults with the scheduler as it is', () => {
    expect(fuzz({ first: 1, count: 30 })).toEqual([]);
  });

  it('draws the same run from a seed every time', () => {
    expect(fuzzOptions(77)).toEqual(fuzzOptions(77));
  });
});
