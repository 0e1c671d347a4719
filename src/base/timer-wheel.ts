/**
 * Deadlines of many small numbers (slots of a table): O(1) to set and to clear. A hashed wheel: `ticks` buckets of
 * `tickMs`; what is further away goes round again. Invariant: every id is in at most one bucket. A deadline is never
 * reported early, and late by at most one tick.
 */
import type { Millis } from './clock.ts';

const NONE = -1;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads: Int32Array;
  #next = new Int32Array(16).fill(NONE);
  #prev = new Int32Array(16).fill(NONE);
  #bucket = new Int32Array(16).fill(NONE);
  #due = new Float64Array(16);
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
    this.clear(id);
    if (id >= this.#due.length) this.#grow(id + 1);
    // A bucket that was already swept would be seen a whole turn late.
    const tick = Math.max(Math.floor(due / this.#tickMs), this.#done + 1);
    const bucket = mod(tick, this.#heads.length);
    const head = this.#heads[bucket] ?? NONE;
    this.#next[id] = head;
    this.#prev[id] = NONE;
    if (head !== NONE) this.#prev[head] = id;
    this.#heads[bucket] = id;
    this.#bucket[id] = bucket;
    this.#due[id] = due;
    this.#size++;
  }

  clear(id: number): void {
    const bucket = this.#bucket[id] ?? NONE;
    if (bucket === NONE) return;
    const next = this.#next[id] ?? NONE;
    const prev = this.#prev[id] ?? NONE;
    if (prev === NONE) this.#heads[bucket] = next;
    else this.#next[prev] = next;
    if (next !== NONE) this.#prev[next] = prev;
    this.#bucket[id] = NONE;
    this.#size--;
  }

  /** Takes out what is due and returns it, in an order that depends on nothing but the calls before. */
  expire(now: Millis): number[] {
    const last = Math.floor(now / this.#tickMs) - 1;
    const due: number[] = [];
    if (last <= this.#done) return due;
    const first = Math.max(this.#done + 1, last - this.#heads.length + 1);
    for (let tick = first; tick <= last; tick++) {
      for (let id = this.#heads[mod(tick, this.#heads.length)] ?? NONE; id !== NONE; id = this.#next[id] ?? NONE) {
        if ((this.#due[id] ?? 0) <= now) due.push(id);
      }
    }
    this.#done = last;
    for (const id of due) this.clear(id);
    return due;
  }

  #grow(size: number): void {
    const room = Math.max(size, this.#due.length * 2);
    const wide = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const array = new Int32Array(room).fill(NONE);
      array.set(old);
      return array;
    };
    this.#next = wide(this.#next);
    this.#prev = wide(this.#prev);
    this.#bucket = wide(this.#bucket);
    const due = new Float64Array(room);
    due.set(this.#due);
    this.#due = due;
  }
}

function mod(value: number, size: number): number {
  return ((value % size) + size) % size;
}
