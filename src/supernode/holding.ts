/**
 * How long a busy supernode may keep back what a child can wait for: a little longer at each look that finds it busy, a little shorter at each that
 * does not (additive both ways, so that it settles where there is just time enough).
 */
import type { Millis } from '../base/clock.ts';

const LOOK_MS = 50;
const BUSY = 0.6;
const STEP_MS = 10;
/** A child that hears nothing for longer than this would be taken for a slow one. */
const MOST_MS = 100;

export class Holding {
  readonly #load: () => number;
  #lookedAt: Millis = 0;
  #ms: Millis = 0;

  /** `load`: share of the time since its last call in which this program was busy. */
  constructor(load: () => number) {
    this.#load = load;
  }

  /** As of now; 0 = nothing is kept back. */
  ms(now: Millis): Millis {
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = now;
      const step = this.#load() > BUSY ? STEP_MS : -STEP_MS;
      this.#ms = Math.min(MOST_MS, Math.max(0, this.#ms + step));
    }
    return this.#ms;
  }
}
