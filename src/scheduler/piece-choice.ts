/**
 * Which piece goes from this parent to this child: the first of the child's window if it has one, else the rarest that
 * the parent holds and the child has not taken. The walk in rarity order is short in practice; when it is not, any
 * useful piece is found by words, so that the cost has a bound.
 */
import type { Random } from '../base/random.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { Group } from './group.ts';
import type { Swarm } from './swarm.ts';

export const NO_PIECE = -1;

export type PieceQuery = {
  readonly swarm: Swarm;
  readonly parent: number;
  readonly child: number;
  /** Only pieces without a copy in this group. */
  readonly importInto: Group | undefined;
};

export function choosePiece(query: PieceQuery, walkPieces: number, random: Random): number {
  const window = query.swarm.windows.get(query.child);
  if (window !== undefined) {
    const piece = pieceOfWindow(query, window);
    if (piece !== NO_PIECE) return piece;
  }
  return rarestPiece(query, walkPieces, random);
}

function pieceOfWindow(query: PieceQuery, window: PieceWindow): number {
  const { swarm, parent, child, importInto } = query;
  const end = Math.min(window.from + window.count, swarm.pieces);
  for (let piece = window.from; piece < end; piece++) {
    if (swarm.rows.taken(child, piece) || !swarm.rows.held(parent, piece)) continue;
    if (importInto === undefined || !importInto.has(piece)) return piece;
  }
  return NO_PIECE;
}

function rarestPiece(query: PieceQuery, walkPieces: number, random: Random): number {
  const { swarm, parent, child, importInto } = query;
  const { rows, rarity } = swarm;
  const held = rows.slab(parent);
  const heldAt = rows.base(parent);
  const taken = rows.slab(child);
  const takenAt = rows.base(child) + rows.words;
  const order = rarity.order;
  const first = rarity.firstWith(1);
  const end = Math.min(first + walkPieces, rarity.size);
  for (let i = first; i < end; i++) {
    const piece = order[i] ?? 0;
    const word = piece >>> 5;
    const bit = 1 << (piece & 31);
    if (((held[heldAt + word] ?? 0) & ~(taken[takenAt + word] ?? 0) & bit) === 0) continue;
    if (importInto === undefined || !importInto.has(piece)) return piece;
  }
  if (end === rarity.size) return NO_PIECE;
  return anyPiece(query, random);
}

/** The rarest of the first word, from a random one on, that has a useful piece. */
function anyPiece(query: PieceQuery, random: Random): number {
  const { swarm, parent, child, importInto } = query;
  const { rows, rarity } = swarm;
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
      if (importInto?.has(piece)) continue;
      if (best === NO_PIECE || rarity.copies(piece) < rarity.copies(best)) best = piece;
    }
    if (best !== NO_PIECE) return best;
  }
  return NO_PIECE;
}
