/**
 * Deadlines of many small numbers (slots of a table): O(1) to set and to clear. A hashed wheel: `ticks` buckets of
 * `tickMs`; what is further away goes round again. A deadline is never reported early, and late by at most one tick.
 *
 * Most deadlines are cleared long before they come, and a slot is soon used again: so clearing only writes the slot's own row, and an id
 * stays linked in its bucket until that is swept; there it is dropped, or moved on when it got a later deadline meanwhile. Invariant: an id
 * with a deadline is linked in the bucket of a tick that is not after it.
 */
import type { Millis } from './clock.ts';

const NONE = -1;
const NEVER = Number.POSITIVE_INFINITY;
/** Two rows per id: the next and the one before in its bucket; and its deadline and the tick of that bucket (NEVER = not linked). */
const ROW = 2;
const NEXT = 0;
const PREV = 1;
const DUE = 0;
const TICK = 1;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads: Int32Array;
  #links = new Int32Array(16 * ROW).fill(NONE);
  #times = new Float64Array(16 * ROW).fill(NEVER);
  #done = Number.NEGATIVE_INFINITY;
  #size = 0;

  constructor(tickMs: number, ticks: number) {
    this.#tickMs = tickMs;
    this.#heads = new Int32Array(ticks).fill(NONE);
  }

  get size(): number {
    return this.#size;
  }

  set(id: number, due: Millis): void {
    const row = id * ROW;
    if (row >= this.#times.length) this.#grow(id + 1);
    if (this.#times[row + DUE] === NEVER) this.#size++;
    this.#times[row + DUE] = due;
    // A bucket that was already swept would be seen a whole turn late.
    const tick = Math.max(Math.floor(due / this.#tickMs), this.#done + 1);
    const linked = this.#times[row + TICK] ?? NEVER;
    if (linked <= tick) return;
    if (linked !== NEVER) this.#unlink(id);
    this.#link(id, tick);
  }

  clear(id: number): void {
    const at = id * ROW + DUE;
    if (at >= this.#times.length || this.#times[at] === NEVER) return;
    this.#times[at] = NEVER;
    this.#size--;
  }

  /** Takes out what is due and returns it, in an order that depends on nothing but the calls before. */
  expire(now: Millis): number[] {
    const last = Math.floor(now / this.#tickMs) - 1;
    const due: number[] = [];
    if (last <= this.#done) return due;
    const first = Math.max(this.#done + 1, last - this.#heads.length + 1);
    this.#done = last;
    for (let tick = first; tick <= last; tick++) {
      const bucket = mod(tick, this.#heads.length);
      for (let id = this.#heads[bucket] ?? NONE; id !== NONE; ) {
        const next = this.#links[id * ROW + NEXT] ?? NONE;
        this.#sweep(id, now, due);
        id = next;
      }
    }
    return due;
  }

  /** Due, dropped because it was cleared, moved on, or for a later turn of the wheel. */
  #sweep(id: number, now: Millis, due: number[]): void {
    const time = this.#times[id * ROW + DUE] ?? NEVER;
    if (time === NEVER) this.#unlink(id);
    else if (time <= now) {
      due.push(id);
      this.#unlink(id);
      this.clear(id);
    } else {
      const tick = Math.max(Math.floor(time / this.#tickMs), this.#done + 1);
      if (tick === this.#times[id * ROW + TICK]) return;
      this.#unlink(id);
      this.#link(id, tick);
    }
  }

  #link(id: number, tick: number): void {
    const bucket = mod(tick, this.#heads.length);
    const head = this.#heads[bucket] ?? NONE;
    const row = id * ROW;
    this.#links[row + NEXT] = head;
    this.#links[row + PREV] = NONE;
    this.#times[row + TICK] = tick;
    if (head !== NONE) this.#links[head * ROW + PREV] = id;
    this.#heads[bucket] = id;
  }

  #unlink(id: number): void {
    const row = id * ROW;
    const next = this.#links[row + NEXT] ?? NONE;
    const prev = this.#links[row + PREV] ?? NONE;
    if (prev !== NONE) this.#links[prev * ROW + NEXT] = next;
    else this.#heads[mod(this.#times[row + TICK] ?? 0, this.#heads.length)] = next;
    if (next !== NONE) this.#links[next * ROW + PREV] = prev;
    this.#times[row + TICK] = NEVER;
  }

  #grow(size: number): void {
    const room = Math.max(size * ROW, this.#times.length * 2);
    const links = new Int32Array(room).fill(NONE);
    links.set(this.#links);
    this.#links = links;
    const times = new Float64Array(room).fill(NEVER);
    times.set(this.#times);
    this.#times = times;
  }
}

function mod(value: number, size: number): number {
  return ((value % size) + size) % size;
}
