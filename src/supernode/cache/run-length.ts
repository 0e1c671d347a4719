/**
 * How many bytes one read of a tier asks for. Nobody can have a piece of a read before all of it is here, so the first reads are short, and they
 * grow as long as they are quick: over a slow link four reads of 8 MiB kept everybody waiting for six seconds.
 */
import type { Millis } from '../../base/clock.ts';

const FIRST_BYTES = 256 * 1024;
/** What one read should take. */
const GOAL_MS = 250;

export class RunLength {
  readonly #least: number;
  readonly #most: number;
  #bytes: number;

  /** `least` = so much does the tier ask for in any case. Bytes. */
  constructor(least: number, most: number) {
    this.#least = Math.min(most, Math.max(FIRST_BYTES, least));
    this.#most = most;
    this.#bytes = this.#least;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A read of so many bytes took that long. */
  took(bytes: number, millis: Millis): void {
    // A short one, at the end of a gap, says nothing of longer ones.
    if (millis < GOAL_MS / 2 && bytes > this.#bytes / 2) this.#bytes = Math.min(this.#most, 2 * this.#bytes);
    else if (millis > 2 * GOAL_MS) this.#bytes = Math.max(this.#least, this.#bytes / 2);
  }
}
