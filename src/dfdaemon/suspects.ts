/**
 * Registries that have sent bytes other than those that the digest names. What comes from them is proved as a whole before
 * any of it goes on to a client: who has begun to take a wrong content cannot be helped any more.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';

const MAX_SUSPECTS = 1_000;
const REMEMBER_MS = 3_600_000;

export class Suspects {
  readonly #clock: Clock;
  readonly #always: boolean;
  readonly #seen = new LRUCache<string, { readonly at: number }>({ max: MAX_SUSPECTS });

  /** `always`: nobody is trusted to send the right bytes. */
  constructor(clock: Clock, always: boolean) {
    this.#clock = clock;
    this.#always = always;
  }

  has({ origin }: URL): boolean {
    const seen = this.#seen.get(origin);
    return this.#always || (seen !== undefined && this.#clock.now() - seen.at < REMEMBER_MS);
  }

  add({ origin }: URL): void {
    this.#seen.set(origin, { at: this.#clock.now() });
  }
}
