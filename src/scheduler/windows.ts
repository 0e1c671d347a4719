/**
 * The windows of readers: the pieces that a peer needs first, in order; or, when it wants only these, all that it needs. Each
 * window knows how many of its pieces its peer has not taken yet and how many it does not hold, so that a peer's need is
 * known without looking at the pieces.
 */
import type { PieceWindow } from '../protocol/messages.ts';
import type { PieceRows } from './piece-rows.ts';

type Window = { readonly from: number; readonly count: number; untaken: number; unheld: number };

export class Windows {
  readonly #byPeer = new Map<number, Window>();

  get size(): number {
    return this.#byPeer.size;
  }

  of(peer: number): PieceWindow | undefined {
    return this.#byPeer.get(peer);
  }

  includes(peer: number, piece: number): boolean {
    const window = this.#byPeer.get(peer);
    return window !== undefined && within(window, piece);
  }

  untaken(peer: number): number {
    return this.#byPeer.get(peer)?.untaken ?? 0;
  }

  unheld(peer: number): number {
    return this.#byPeer.get(peer)?.unheld ?? 0;
  }

  /** Whether this piece is in any window. */
  has(piece: number): boolean {
    for (const window of this.#byPeer.values()) if (within(window, piece)) return true;
    return false;
  }

  set(peer: number, { from, count }: PieceWindow, rows: PieceRows, pieces: number): void {
    const window = { from, count, untaken: 0, unheld: 0 };
    const end = Math.min(from + count, pieces);
    for (let piece = from; piece < end; piece++) {
      if (!rows.taken(peer, piece)) window.untaken++;
      if (!rows.held(peer, piece)) window.unheld++;
    }
    this.#byPeer.set(peer, window);
  }

  delete(peer: number): void {
    this.#byPeer.delete(peer);
  }

  /** The content has more pieces now. */
  recount(rows: PieceRows, pieces: number): void {
    for (const [peer, window] of this.#byPeer) this.set(peer, window, rows, pieces);
  }

  took(peer: number, piece: number, change: 1 | -1): void {
    const window = this.#byPeer.get(peer);
    if (window !== undefined && within(window, piece)) window.untaken -= change;
  }

  held(peer: number, piece: number, change: 1 | -1): void {
    const window = this.#byPeer.get(peer);
    if (window !== undefined && within(window, piece)) window.unheld -= change;
  }
}

function within(window: PieceWindow, piece: number): boolean {
  return piece >= window.from && piece < window.from + window.count;
}
