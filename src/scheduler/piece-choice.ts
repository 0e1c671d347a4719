/**
 * Which piece goes from this parent to this child: the first of the child's window if it has one, else (if it wants more
 * than its window) the rarest that the parent holds and the child has not taken. The walk in rarity order is short in practice; when it is not, any
 * useful piece is found by words, so that the cost has a bound.
 */
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { Group } from './group.ts';
import type { Host } from './host-table.ts';
import type { Limits } from './limits.ts';
import type { Swarm } from './swarm.ts';

export const NO_PIECE = -1;

export type PieceQuery = {
  readonly swarm: Swarm;
  readonly parent: number;
  readonly child: number;
  /** Only pieces without a copy in this group … */
  readonly importInto: Group | undefined;
  /** … or that the seed first gave before this time, and the hosts have not passed on since. */
  readonly repeatBefore: Millis;
};

export type Pair = { readonly swarm: Swarm; readonly parent: Host; readonly child: Host; readonly repeats: boolean };

/**
 * What may pass between the two. Inside a group peers feed peers; from outside, and the seed is a group of its own, a piece
 * comes in once. The seed repeats a piece (where the caller lets it) only to hosts of its own IDC that still lack it after a
 * while: when their own uplinks are the narrow place, its uplink is one more.
 */
export function queryFor(pair: Pair, now: Millis, limits: Limits): PieceQuery {
  const { swarm, parent, child, repeats } = pair;
  const taker = swarm.peerOf(child);
  const foreign = parent.idc !== child.idc;
  const guarded = (foreign || parent.seed) && swarm.woes(taker) < limits.desperateFailures;
  const repeatAfterMs = Math.max(limits.repeatAfterMs, limits.repeatFactor * swarm.medianMs);
  return {
    swarm,
    parent: swarm.peerOf(parent),
    child: taker,
    importInto: guarded ? swarm.groupOf(child) : undefined,
    repeatBefore: foreign || !repeats ? Number.NEGATIVE_INFINITY : now - repeatAfterMs,
  };
}

/** The seed's link is often the fastest: without a budget it would do what the hosts are there for. */
export function mayRepeat(swarm: Swarm, limits: Limits): boolean {
  return swarm.repeated + 1 <= Math.max(1, swarm.delivered * limits.repeatShare);
}

export function mayEnter({ swarm, importInto, repeatBefore }: PieceQuery, piece: number): boolean {
  return importInto === undefined || !importInto.has(piece) || swarm.copies.seededAt(piece) < repeatBefore;
}

export function choosePiece(query: PieceQuery, walkPieces: number, random: Random): number {
  const { swarm, child } = query;
  const window = swarm.windows.size === 0 ? undefined : swarm.windows.of(child);
  if (window !== undefined) {
    const piece = pieceOfWindow(query, window);
    if (piece !== NO_PIECE || swarm.wants(child) === 'window') return piece;
  }
  return rarestPiece(query, walkPieces, random);
}

function pieceOfWindow(query: PieceQuery, window: PieceWindow): number {
  const { swarm, parent, child } = query;
  const end = Math.min(window.from + window.count, swarm.pieces);
  for (let piece = window.from; piece < end; piece++) {
    if (swarm.rows.taken(child, piece) || !swarm.rows.held(parent, piece)) continue;
    if (mayEnter(query, piece)) return piece;
  }
  return NO_PIECE;
}

function rarestPiece(query: PieceQuery, walkPieces: number, random: Random): number {
  const { swarm, parent, child } = query;
  const { rows } = swarm;
  const { rarity } = swarm.copies;
  const held = rows.slab(parent);
  const heldAt = rows.base(parent);
  const taken = rows.slab(child);
  const takenAt = rows.base(child) + rows.words;
  const order = rarity.order;
  // What no host has can only come from a seed.
  const first = swarm.hosts[parent]?.seed ? 0 : rarity.firstWith(1);
  const end = Math.min(first + walkPieces, rarity.size);
  for (let i = first; i < end; i++) {
    const piece = order[i] ?? 0;
    const word = piece >>> 5;
    const bit = 1 << (piece & 31);
    if (((held[heldAt + word] ?? 0) & ~(taken[takenAt + word] ?? 0) & bit) === 0) continue;
    if (mayEnter(query, piece)) return piece;
  }
  if (end === rarity.size) return NO_PIECE;
  return anyPiece(query, random);
}

/** The rarest of the first word, from a random one on, that has a useful piece. */
function anyPiece(query: PieceQuery, random: Random): number {
  const { swarm, parent, child } = query;
  const { rows } = swarm;
  const { rarity } = swarm.copies;
  const held = rows.slab(parent);
  const heldAt = rows.base(parent);
  const taken = rows.slab(child);
  const takenAt = rows.base(child) + rows.words;
  const words = rows.words;
  const start = random.below(words);
  for (let i = 0; i < words; i++) {
    const word = start + i < words ? start + i : start + i - words;
    let best = NO_PIECE;
    for (let bits = (held[heldAt + word] ?? 0) & ~(taken[takenAt + word] ?? 0); bits !== 0; bits &= bits - 1) {
      const piece = (word << 5) + 31 - Math.clz32(bits & -bits);
      if (!mayEnter(query, piece)) continue;
      if (best === NO_PIECE || rarity.copies(piece) < rarity.copies(best)) best = piece;
    }
    if (best !== NO_PIECE) return best;
  }
  return NO_PIECE;
}
