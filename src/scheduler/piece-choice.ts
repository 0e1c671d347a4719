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
import type { Core } from './core.ts';
import type { Group } from './group.ts';
import type { Limits } from './limits.ts';
import type { Pairs } from './pairs.ts';
import type { Swarm } from './swarm.ts';

export const NO_PIECE = -1;
/** The seed repeats nothing. */
export const NO_REPEATS = Number.NEGATIVE_INFINITY;

export class PieceChooser {
  readonly #core: Core;
  readonly #limits: Limits;
  readonly #random: Random;
  readonly #pairs: Pairs;
  /** Only pieces without a copy in this group may pass … */
  #importInto: Group | undefined;
  /** … or those that the seed first gave before this time, and the hosts have not passed on since. */
  #repeatBefore: Millis = NO_REPEATS;

  constructor(core: Core) {
    this.#core = core;
    this.#limits = core.limits;
    this.#random = core.random;
    this.#pairs = core.pairs;
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
    if (!swarm.rows.meet(parent, child)) return NO_PIECE;
    return this.#rarest(swarm, parent);
  }

  /** Whether this very piece may pass between the two, within the budget of repeats; that the parent holds it is the caller's to know. */
  allows(swarm: Swarm, parent: number, child: number, piece: number): boolean {
    this.#meet(swarm, parent, child, this.repeatWithinBudget(swarm));
    return this.#mayEnter(swarm, piece);
  }

  /** For a seed that may repeat: pieces given before this time. */
  repeatBefore(swarm: Swarm): Millis {
    return this.#core.now - Math.max(this.#limits.repeatAfterMs, this.#limits.repeatFactor * swarm.medianMs);
  }

  /** As `repeatBefore`, within the budget: the seed's link is often the fastest, and would do what the hosts are there for. */
  repeatWithinBudget(swarm: Swarm): Millis {
    const within = swarm.repeated + 1 <= Math.max(1, swarm.delivered * this.#limits.repeatShare);
    return within ? this.repeatBefore(swarm) : NO_REPEATS;
  }

  /**
   * What may pass between the two. Inside a group peers feed peers; from outside, and the seed is a group of its own, a piece
   * comes in once. The seed repeats a piece (where the caller lets it) only to hosts of its own IDC that still lack it after a
   * while: when their own uplinks are the narrow place, its uplink is one more.
   */
  #meet(swarm: Swarm, parent: number, child: number, repeatBefore: Millis): void {
    this.#importInto = undefined;
    const foreign = swarm.idcOf(parent) !== swarm.idcOf(child);
    if (!foreign && !swarm.isSeed(parent)) return;
    if (swarm.woes(child) >= this.#limits.desperateFailures || this.#pairs.isMute(swarm.hostOf(child))) return;
    this.#importInto = swarm.groupOf(child);
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

  /** Of the pair that has just met. */
  #rarest(swarm: Swarm, parent: number): number {
    const { rows } = swarm;
    const { rarity } = swarm.copies;
    const order = rarity.order;
    // What no host has can only come from a seed.
    const first = swarm.isSeed(parent) ? 0 : rarity.firstWith(1);
    const end = Math.min(first + this.#limits.walkPieces, rarity.size);
    for (let i = first; i < end; i++) {
      const piece = order[i] ?? 0;
      if (rows.useful(piece) && this.#mayEnter(swarm, piece)) return piece;
    }
    if (end === rarity.size) return NO_PIECE;
    return this.#any(swarm);
  }

  /** The rarest of the first word, from a random one on, that has a useful piece. */
  #any(swarm: Swarm): number {
    const { rows } = swarm;
    const { rarity } = swarm.copies;
    const words = rows.words;
    const start = this.#random.below(words);
    for (let i = 0; i < words; i++) {
      const word = start + i < words ? start + i : start + i - words;
      let best = NO_PIECE;
      for (let bits = rows.usefulWord(word); bits !== 0; bits &= bits - 1) {
        const piece = (word << 5) + 31 - Math.clz32(bits & -bits);
        if (!this.#mayEnter(swarm, piece)) continue;
        if (best === NO_PIECE || rarity.copies(piece) < rarity.copies(best)) best = piece;
      }
      if (best !== NO_PIECE) return best;
    }
    return NO_PIECE;
  }
}
