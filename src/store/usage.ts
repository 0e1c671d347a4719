/**
 * Who is using a content. Invariants: it is idle only when no user has it, nothing of it is going on, and nobody who has
 * just asked for it may still be on the way to acquire it.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../protocol/faults.ts';

/** Between `create` and the first `acquire` a content is not idle, but not for longer than this. */
const GRACE_MS = 10_000;

export class Usage {
  readonly #clock: Clock;
  readonly #onRest: () => void;
  #usedAt: number;
  #users = 0;
  #busy = 0;
  #expected = 0;
  #graceUntil = Number.NEGATIVE_INFINITY;
  #closed: 'kept' | 'removed' | undefined;
  #spoiltBy: Fault | undefined;
  #waiting: (() => void)[] = [];
  #leaving: (() => void)[] = [];

  /** `onRest` is called when the last user has released it. */
  constructor(clock: Clock, usedAt: number, onRest: () => void) {
    this.#clock = clock;
    this.#usedAt = usedAt;
    this.#onRest = onRest;
  }

  /** Milliseconds since 1970. */
  get usedAt(): number {
    return this.#usedAt;
  }

  get users(): number {
    return this.#users;
  }

  /** Somebody has it or is about to: its reservation stands. */
  get running(): boolean {
    return this.#users > 0 || (this.#expected > 0 && this.#clock.now() < this.#graceUntil);
  }

  get idle(): boolean {
    return this.#busy === 0 && !this.running;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  touch(): void {
    this.#usedAt = Math.max(this.#usedAt, this.#clock.wall());
  }

  /** Somebody asked for it and will acquire it. */
  expect(): void {
    this.touch();
    this.#expected++;
    this.#graceUntil = this.#clock.now() + GRACE_MS;
  }

  /** It was refused after all. */
  unexpect(): void {
    this.#expected = Math.max(0, this.#expected - 1);
  }

  acquire(): void {
    this.touch();
    this.#users++;
    this.#expected = Math.max(0, this.#expected - 1);
  }

  release(): void {
    assert(this.#users > 0, 'a release without an acquire');
    this.touch();
    this.#users--;
    if (this.#users > 0) return;
    if (!this.running) this.#onRest();
    this.abandon();
  }

  /** Who waits for the users to leave waits no longer. */
  abandon(): void {
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const resolve of leaving) resolve();
  }

  /** It was never made, and will be removed for this: who still comes with work is told so, and not that it was removed. */
  spoil(fault: Fault): void {
    this.#spoiltBy = fault;
  }

  /** Counts as going on while `work` runs. Faults after close, save for what goes on inside of other work. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined && this.#busy === 0) throw this.#spoiltBy ?? closedFault(this.#closed);
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
      if (this.#busy === 0) {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const resolve of waiting) resolve();
      }
    }
  }

  /** Resolves when no user has it. */
  async left(): Promise<void> {
    if (this.#users > 0) await new Promise<void>((resolve) => this.#leaving.push(resolve));
  }

  /** Takes no more work; resolves when all that is going on has ended. */
  async drained(fate: 'kept' | 'removed'): Promise<void> {
    this.#closed = fate;
    if (this.#busy > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

function closedFault(fate: 'kept' | 'removed'): Fault {
  if (fate === 'kept') return new Fault('cancelled', 'the store is closed');
  return new Fault('peer-lacks', 'the content was removed');
}
