/**
 * A first-come queue of answers, `slots` of which are sent at once: few pieces that finish soon are worth more to a
 * swarm than many that all finish late. Waiting costs nothing. Invariant: every slot given is given back once.
 */
export class SendSlots {
  readonly #slots: number;
  readonly #queueLimit: number;
  readonly #waiting: Set<() => void> = new Set();
  #busy = 0;

  /** `slots` 0 = no limit. */
  constructor(slots: number, queueLimit: number) {
    this.#slots = slots === 0 ? Number.POSITIVE_INFINITY : slots;
    this.#queueLimit = queueLimit;
  }

  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `start` at once or later; false = the queue is full. `start` must lead to one `release`. */
  enter(start: () => void): boolean {
    if (this.#busy < this.#slots) {
      this.#busy++;
      start();
      return true;
    }
    if (this.#waiting.size >= this.#queueLimit) return false;
    this.#waiting.add(start);
    return true;
  }

  /** Leaves the queue; false when it was not (any more) in it. */
  withdraw(start: () => void): boolean {
    return this.#waiting.delete(start);
  }

  release(): void {
    this.#busy--;
    for (const start of this.#waiting) {
      if (this.#busy >= this.#slots) break;
      this.#waiting.delete(start);
      this.#busy++;
      start();
    }
  }
}
