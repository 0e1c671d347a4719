/**
 * A byte rate as arithmetic. Taking never refuses: it answers how long the taker has to wait, and the debt is paid by the time that
 * passes. So the sum over any number of takers holds the rate exactly, whatever the size of their chunks.
 */
import type { Millis } from './clock.ts';

/** Unused rate that may be saved up: small enough that no burst is visible, longer than a timer's inaccuracy. */
export const BURST_MS = 50;

export class TokenBucket {
  /** Bytes per millisecond; Infinity = unlimited. */
  #rate: number;
  #tokens = 0;
  #at: Millis = Number.NEGATIVE_INFINITY;

  /** `bytesPerSecond` undefined = unlimited. */
  constructor(bytesPerSecond?: number) {
    this.#rate = perMilli(bytesPerSecond);
  }

  get bytesPerSecond(): number | undefined {
    return this.#rate === Number.POSITIVE_INFINITY ? undefined : this.#rate * 1000;
  }

  /** The debt is kept in bytes: what was taken under the old rate is paid at the new one. */
  setRate(bytesPerSecond: number | undefined, now: Millis): void {
    this.#settle(now);
    this.#rate = perMilli(bytesPerSecond);
    if (this.#rate === Number.POSITIVE_INFINITY) this.#tokens = 0;
  }

  /** Milliseconds to wait before the next bytes. */
  take(bytes: number, now: Millis): Millis {
    if (this.#rate === Number.POSITIVE_INFINITY) return 0;
    this.#settle(now);
    this.#tokens -= bytes;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#rate;
  }

  /** What a taker would have to wait now without taking anything. */
  debt(now: Millis): Millis {
    if (this.#rate === Number.POSITIVE_INFINITY) return 0;
    this.#settle(now);
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#rate;
  }

  #settle(now: Millis): void {
    if (this.#at === Number.NEGATIVE_INFINITY) this.#at = now;
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#tokens + (now - this.#at) * this.#rate, BURST_MS * this.#rate);
    this.#at = now;
  }
}

function perMilli(bytesPerSecond: number | undefined): number {
  if (bytesPerSecond === undefined) return Number.POSITIVE_INFINITY;
  if (!(bytesPerSecond > 0)) throw new RangeError(`a rate of ${bytesPerSecond} bytes per second`);
  return bytesPerSecond / 1000;
}
