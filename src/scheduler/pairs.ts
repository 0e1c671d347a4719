/**
 * Which two hosts should not meet for a while, because a transfer between them has just failed; and which children get nothing from any
 * host but a seed, because they call right pieces wrong. Only failing pairs cost memory; every entry lives equally long, so that the oldest
 * are the first of the map. Hosts are named by their indexes.
 */
import type { Millis } from '../base/clock.ts';
import { type HostRows, SEED } from './host-rows.ts';

const HOSTS = 2 ** 24;
const MAX_PAIRS = 100_000;

export class Pairs {
  readonly #rows: HostRows;
  readonly #until = new Map<number, Millis>();
  readonly #mute = new Set<number>();

  constructor(rows: HostRows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#until.size + this.#mute.size;
  }

  avoid(parent: number, child: number, until: Millis): void {
    const key = parent * HOSTS + child;
    this.#until.delete(key);
    this.#until.set(key, until);
    if (this.#until.size <= MAX_PAIRS) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      return;
    }
  }

  mayMeet(parent: number, child: number): boolean {
    if (this.#mute.size > 0 && this.#mute.has(child) && !this.#rows.is(parent, SEED)) return false;
    return this.#until.size === 0 || !this.#until.has(parent * HOSTS + child);
  }

  mute(child: number, mute: boolean): void {
    if (mute) this.#mute.add(child);
    else this.#mute.delete(child);
  }

  isMute(child: number): boolean {
    return this.#mute.size > 0 && this.#mute.has(child);
  }

  expire(now: Millis): void {
    if (this.#until.size === 0) return;
    for (const [key, until] of this.#until) {
      if (until > now) return;
      this.#until.delete(key);
    }
  }

  forget(host: number): void {
    this.#mute.delete(host);
    for (const key of this.#until.keys()) {
      if (Math.floor(key / HOSTS) === host || key % HOSTS === host) this.#until.delete(key);
    }
  }
}
