/**
 * The in-order readers of one download: who waits for which piece, and which window of pieces is wanted first. Invariant:
 * a waiting reader is woken when its piece comes, when the content is lost for it, and when the download ends.
 */
import type { PieceIndex } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { ContentShape } from '../protocol/piece.ts';

/** As much ahead of the reader is asked for first. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const WINDOW_LEAST_PIECES = 4;

export type Reader = object;

export class Readers {
  readonly #wanted = new Map<Reader, PieceIndex>();
  readonly #waiting = new Map<PieceIndex, Set<() => void>>();

  /** The reader needs `piece` next. */
  want(reader: Reader, piece: PieceIndex): void {
    this.#wanted.set(reader, piece);
  }

  /** The reader needs nothing any more. */
  leave(reader: Reader): void {
    this.#wanted.delete(reader);
  }

  /** What the reader that is furthest behind needs; null = nobody reads. */
  window(shape: ContentShape): PieceWindow | null {
    if (this.#wanted.size === 0) return null;
    const from = Math.min(...this.#wanted.values());
    return { from, count: Math.max(WINDOW_LEAST_PIECES, Math.ceil(WINDOW_BYTES / shape.pieceSize)) };
  }

  /** Resolves at the next `wake` for the piece, or when the signal is aborted. */
  wait(piece: PieceIndex, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        const others = this.#waiting.get(piece);
        others?.delete(done);
        if (others?.size === 0) this.#waiting.delete(piece);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const waiting = this.#waiting.get(piece);
      if (waiting === undefined) this.#waiting.set(piece, new Set([done]));
      else waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
      if (signal?.aborted) done();
    });
  }

  wake(piece: PieceIndex): void {
    for (const done of [...(this.#waiting.get(piece) ?? [])]) done();
  }

  wakeAll(): void {
    for (const waiting of [...this.#waiting.values()]) for (const done of [...waiting]) done();
  }
}
