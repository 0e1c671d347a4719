/** Bounded retries with growing, jittered rests, for faults that pass by themselves; what the other side asks for (Retry-After) counts. */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import { Fault } from '../protocol/faults.ts';
import { sleep } from './sleep.ts';

export type AttemptOptions = {
  /** In all. */
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly random: () => number;
  /** A rest longer than this is not taken: the fault is the answer. Milliseconds. */
  readonly maxRestMs: number;
  /** No further attempt begins later than this after the first. Milliseconds. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal;
};

export async function withAttempts<T>(options: AttemptOptions, work: () => Promise<T>): Promise<T> {
  const { attempts, backoff, random, maxRestMs, patienceMs, signal } = options;
  const deadline = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const fault = Fault.of(error);
      const rest = restMs(fault, backoffMs(backoff, attempt - 1, random()));
      const mendable = fault.code === 'source-unreachable' && !signal?.aborted;
      if (!mendable || attempt >= attempts || rest > maxRestMs || performance.now() + rest > deadline) throw fault;
      await sleep(rest, signal);
    }
  }
}

/** Never before the other side wants to be asked again, and not by all at that very moment. */
export function restMs({ retryAfterMs = 0 }: Pick<Fault, 'retryAfterMs'>, jitteredMs: number): number {
  return retryAfterMs === 0 ? jitteredMs : retryAfterMs + jitteredMs;
}
