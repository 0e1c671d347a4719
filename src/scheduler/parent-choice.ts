/**
 * From whom a child gets a piece, when it is the child that asks: a reader that needs the next pieces of its window, a
 * child that nobody feeds, a late piece that is hedged. Looks at a few peers, or at all when the swarm is small or the
 * need is great.
 */
import type { Random } from '../base/random.ts';
import type { MayMeet } from './child-choice.ts';
import type { Host } from './host-table.ts';
import type { Limits } from './limits.ts';
import type { Swarm } from './swarm.ts';

export class ParentChooser {
  readonly #limits: Limits;
  readonly #random: Random;
  readonly #mayMeet: MayMeet;

  constructor(limits: Limits, random: Random, mayMeet: MayMeet) {
    this.#limits = limits;
    this.#random = random;
    this.#mayMeet = mayMeet;
  }

  /** The holder with room that would be done first; undefined when none was found. */
  choose(swarm: Swarm, child: Host, piece: number, all: boolean): Host | undefined {
    let best: Host | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    const look = (peer: number): void => {
      const host = swarm.hosts[peer];
      if (host === undefined || !this.#fits(swarm, host, child, piece, peer)) return;
      const ms = host.expectedUpMs(swarm.pieceSize, this.#limits);
      if (ms >= bestMs) return;
      best = host;
      bestMs = ms;
    };
    for (const seed of swarm.seeds) look(seed);
    const slots = swarm.hosts.length;
    if (all || slots <= this.#limits.smallSwarm * 2) for (let peer = 0; peer < slots; peer++) look(peer);
    else for (let i = 0; i < this.#limits.samples * 2; i++) look(this.#random.below(slots));
    return best;
  }

  #fits(swarm: Swarm, host: Host, child: Host, piece: number, peer: number): boolean {
    if (host === child || !swarm.rows.held(peer, piece) || !swarm.serves(peer)) return false;
    if (!host.hasUpRoom(swarm.pieceSize, this.#limits) || !this.#mayMeet(host, child)) return false;
    if (host.idc === child.idc) return true;
    const childPeer = swarm.peerOf(child);
    if (swarm.woes(childPeer) >= this.#limits.desperateFailures) return true;
    return !swarm.groupOf(child).has(piece);
  }
}
