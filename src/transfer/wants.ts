/**
 * What of a content is wanted: all of it, with what a reader needs next going first; or, for as long as nobody wants the
 * whole, the reader's window and nothing else.
 */
import type { PieceIndex } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { Pieces } from './pieces.ts';

export class Wants {
  #window: PieceWindow | null = null;
  #whole: boolean;

  constructor(whole: boolean) {
    this.#whole = whole;
  }

  get whole(): boolean {
    return this.#whole;
  }

  /** Where to begin; null = anywhere. */
  get first(): PieceIndex | null {
    return this.#window?.from ?? null;
  }

  change(window: PieceWindow | null, whole: boolean): void {
    this.#window = window;
    this.#whole ||= whole;
  }

  /** First piece that is of no interest; Infinity = all are of interest. */
  get end(): number {
    if (this.#whole) return Number.POSITIVE_INFINITY;
    return this.#window === null ? 0 : this.#window.from + this.#window.count;
  }

  /** First missing piece of those that are wanted, from the window on, or -1. */
  nextMissing(pieces: Pieces): PieceIndex {
    const piece = pieces.nextMissing(this.first ?? 0);
    if (piece !== -1 && piece < this.end) return piece;
    return this.#whole ? pieces.nextMissing(0) : -1;
  }

  /** Nothing is wanted that is not held. */
  satisfied(pieces: Pieces | undefined): boolean {
    if (this.#whole) return false;
    if (this.#window === null) return true;
    if (pieces === undefined) return false;
    const { from, count } = this.#window;
    for (let piece = from; piece < Math.min(from + count, pieces.known); piece++) if (!pieces.held(piece)) return false;
    return pieces.known >= from + count || pieces.shape.length !== null;
  }
}
