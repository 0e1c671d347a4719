/**
 * Which two hosts should not meet for a while, because a transfer between them has just failed; and which children get nothing from any
 * host but a seed, because they call right pieces wrong. Only failing pairs cost memory; every entry lives equally long, so that the oldest
 * are the first of the map.
 */
import type { Millis } from '../base/clock.ts';
import type { Host } from './host-table.ts';

const HOSTS = 2 ** 24;
const MAX_PAIRS = 100_000;

export class Pairs {
  readonly #until = new Map<number, Millis>();
  /** By index. */
  readonly #mute = new Set<number>();

  get size(): number {
    return this.#until.size + this.#mute.size;
  }

  avoid(parent: Host, child: Host, until: Millis): void {
    const key = parent.index * HOSTS + child.index;
    this.#until.delete(key);
    this.#until.set(key, until);
    if (this.#until.size <= MAX_PAIRS) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      return;
    }
  }

  mayMeet(parent: Host, child: Host): boolean {
    if (this.#mute.size > 0 && !parent.seed && this.#mute.has(child.index)) return false;
    return this.#until.size === 0 || !this.#until.has(parent.index * HOSTS + child.index);
  }

  mute(child: Host, mute: boolean): void {
    if (mute) this.#mute.add(child.index);
    else this.#mute.delete(child.index);
  }

  isMute(child: Host): boolean {
    return this.#mute.size > 0 && this.#mute.has(child.index);
  }

  expire(now: Millis): void {
    for (const [key, until] of this.#until) {
      if (until > now) return;
      this.#until.delete(key);
    }
  }

  forget(host: Host): void {
    this.#mute.delete(host.index);
    for (const key of this.#until.keys()) {
      if (Math.floor(key / HOSTS) === host.index || key % HOSTS === host.index) this.#until.delete(key);
    }
  }
}
