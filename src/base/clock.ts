/**
 * Time enters the pure code only as a value. A Clock is handed to shells, so that tests and the simulator move time by
 * hand; the system's own clock lives in io/system-clock.ts.
 */

/** Milliseconds on a monotonic scale with an arbitrary origin; may have a fraction. */
export type Millis = number;

export interface Clock {
  /** Monotonic milliseconds; never goes back. */
  now(): Millis;
  /** Milliseconds since 1970, for dates that are shown or stored. */
  wall(): number;
}

export class ManualClock implements Clock {
  #now: Millis;

  constructor(start: Millis = 0) {
    this.#now = start;
  }

  now(): Millis {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  advance(by: Millis): void {
    this.#now += by;
  }
}
