/**
 * From whom a child gets a piece, when it is the child that asks: a reader that needs the next pieces of its window, a
 * child that nobody feeds, a late piece that is hedged. Looks at a few peers, or at all when the swarm is small or the
 * need is great.
 */
import type { Core } from './core.ts';
import { NOBODY } from './host-rows.ts';
import { upLine } from './lines.ts';
import type { PieceChooser } from './piece-choice.ts';
import type { Swarm } from './swarm.ts';

export class ParentChooser {
  readonly #core: Core;
  readonly #pieces: PieceChooser;

  constructor(core: Core, pieces: PieceChooser) {
    this.#core = core;
    this.#pieces = pieces;
  }

  /** The holder with room that would be done first; NOBODY when none was found. */
  choose(swarm: Swarm, child: number, piece: number): number {
    const { limits, random, hosts } = this.#core;
    let best = NOBODY;
    let bestMs = Number.POSITIVE_INFINITY;
    const look = (peer: number): void => {
      if ((best !== NOBODY && swarm.isSeed(peer)) || !this.#fits(swarm, peer, child, piece)) return;
      const ms = hosts.expectedMs(upLine(swarm.hostOf(peer)), swarm.pieceSize);
      if (ms >= bestMs) return;
      best = peer;
      bestMs = ms;
    };
    const slots = swarm.hosts.length;
    if (slots <= limits.smallSwarm * 2) for (let peer = 0; peer < slots; peer++) look(peer);
    else for (let i = 0; i < limits.samples * 2; i++) look(random.below(slots));
    // The seed comes last, so that hosts give what they can.
    if (best === NOBODY) for (const seed of swarm.seeds) look(seed);
    return best;
  }

  #fits(swarm: Swarm, parent: number, child: number, piece: number): boolean {
    const { hosts, pairs } = this.#core;
    const host = swarm.hostOf(parent);
    if (host === NOBODY || parent === child || !swarm.rows.held(parent, piece) || !swarm.serves(parent)) return false;
    if (!hosts.hasUpRoom(host, swarm.pieceSize) || !pairs.mayMeet(host, swarm.hostOf(child))) return false;
    return this.#pieces.allows(swarm, parent, child, piece);
  }
}
