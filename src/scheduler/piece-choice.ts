/**
 * Which piece goes from this parent to this child: the first of the child's window if it has one, else (if it wants more
 * than its window) the rarest that the parent holds and the child has not taken. The walk in rarity order is short in practice; when it is not, any
 * useful piece is found by words, so that the cost has a bound. Most pairs that are tried in vain have nothing for each other at all: whole
 * words of the two rows say so before any piece is looked at.
 *
 * One object serves all questions, because there are millions of them: `#meet` sets what the next answers are about.
 */
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { Group } from './group.ts';
import type { Limits } from './limits.ts';
import type { Swarm } from './swarm.ts';

export const NO_PIECE = -1;
/** The seed repeats nothing. */
export const NO_REPEATS = Number.NEGATIVE_INFINITY;

export type Pair = { readonly swarm: Swarm; readonly parent: number; readonly child: number };

export class PieceChooser {
  readonly #limits: Limits;
  readonly #random: Random;
  /** Only pieces without a copy in this group may pass … */
  #importInto: Group | undefined;
  /** … or those that the seed first gave before this time, and the hosts have not passed on since. */
  #repeatBefore: Millis = NO_REPEATS;

  constructor(limits: Limits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** The piece that this peer would give that one; `repeatBefore` = the seed gives again what it gave before this time. */
  choose(swarm: Swarm, parent: number, child: number, repeatBefore: Millis): number {
    this.#meet(swarm, parent, child, repeatBefore);
    if (this.#importInto?.absent === 0 && this.#repeatBefore === NO_REPEATS) return NO_PIECE;
    const window = swarm.windows.size === 0 ? undefined : swarm.windows.of(child);
    if (window !== undefined) {
      const piece = this.#ofWindow(swarm, parent, child, window);
      if (piece !== NO_PIECE || swarm.wants(child) === 'window') return piece;
    }
    if (!swarm.rows.anyFor(parent, child)) return NO_PIECE;
    return this.#rarest(swarm, parent, child);
  }

  /** Whether this very piece may pass between the two; that the parent holds it is the caller's to know. */
  allows({ swarm, parent, child }: Pair, piece: number, repeatBefore: Millis): boolean {
    this.#meet(swarm, parent, child, repeatBefore);
    return this.#mayEnter(swarm, piece);
  }

  /** For a seed that may repeat: pieces given before this time. */
  repeatBefore(swarm: Swarm, now: Millis): Millis {
    return now - Math.max(this.#limits.repeatAfterMs, this.#limits.repeatFactor * swarm.medianMs);
  }

  /** As `repeatBefore`, within the budget: the seed's link is often the fastest, and would do what the hosts are there for. */
  repeatWithinBudget(swarm: Swarm, now: Millis): Millis {
    const within = swarm.repeated + 1 <= Math.max(1, swarm.delivered * this.#limits.repeatShare);
    return within ? this.repeatBefore(swarm, now) : NO_REPEATS;
  }

  /**
   * What may pass between the two. Inside a group peers feed peers; from outside, and the seed is a group of its own, a piece
   * comes in once. The seed repeats a piece (where the caller lets it) only to hosts of its own IDC that still lack it after a
   * while: when their own uplinks are the narrow place, its uplink is one more.
   */
  #meet(swarm: Swarm, parent: number, child: number, repeatBefore: Millis): void {
    const giver = swarm.hosts[parent];
    const taker = swarm.hosts[child];
    this.#importInto = undefined;
    if (giver === undefined || taker === undefined) return;
    const foreign = giver.idc !== taker.idc;
    if ((!foreign && !giver.seed) || swarm.woes(child) >= this.#limits.desperateFailures || taker.trust.mute) return;
    this.#importInto = swarm.groupOf(taker);
    this.#repeatBefore = foreign ? NO_REPEATS : repeatBefore;
  }

  #mayEnter(swarm: Swarm, piece: number): boolean {
    const into = this.#importInto;
    return into === undefined || !into.has(piece) || swarm.copies.seededAt(piece) < this.#repeatBefore;
  }

  #ofWindow(swarm: Swarm, parent: number, child: number, window: PieceWindow): number {
    const end = Math.min(window.from + window.count, swarm.pieces);
    for (let piece = window.from; piece < end; piece++) {
      if (swarm.rows.taken(child, piece) || !swarm.rows.held(parent, piece)) continue;
      if (this.#mayEnter(swarm, piece)) return piece;
    }
    return NO_PIECE;
  }

  #rarest(swarm: Swarm, parent: number, child: number): number {
    const { rows } = swarm;
    const { rarity } = swarm.copies;
    const held = rows.slab(parent);
    const heldAt = rows.base(parent);
    const taken = rows.slab(child);
    const takenAt = rows.base(child) + rows.words;
    const order = rarity.order;
    // What no host has can only come from a seed.
    const first = swarm.hosts[parent]?.seed ? 0 : rarity.firstWith(1);
    const end = Math.min(first + this.#limits.walkPieces, rarity.size);
    for (let i = first; i < end; i++) {
      const piece = order[i] ?? 0;
      const word = piece >>> 5;
      const bit = 1 << (piece & 31);
      if (((held[heldAt + word] ?? 0) & ~(taken[takenAt + word] ?? 0) & bit) === 0) continue;
      if (this.#mayEnter(swarm, piece)) return piece;
    }
    if (end === rarity.size) return NO_PIECE;
    return this.#any(swarm, parent, child);
  }

  /** The rarest of the first word, from a random one on, that has a useful piece. */
  #any(swarm: Swarm, parent: number, child: number): number {
    const { rows } = swarm;
    const { rarity } = swarm.copies;
    const held = rows.slab(parent);
    const heldAt = rows.base(parent);
    const taken = rows.slab(child);
    const takenAt = rows.base(child) + rows.words;
    const words = rows.words;
    const start = this.#random.below(words);
    for (let i = 0; i < words; i++) {
      const word = start + i < words ? start + i : start + i - words;
      let best = NO_PIECE;
      for (let bits = (held[heldAt + word] ?? 0) & ~(taken[takenAt + word] ?? 0); bits !== 0; bits &= bits - 1) {
        const piece = (word << 5) + 31 - Math.clz32(bits & -bits);
        if (!this.#mayEnter(swarm, piece)) continue;
        if (best === NO_PIECE || rarity.copies(piece) < rarity.copies(best)) best = piece;
      }
      if (best !== NO_PIECE) return best;
    }
    return NO_PIECE;
  }
}
