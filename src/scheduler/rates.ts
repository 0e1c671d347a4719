/**
 * What one direction of a host's link carries, learnt from the transfers, and how much may be outstanding on it. Bytes
 * are counted over stretches in which the link was busy; a stretch in which it could have carried more says only "at
 * least", so that a link without work is not taken for a slow one.
 */
import type { Millis } from '../base/clock.ts';
import type { Limits } from './limits.ts';

const SAMPLE_MS = 10;
const LONG_SAMPLE_MS = 100;
const SAMPLE_PIECES = 2;
const RISE = 0.5;
const FALL = 0.25;

export class RateMeter {
  /** Bytes per second; 0 = no limit was configured. */
  configured = 0;
  #measured = 0;
  #mark: Millis = 0;
  #bytes = 0;
  #pieces = 0;
  #full = false;

  /** Bytes per second; 0 = not known yet. */
  get rate(): number {
    if (this.#measured === 0) return this.configured;
    return this.configured > 0 ? Math.min(this.#measured, this.configured) : this.#measured;
  }

  /** The link was idle until now. */
  busy(now: Millis): void {
    this.#mark = now;
    this.#bytes = 0;
    this.#pieces = 0;
    this.#full = false;
  }

  /** As much as the window allows is outstanding: from here on the sample is the link's own rate. */
  filled(): void {
    this.#full = true;
  }

  carried(bytes: number, now: Millis): void {
    this.#bytes += bytes;
    this.#pieces++;
    const elapsed = now - this.#mark;
    if (elapsed < SAMPLE_MS || (this.#pieces < SAMPLE_PIECES && elapsed < LONG_SAMPLE_MS)) return;
    const sample = (this.#bytes * 1000) / elapsed;
    if (this.#measured === 0) this.#measured = sample;
    else if (sample > this.#measured) this.#measured += RISE * (sample - this.#measured);
    else if (this.#full) this.#measured += FALL * (sample - this.#measured);
    this.busy(now);
  }

  /** Something went wrong on it: believe in half of what was measured. */
  halve(): void {
    this.#measured /= 2;
  }
}

/** Bytes that may be outstanding at a parent before it gets another piece of this size. */
export function parentWindow(rate: number, pieceSize: number, limits: Limits): number {
  if (rate === 0) return Math.max(limits.firstWindowBytes, limits.firstWindowPieces * pieceSize);
  const window = (rate * limits.leadMs) / 1000 + pieceSize;
  return Math.min(Math.max(window, limits.minParentPieces * pieceSize), limits.maxParentPieces * pieceSize);
}

export function childWindow(rate: number, pieceSize: number, limits: Limits): number {
  return parentWindow(rate, pieceSize, limits) * limits.childFactor;
}
