/**
 * From whom a child gets a piece, when it is the child that asks: a reader that needs the next pieces of its window, a
 * child that nobody feeds, a late piece that is hedged. Looks at a few peers, or at all when the swarm is small or the
 * need is great.
 */
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Host } from './host-table.ts';
import type { Limits } from './limits.ts';
import type { Pairs } from './pairs.ts';
import type { PieceChooser } from './piece-choice.ts';
import type { Swarm } from './swarm.ts';

type Wish = { readonly swarm: Swarm; readonly child: Host; readonly piece: number };

export class ParentChooser {
  readonly #limits: Limits;
  readonly #random: Random;
  readonly #pairs: Pairs;
  readonly #pieces: PieceChooser;

  constructor(limits: Limits, random: Random, pairs: Pairs, pieces: PieceChooser) {
    this.#limits = limits;
    this.#random = random;
    this.#pairs = pairs;
    this.#pieces = pieces;
  }

  /** The holder with room that would be done first; undefined when none was found. */
  choose(wish: Wish, now: Millis): Host | undefined {
    const { swarm } = wish;
    let best: Host | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    const look = (peer: number): void => {
      const host = swarm.hosts[peer];
      if (host === undefined || (host.seed && best !== undefined) || !this.#fits(wish, host, peer, now)) return;
      const ms = host.expectedUpMs(swarm.pieceSize, this.#limits);
      if (ms >= bestMs) return;
      best = host;
      bestMs = ms;
    };
    const slots = swarm.hosts.length;
    if (slots <= this.#limits.smallSwarm * 2) for (let peer = 0; peer < slots; peer++) look(peer);
    else for (let i = 0; i < this.#limits.samples * 2; i++) look(this.#random.below(slots));
    // The seed comes last, so that hosts give what they can.
    if (best === undefined) for (const seed of swarm.seeds) look(seed);
    return best;
  }

  #fits({ swarm, child, piece }: Wish, host: Host, peer: number, now: Millis): boolean {
    if (host === child || !swarm.rows.held(peer, piece) || !swarm.serves(peer)) return false;
    if (!host.hasUpRoom(swarm.pieceSize, this.#limits) || !this.#pairs.mayMeet(host, child)) return false;
    const repeatBefore = this.#pieces.repeatWithinBudget(swarm, now);
    return this.#pieces.allows({ swarm, parent: peer, child: swarm.peerOf(child) }, piece, repeatBefore);
  }
}
