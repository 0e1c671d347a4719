/**
 * The order in which the parents of one round choose: seeds, then whoever holds the fewest pieces, because it has the least choice; equals
 * as they came. One array of numbers is sorted, (pieces, place in the round), and kept for the next round.
 */
import { type HostRows, SEED } from './host-rows.ts';
import type { SwarmsByHost } from './host-swarms.ts';

/** Hosts of one round at most: the lower part of a key. */
const PLACES = 2 ** 24;

export class PoorestFirst {
  readonly #rows: HostRows;
  readonly #swarmsOf: SwarmsByHost;
  #keys = new Float64Array(64);
  #hosts = new Int32Array(64);

  constructor(rows: HostRows, swarmsOf: SwarmsByHost) {
    this.#rows = rows;
    this.#swarmsOf = swarmsOf;
  }

  /** In place. */
  sort(parents: number[]): readonly number[] {
    const count = parents.length;
    if (count < 2) return parents;
    if (count > this.#keys.length) {
      this.#keys = new Float64Array(count * 2);
      this.#hosts = new Int32Array(count * 2);
    }
    const keys = this.#keys.subarray(0, count);
    for (let i = 0; i < count; i++) {
      const parent = parents[i] ?? 0;
      this.#hosts[i] = parent;
      keys[i] = (this.#wealth(parent) + 1) * PLACES + i;
    }
    keys.sort();
    for (let i = 0; i < count; i++) parents[i] = this.#hosts[(keys[i] ?? 0) % PLACES] ?? 0;
    return parents;
  }

  #wealth(host: number): number {
    if (this.#rows.is(host, SEED)) return -1;
    let held = 0;
    for (let i = 0; i < this.#rows.active(host); i++) {
      const swarm = this.#swarmsOf.active(host, i);
      if (swarm !== undefined) held += swarm.heldCount(swarm.peerOf(host));
    }
    return held;
  }
}
