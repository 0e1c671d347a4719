/** Growing delays with full jitter, so that those who failed together do not come back together. */
import type { Millis } from './clock.ts';

export type Backoff = { readonly firstMs: number; readonly maxMs: number };

/** Delay before attempt `attempt` (0 = the first repetition). `random` in [0, 1). At least half of the grown delay. */
export function backoffMs({ firstMs, maxMs }: Backoff, attempt: number, random: number): Millis {
  const grown = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return grown / 2 + (grown / 2) * random;
}
