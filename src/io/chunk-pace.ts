/**
 * How many bytes to move before asking the limit again. The limit's own answers tell its rate: a chunk that had to wait
 * long was too large (the flow comes in lumps), one that had not to wait may grow (each chunk costs CPU).
 */

/** The wait per chunk that is aimed at: smooth, yet long against a timer's inaccuracy. Milliseconds. */
const GOAL_MS = 20;
const MIN_CHUNK_BYTES = 4 * 1024;

/** Small, so that a limit never starts with a burst. */
export const FIRST_CHUNK_BYTES = 16 * 1024;

export function nextChunk(chunkBytes: number, waitMs: number, maxBytes: number): number {
  if (waitMs <= 0) return Math.min(maxBytes, chunkBytes * 2);
  // At most doubled: one lucky answer must not make a lump.
  const fit = Math.min(chunkBytes * 2, Math.floor((chunkBytes * GOAL_MS) / waitMs));
  return Math.min(maxBytes, Math.max(MIN_CHUNK_BYTES, fit));
}
