/**
 * Whether small operations on the disk are done in the calling thread. To hand one to the thread pool and be woken by it costs
 * 20 to 200 µs, the operation itself 5 to 30 as long as the kernel answers from its memory. A disk that is behind with its writing
 * lets a writer wait, though, and the event loop must not wait with it: after an operation that took long, or several in a row that took longer than
 * memory does, all go to the pool for a while, each time for longer.
 */

/** Longer than what a thread loses that is merely not running. Milliseconds. */
const SLOW_MS = 30;
/** Longer than the kernel needs for some hundred kilobytes; a thread that was merely not running shows it once, a disk again and again. */
const SLUGGISH_MS = 5;
const MOST_SLUGGISH = 3;
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;

export class Promptness {
  readonly #now: () => number;
  #restMs = 0;
  /** In a row, now. */
  #sluggish = 0;
  #restUntil = Number.NEGATIVE_INFINITY;

  /** Milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The last operations have shown nothing that speaks against doing the next one here. */
  get here(): boolean {
    return this.#now() >= this.#restUntil;
  }

  /** Does it here, and remembers how long it took. Throws what it throws. */
  run<T>(work: () => T): T {
    const since = this.#now();
    try {
      return work();
    } finally {
      this.#learn(since, this.#now());
    }
  }

  #learn(since: number, until: number): void {
    const tookMs = until - since;
    this.#sluggish = tookMs < SLUGGISH_MS ? 0 : this.#sluggish + 1;
    if (tookMs < SLOW_MS && this.#sluggish < MOST_SLUGGISH) return;
    this.#sluggish = 0;
    // After a long time of promptness it begins anew.
    const isOver = since - this.#restUntil > LONGEST_REST_MS;
    this.#restMs = isOver ? FIRST_REST_MS : Math.min(LONGEST_REST_MS, Math.max(FIRST_REST_MS, this.#restMs * 2));
    this.#restUntil = until + this.#restMs;
  }
}
