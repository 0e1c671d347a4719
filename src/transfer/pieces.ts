/**
 * Which pieces are held, in flight and missing. Invariant: a piece is in exactly one of the three; it is in flight while
 * at least one attempt at it runs or waits, and being held ends all its attempts.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { type ContentShape, pieceCount, pieceSpan } from '../protocol/piece.ts';
import type { AttemptId } from './events.ts';

export type PieceState = 'held' | 'in flight' | 'missing';

/** More pieces than any content has (2^53 bytes are never reached): what a hostile index may cost at most. */
const MAX_PIECES = 1 << 22;

export class Pieces {
  #shape: ContentShape;
  readonly #held: Bitfield;
  readonly #attempts = new Map<PieceIndex, Set<AttemptId>>();

  constructor(shape: ContentShape, held: Bitfield) {
    this.#shape = shape;
    this.#held = held.copy();
    this.#fit();
  }

  get shape(): ContentShape {
    return this.#shape;
  }

  get heldCount(): number {
    return this.#held.count;
  }

  /** Pieces known so far; the final number once the length is known. */
  get known(): number {
    return this.#held.size;
  }

  get complete(): boolean {
    return this.#shape.length !== null && this.#held.full;
  }

  state(piece: PieceIndex): PieceState {
    if (this.#held.has(piece)) return 'held';
    return this.#attempts.has(piece) ? 'in flight' : 'missing';
  }

  held(piece: PieceIndex): boolean {
    return this.#held.has(piece);
  }

  /** False for an index that this content cannot have. */
  valid(piece: PieceIndex): boolean {
    if (!Number.isInteger(piece) || piece < 0) return false;
    return piece < (this.#shape.length === null ? MAX_PIECES : this.#held.size);
  }

  bytesOf(piece: PieceIndex): number {
    const { start, end } = pieceSpan(this.#shape, piece);
    return end - start;
  }

  reshape(shape: ContentShape): void {
    if (this.#shape.length !== null) return;
    this.#shape = shape;
    this.#fit();
  }

  /** Takes over what the store holds beside what is known here. */
  merge(held: Bitfield): void {
    for (const piece of held) if (this.valid(piece)) this.hold(piece);
  }

  begin(piece: PieceIndex, attempt: AttemptId): void {
    const attempts = this.#attempts.get(piece);
    if (attempts === undefined) this.#attempts.set(piece, new Set([attempt]));
    else attempts.add(attempt);
  }

  end(piece: PieceIndex, attempt: AttemptId): void {
    const attempts = this.#attempts.get(piece);
    if (attempts?.delete(attempt) && attempts.size === 0) this.#attempts.delete(piece);
  }

  /** Returns the attempts that are needless now. */
  hold(piece: PieceIndex): readonly AttemptId[] {
    if (piece >= this.#held.size) this.#held.resize(piece + 1);
    this.#held.set(piece);
    const attempts = this.#attempts.get(piece);
    if (attempts === undefined) return [];
    this.#attempts.delete(piece);
    return [...attempts];
  }

  lose(piece: PieceIndex): void {
    this.#held.clear(piece);
  }

  /** First missing piece at or after `from`, or -1. While the length is unknown the one after the last known counts. */
  nextMissing(from: PieceIndex): PieceIndex {
    let piece = this.#held.nextClear(from);
    while (piece !== -1 && this.#attempts.has(piece)) piece = this.#held.nextClear(piece + 1);
    if (piece === -1 && this.#shape.length === null) return Math.max(from, this.#held.size);
    return piece;
  }

  /** The first piece at or after `from` that is not missing, or the number of pieces (null while that is unknown). */
  missingEnd(from: PieceIndex): PieceIndex | null {
    for (let piece = from; piece < this.#held.size; piece++) if (this.state(piece) !== 'missing') return piece;
    return this.#shape.length === null ? null : this.#held.size;
  }

  #fit(): void {
    if (this.#shape.length === null) return;
    const count = pieceCount(this.#shape);
    for (const piece of this.#held) if (piece >= count) this.#held.clear(piece);
    this.#held.resize(count);
    for (const piece of this.#attempts.keys()) if (piece >= count) this.#attempts.delete(piece);
  }
}
