/**
 * Pieces of one download that are proved and on their way to the disk. Who reads in order takes them from memory: he waits
 * for no disk, and nothing is read back that was just there. Invariant: a piece is here only while its buffer is its own.
 */
import type { PieceIndex } from '../protocol/ids.ts';
import type { StoredContent } from '../store/store.ts';

type Fresh = { readonly content: StoredContent; readonly bytes: Uint8Array };

export class FreshPieces {
  readonly #pieces = new Map<PieceIndex, Fresh>();
  readonly #onFresh: (content: StoredContent, piece: PieceIndex, bytes: Uint8Array) => void;

  /** `onFresh` may read the bytes before it returns, and no longer. */
  constructor(onFresh: (content: StoredContent, piece: PieceIndex, bytes: Uint8Array) => void) {
    this.#onFresh = onFresh;
  }

  /** The bytes are as they must be, and stay until `drop`. */
  put(content: StoredContent, piece: PieceIndex, bytes: Uint8Array): void {
    this.#pieces.set(piece, { content, bytes });
    this.#onFresh(content, piece, bytes);
  }

  /** The buffer will be used for something else. */
  drop(piece: PieceIndex, bytes: Uint8Array): void {
    if (this.#pieces.get(piece)?.bytes === bytes) this.#pieces.delete(piece);
  }

  has(content: StoredContent, piece: PieceIndex): boolean {
    return this.#pieces.get(piece)?.content === content;
  }

  /** Copies from `offset` of the piece on; false when it is not here. */
  copy(content: StoredContent, piece: PieceIndex, offset: number, into: Uint8Array): boolean {
    const fresh = this.#pieces.get(piece);
    if (fresh?.content !== content || offset + into.length > fresh.bytes.length) return false;
    into.set(fresh.bytes.subarray(offset, offset + into.length));
    return true;
  }
}
