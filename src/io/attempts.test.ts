import { describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { type AttemptOptions, restMs, withAttempts } from './attempts.ts';

const OPTIONS: AttemptOptions = {
  attempts: 3,
  backoff: { firstMs: 1, maxMs: 4 },
  random: () => 0,
  maxRestMs: 50,
  patienceMs: 10_000,
};
const down = (retryAfterMs?: number) =>
  new Fault('source-unreachable', 'down', retryAfterMs === undefined ? {} : { retryAfterMs });

/** Fails with these faults in order, then gives 'done'. */
function failing(...faults: readonly Fault[]) {
  let calls = 0;
  const work = async () => {
    const fault = faults[calls++];
    if (fault !== undefined) throw fault;
    return 'done';
  };
  return { work, calls: () => calls };
}

describe('what passes by itself', () => {
  it('is tried again until it works', async () => {
    const { work, calls } = failing(down(), down());
    expect(await withAttempts(OPTIONS, work)).toBe('done');
    expect(calls()).toBe(3);
  });

  it.each([
    ['so often', OPTIONS, [down(), down(), down(), down()], 3],
    ['what will not pass', OPTIONS, [new Fault('source-refused', 'no')], 1],
    ['for longer than it may rest', OPTIONS, [down(51)], 1],
    ['for longer than patience lasts', { ...OPTIONS, patienceMs: 5 }, [down(20)], 1],
    ['after it was given up', { ...OPTIONS, signal: AbortSignal.abort() }, [down()], 1],
  ] as const)('is not tried again: %s', async (_, options, faults, expected) => {
    const { work, calls } = failing(...faults);
    await expect(withAttempts(options, work)).rejects.toBe(faults[expected - 1]);
    expect(calls()).toBe(expected);
  });

  it('rests as long as the other side asks, and a little more, so that not all come back at once', () => {
    expect(restMs({ retryAfterMs: undefined }, 5)).toBe(5);
    expect(restMs({ retryAfterMs: 100 }, 5)).toBe(105);
  });
});
