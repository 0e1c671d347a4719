/**
 * How many bytes to move before asking the limit again. The limit's own answers tell its rate: a portion that had to wait
 * long was too large (the flow comes in lumps), one that had not to wait may grow (each portion costs CPU).
 */

/** The wait per portion that is aimed at: smooth, yet long against a timer's inaccuracy. Milliseconds. */
const GOAL_MS = 20;
const MIN_PORTION_BYTES = 4 * 1024;

/** Small, so that a limit never starts with a burst. */
export const FIRST_PORTION_BYTES = 16 * 1024;

export function nextPortion(portionBytes: number, waitMs: number, maxBytes: number): number {
  if (waitMs <= 0) return Math.min(maxBytes, portionBytes * 2);
  // At most doubled: one lucky answer must not make a lump.
  const fit = Math.min(portionBytes * 2, Math.floor((portionBytes * GOAL_MS) / waitMs));
  return Math.min(maxBytes, Math.max(MIN_PORTION_BYTES, fit));
}
