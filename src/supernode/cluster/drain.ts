/**
 * The end of a supernode that has heirs: it takes nothing new, its hosts move their tasks, and it goes on giving pieces
 * until nobody reads any more. Bounded: whatever goes on after the limit is cut, and hosts bear that too.
 */
import type { Clock } from '../../base/clock.ts';
import { sleep } from '../../io/sleep.ts';

export type DrainParts = {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Downloads that it still schedules, and pieces that it sends or is asked for. */
  readonly busy: () => number;
};

/** A host that moves asks the next one first; nothing to do for so long means that all have moved. */
const QUIET_MS = 1_000;
const LOOK_MS = 100;

/** Resolves with what was still going on at the end: 0 unless the limit came first. */
export async function untilQuiet({ clock, limitMs, busy }: DrainParts, signal?: AbortSignal): Promise<number> {
  const until = clock.now() + limitMs;
  let busyAt = clock.now();
  while (clock.now() < until && signal?.aborted !== true) {
    if (busy() > 0) busyAt = clock.now();
    else if (clock.now() - busyAt >= QUIET_MS) return 0;
    await sleep(LOOK_MS, signal);
  }
  return busy();
}
