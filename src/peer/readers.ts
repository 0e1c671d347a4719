/**
 * The in-order readers of one download: who waits for which piece, and which window of pieces is wanted first. Invariant:
 * a waiting reader is woken when its piece comes, when the content is lost for it, and when the download ends.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import { type ContentShape, MIN_PIECE_BYTES } from '../protocol/piece.ts';

/** As much ahead of the reader is asked for first. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const WINDOW_LEAST_PIECES = 4;
/** A window of which less than this share has been read is as good as the next one: each costs a message, and an answer to it. */
const READ_SHARE = 1 / 4;

export type Reader = object;

/** From the piece that the reader needs next up to, not including, the one after its last. */
type Need = { readonly from: PieceIndex; readonly end: number };

export class Readers {
  readonly #whole: () => boolean;
  readonly #needs = new Map<Reader, Need>();
  readonly #waiting = new Map<PieceIndex, Set<() => void>>();
  #window: PieceWindow | null = null;

  /** `whole`: all of the content is wanted in any case. `expected`: a reader will come who begins with the first byte. */
  constructor(whole: () => boolean, expected = false) {
    this.#whole = whole;
    if (expected) this.#window = { from: 0, count: ahead(MIN_PIECE_BYTES) };
  }

  get window(): PieceWindow | null {
    return this.#window;
  }

  /** The reader needs `from` next, and all pieces before `end`. */
  want(reader: Reader, from: PieceIndex, end: number): void {
    this.#needs.set(reader, { from, end });
  }

  /** The reader needs nothing any more. */
  leave(reader: Reader): void {
    this.#needs.delete(reader);
  }

  /** True when the window is another one now. */
  move(shape: ContentShape, held: Bitfield): boolean {
    const before = this.#window;
    const count = ahead(shape.pieceSize);
    this.#window = this.#whole() ? this.#furthestBehind(count) : this.#inTurn(count, held);
    return before?.from !== this.#window?.from || before?.count !== this.#window?.count;
  }

  /** What the reader that is furthest behind needs. */
  #furthestBehind(count: number): PieceWindow | null {
    if (this.#needs.size === 0) return null;
    const from = Math.min(...[...this.#needs.values()].map((need) => need.from));
    const before = this.#window;
    const read = before?.count === count ? from - before.from : count;
    return before !== null && read >= 0 && read < count * READ_SHARE ? before : { from, count };
  }

  /**
   * Where nothing but windows is fetched, each reader has its turn, the longest waiting first, together with those whose
   * needs touch its own; and nothing is fetched that nobody reads.
   */
  #inTurn(ahead: number, held: Bitfield): PieceWindow | null {
    const missing = [...this.#needs.values()].flatMap(({ from, end }) => {
      const first = from < held.size ? held.nextClear(from) : from;
      const stop = Math.min(end, from + ahead);
      return first === -1 || first >= stop ? [] : [{ from: first, end: stop }];
    });
    const [first] = missing;
    if (first === undefined) return null;
    let { end } = first;
    for (const need of missing) if (need.from <= end && need.from >= first.from) end = Math.max(end, need.end);
    return { from: first.from, count: end - first.from };
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

/** Pieces. */
function ahead(pieceSize: number): number {
  return Math.max(WINDOW_LEAST_PIECES, Math.ceil(WINDOW_BYTES / pieceSize));
}
