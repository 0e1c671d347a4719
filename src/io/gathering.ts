/**
 * When to look next at a connection on which a body comes in slowly. Each look costs the same (a wake-up, a system call, a callback), however
 * few bytes there are: at 40 Mbit/s over ten connections a host spent more CPU on looks at 5 KB than on all else that a piece needs. So
 * what is slow is left to gather in the kernel. Invariant: the last byte of a body is never waited for longer than it is expected to take.
 */
import type { Millis } from '../base/clock.ts';

/** What one look should bring. */
const GOAL_BYTES = 32 * 1024;
/** The kernel's receive buffer must not fill up meanwhile, and a stall is to be seen. */
const LONGEST_MS = 40;
/** A timer and two changes of what is watched are not worth less. Waits are multiples of it, because timers of one length share a list. */
const STEP_MS = 4;
/** How fast a rate follows: others on the same link begin and end. */
const FOLLOW = 0.3;
/** Near the end, only so much of the time that is expected is waited for: the rate may grow. */
const CAUTION = 0.5;

export class Gathering {
  /** Bytes per millisecond; 0 = not known. */
  #rate = 0;
  #lookedAt: Millis = 0;

  /** A new body begins. */
  restart(now: Millis): void {
    this.#rate = 0;
    this.#lookedAt = now;
  }

  /** Milliseconds to leave the connection alone after a look that brought `bytes`, `left` of the body being still to come; 0 = look on. */
  after(bytes: number, left: number, now: Millis): Millis {
    const elapsed = now - this.#lookedAt;
    this.#lookedAt = now;
    if (elapsed <= 0) return 0;
    const sample = bytes / elapsed;
    this.#rate = this.#rate === 0 ? sample : this.#rate + FOLLOW * (sample - this.#rate);
    if (bytes >= GOAL_BYTES) return 0;
    const wait = Math.min(GOAL_BYTES / this.#rate, (CAUTION * left) / this.#rate, LONGEST_MS);
    return Math.floor(wait / STEP_MS) * STEP_MS;
  }
}
