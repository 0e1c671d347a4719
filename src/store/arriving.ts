/**
 * Pieces of one content that are verified and on their way to the disk. Who reads takes them from memory: he waits for no disk,
 * and nothing is read back that was just there. Invariant: a piece is here only while its bytes are the writer's to leave
 * as they are.
 */
import type { PieceIndex } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';

type Arriving = { readonly digest: Uint8Array; readonly data: Uint8Array; readonly written: Promise<void> };

export class ArrivingPieces {
  readonly #pieces = new Map<PieceIndex, Arriving>();

  get count(): number {
    return this.#pieces.size;
  }

  has(piece: PieceIndex): boolean {
    return this.#pieces.has(piece);
  }

  /** Good until the next turn. */
  dataOf(piece: PieceIndex): Uint8Array | undefined {
    return this.#pieces.get(piece)?.data;
  }

  /** A copy. */
  digestOf(piece: PieceIndex): Uint8Array | undefined {
    return this.#pieces.get(piece)?.digest.slice();
  }

  /** Here from the call on until `write` has ended, whose outcome it gives. Who comes with a piece that is here waits for that. */
  async during(
    piece: PieceIndex,
    { digest, data }: Pick<Arriving, 'digest' | 'data'>,
    write: () => Promise<void>,
  ): Promise<void> {
    const running = this.#pieces.get(piece);
    if (running !== undefined) return running.written;
    const written = write();
    this.#pieces.set(piece, { digest, data, written });
    try {
      await written;
    } finally {
      this.#pieces.delete(piece);
    }
  }

  /** Bytes `offset`… of the content, those of pieces that are here from here, the others from the disk. */
  async read(
    { pieceSize }: ContentShape,
    offset: number,
    into: Uint8Array,
    fromDisk: (offset: number, into: Uint8Array) => Promise<void>,
  ): Promise<void> {
    if (this.count === 0) return fromDisk(offset, into);
    for (let at = 0; at < into.length; ) {
      const piece = Math.floor((offset + at) / pieceSize);
      const end = Math.min(into.length, (piece + 1) * pieceSize - offset);
      const part = into.subarray(at, end);
      if (!this.copy(piece, offset + at - piece * pieceSize, part)) await fromDisk(offset + at, part);
      at = end;
    }
  }

  /** Copies from `offset` of the piece on; false when that is not here. */
  copy(piece: PieceIndex, offset: number, into: Uint8Array): boolean {
    const found = this.#pieces.get(piece);
    if (found === undefined || offset + into.length > found.data.length) return false;
    into.set(found.data.subarray(offset, offset + into.length));
    return true;
  }
}
