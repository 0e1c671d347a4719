/**
 * The pieces' side of a swarm. copies(piece) = serving peers other than seeds that hold it or are getting it, which makes
 * the rarity order; holders(piece) = all serving peers that hold it. Swarm is the only writer.
 */
import type { Millis } from '../base/clock.ts';
import { RarityOrder } from './rarity.ts';

export class Copies {
  readonly rarity = new RarityOrder();
  /** Pieces that somebody held and nobody holds now; true = already told. */
  readonly orphans = new Map<number, boolean>();
  #holders = new Uint32Array(0);
  /** When the seed last gave a piece that no host had. */
  #seededAt = new Float64Array(0);

  get bytes(): number {
    return this.#holders.length * 32;
  }

  holders(piece: number): number {
    return this.#holders[piece] ?? 0;
  }

  seededAt(piece: number): Millis {
    return this.#seededAt[piece] ?? Number.POSITIVE_INFINITY;
  }

  seeded(piece: number, now: Millis): void {
    this.#seededAt[piece] = now;
  }

  grow(pieces: number): void {
    const holders = new Uint32Array(pieces);
    holders.set(this.#holders);
    this.#holders = holders;
    const seededAt = new Float64Array(pieces).fill(Number.POSITIVE_INFINITY);
    seededAt.set(this.#seededAt);
    this.#seededAt = seededAt;
    this.rarity.grow(pieces);
  }

  addHolder(piece: number): void {
    const holders = this.#holders[piece] ?? 0;
    if (holders === 0) this.orphans.delete(piece);
    this.#holders[piece] = holders + 1;
  }

  removeHolder(piece: number): void {
    const holders = (this.#holders[piece] ?? 0) - 1;
    this.#holders[piece] = holders;
    if (holders === 0) this.orphans.set(piece, false);
  }
}
