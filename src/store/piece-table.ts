/**
 * What one content has: held pieces with their digests, and which of them have been proved since we last had reason to
 * doubt. Pure bookkeeping, shared by both stores. Invariant: a proved piece is held; a held piece lies within the shape.
 *
 * While the length is unknown one piece may be shorter than the others: the last one, put before anybody knew.
 */
import { assert } from '../base/assert.ts';
import { Bitfield } from '../base/bitfield.ts';
import { Fault } from '../protocol/faults.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { type ContentShape, pieceCount, pieceSpan } from '../protocol/piece.ts';

const DIGEST_BYTES = 32;
/** More pieces than any content has: 2^20 of the smallest are 128 GiB, of the largest 16 TiB. */
export const MAX_PIECES = 1 << 20;

/** What a source announces or sends may be anything: Fault no-space. */
function requireCountable(pieces: number): void {
  if (pieces > MAX_PIECES)
    throw new Fault('no-space', `a content of ${pieces} pieces is larger than a store takes (${MAX_PIECES} pieces)`);
}

export class PieceTable {
  readonly held: Bitfield;
  #shape: ContentShape;
  #proved: Bitfield;
  #digests: Uint8Array;
  #heldBytes = 0;
  readonly #short = new Map<PieceIndex, number>();

  constructor(shape: ContentShape) {
    const count = shape.length === null ? 0 : pieceCount(shape);
    requireCountable(count);
    this.#shape = shape;
    this.held = new Bitfield(count);
    this.#proved = new Bitfield(count);
    this.#digests = new Uint8Array(count * DIGEST_BYTES);
  }

  get shape(): ContentShape {
    return this.#shape;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get complete(): boolean {
    return this.#shape.length !== null && this.held.full;
  }

  /** Bytes of the known length that are not held. */
  get missingBytes(): number {
    return this.#shape.length === null ? 0 : this.#shape.length - this.#heldBytes;
  }

  /** Whether a piece of so many bytes may stand at that index. */
  fits(piece: PieceIndex, bytes: number): boolean {
    if (!Number.isInteger(piece) || piece < 0 || piece >= MAX_PIECES || bytes <= 0) return false;
    if (this.#shape.length === null) return bytes <= this.#shape.pieceSize;
    return piece < this.held.size && bytes === this.sizeOf(piece);
  }

  sizeOf(piece: PieceIndex): number {
    const span = pieceSpan(this.#shape, piece);
    return this.#short.get(piece) ?? span.end - span.start;
  }

  /** `proved` = the bytes are known to be right; else they are a claim of the journal. */
  hold(piece: PieceIndex, bytes: number, digest: Uint8Array, proved: boolean): void {
    assert(digest.length === DIGEST_BYTES, `digest of ${digest.length} bytes`);
    assert(this.fits(piece, bytes), `piece ${piece} of ${bytes} bytes`);
    if (this.held.has(piece)) this.drop(piece);
    this.#makeRoom(piece);
    if (bytes < this.sizeOf(piece)) this.#short.set(piece, bytes);
    this.#digests.set(digest, piece * DIGEST_BYTES);
    this.held.set(piece);
    if (proved) this.#proved.set(piece);
    this.#heldBytes += bytes;
  }

  drop(piece: PieceIndex): void {
    if (!this.held.has(piece)) return;
    this.#heldBytes -= this.sizeOf(piece);
    this.held.clear(piece);
    this.#proved.clear(piece);
    this.#short.delete(piece);
  }

  /** A copy, so that nobody outside can change it. */
  digestOf(piece: PieceIndex): Uint8Array | undefined {
    if (!this.held.has(piece)) return undefined;
    return this.#digests.slice(piece * DIGEST_BYTES, (piece + 1) * DIGEST_BYTES);
  }

  proved(piece: PieceIndex): boolean {
    return this.#proved.has(piece);
  }

  prove(piece: PieceIndex): void {
    if (this.held.has(piece)) this.#proved.set(piece);
  }

  /** Every held piece must be proved again. */
  doubt(): void {
    this.#proved = new Bitfield(this.held.size);
  }

  unproved(): readonly PieceIndex[] {
    return [...this.held].filter((piece) => !this.#proved.has(piece));
  }

  /** Takes the length that became known; gives the pieces that it had to drop because they do not fit it. */
  reshape(shape: ContentShape): readonly PieceIndex[] {
    assert(this.allows(shape), 'a length can become known, but not change');
    if (this.#shape.length !== null || shape.length === null) return [];
    const count = pieceCount(shape);
    requireCountable(count);
    const lost = [...this.held].filter((piece) => {
      if (piece >= count) return true;
      const span = pieceSpan(shape, piece);
      return this.sizeOf(piece) !== span.end - span.start;
    });
    for (const piece of lost) this.drop(piece);
    this.#short.clear();
    this.#shape = shape;
    this.#resize(count);
    return lost;
  }

  allows(shape: ContentShape): boolean {
    if (shape.pieceSize !== this.#shape.pieceSize) return false;
    return this.#shape.length === null || shape.length === null || shape.length === this.#shape.length;
  }

  #makeRoom(piece: PieceIndex): void {
    if (piece < this.held.size) return;
    requireCountable(piece + 1);
    this.#resize(piece + 1);
  }

  #resize(count: number): void {
    this.held.resize(count);
    this.#proved.resize(count);
    const bytes = count * DIGEST_BYTES;
    if (bytes <= this.#digests.length) return;
    // Doubling keeps the cost of a growing content linear.
    const digests = new Uint8Array(Math.max(bytes, this.#digests.length * 2));
    digests.set(this.#digests);
    this.#digests = digests;
  }
}
