/**
 * The order in which the parents of one round choose: seeds, then whoever holds the fewest pieces, because it has the least choice; equals
 * as they came. One array of numbers is sorted, (pieces, place in the round), and kept for the next round.
 */

import type { SwarmsByHost } from './host-swarms.ts';
import type { Host } from './host-table.ts';

/** Hosts of one round at most: the lower part of a key. */
const PLACES = 2 ** 24;

export class PoorestFirst {
  #keys = new Float64Array(64);

  /** In place. */
  sort(parents: Host[], swarmsOf: SwarmsByHost): readonly Host[] {
    const count = parents.length;
    if (count < 2) return parents;
    if (count > this.#keys.length) this.#keys = new Float64Array(count * 2);
    const keys = this.#keys.subarray(0, count);
    for (let i = 0; i < count; i++) {
      const parent = parents[i];
      if (parent !== undefined) keys[i] = (wealth(parent, swarmsOf) + 1) * PLACES + i;
    }
    keys.sort();
    return Array.from(keys, (key) => parents[key % PLACES] as Host);
  }
}

function wealth(host: Host, swarmsOf: SwarmsByHost): number {
  if (host.seed) return -1;
  let held = 0;
  for (const swarm of swarmsOf.of(host).active) held += swarm.heldCount(swarm.peerOf(host));
  return held;
}
