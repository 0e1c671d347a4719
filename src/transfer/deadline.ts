/** By when a transfer must have ended: as the user said, or derived from the length and the least rate once known. */
import type { Millis } from '../base/clock.ts';

/** A derived deadline is never shorter, so that a small file survives a slow start. Milliseconds. */
const LEAST_DERIVED_MS = 30_000;

export class Deadline {
  readonly #minRate: number;
  readonly #given: boolean;
  #startedAt: Millis = 0;
  readonly #timeoutMs: number;
  #at = Number.POSITIVE_INFINITY;

  /** `minRate` in bytes per second. */
  constructor(timeoutMs: number | undefined, minRate: number | undefined) {
    this.#given = timeoutMs !== undefined;
    this.#timeoutMs = timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#minRate = minRate ?? 0;
  }

  get at(): Millis {
    return this.#at;
  }

  start(now: Millis): void {
    this.#startedAt = now;
    this.#at = now + this.#timeoutMs;
  }

  lengthKnown(length: number): void {
    if (this.#given || this.#minRate <= 0) return;
    this.#at = this.#startedAt + Math.max(LEAST_DERIVED_MS, (length / this.#minRate) * 1000);
  }
}
