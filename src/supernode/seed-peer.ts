/**
 * The cache's own peer in one swarm, as the scheduler sees it. It joins with the first host: of a content that nobody takes from the swarm,
 * because it went inside an answer or only lies here, the scheduler never hears, and neither its memory nor its turns grow with the number of
 * these. Invariant: what the cache said before is told when it joins, what it says afterwards at once.
 */
import { Bitfield } from '../base/bitfield.ts';
import type { ContentId, HostId, PieceIndex } from '../protocol/ids.ts';
import { type ContentShape, pieceCount, pieceSpan } from '../protocol/piece.ts';
import type { SwarmLoop } from './swarm-loop.ts';

export type SeedPeerParts = {
  readonly loop: Pick<SwarmLoop, 'handle' | 'decideNow'>;
  readonly host: HostId;
  readonly content: ContentId;
};

export class SeedPeer {
  readonly #parts: SeedPeerParts;
  #shape: ContentShape;
  #joined = false;
  /** Pieces that it has had, and those of them that it has lost; until it joins. */
  #had = new Bitfield();
  readonly #lost = new Set<PieceIndex>();
  #pieces = 0;

  constructor(shape: ContentShape, parts: SeedPeerParts) {
    this.#parts = parts;
    this.#shape = shape;
  }

  /** `held`: how many pieces there are, as far as is known, while the length is not. */
  shaped(shape: ContentShape, held: number): void {
    this.#shape = shape;
    this.#pieces = shape.length === null ? Math.max(held, this.#pieces) : pieceCount(shape);
    if (this.#joined) this.#tellShape();
  }

  holds(piece: PieceIndex): void {
    const grown = this.#shape.length === null && piece >= this.#pieces;
    if (grown) this.shaped(this.#shape, piece + 1);
    if (!this.#joined) {
      if (piece >= this.#had.size) this.#had.resize(Math.max(piece + 1, 2 * this.#had.size));
      this.#had.set(piece);
      this.#lost.delete(piece);
      return;
    }
    const { loop, host, content } = this.#parts;
    loop.handle({ type: 'piece-held', host, content, piece, lease: 0, millis: 0 });
    // Until then nobody can begin; the turn may bring many more pieces.
    if (piece === 0) loop.decideNow();
  }

  lost(pieces: readonly PieceIndex[]): void {
    const { loop, host, content } = this.#parts;
    if (this.#joined) loop.handle({ type: 'pieces-lost', host, content, pieces });
    else for (const piece of pieces) if (this.#had.has(piece)) this.#lost.add(piece);
  }

  /** A host is about to join. */
  join(): void {
    if (this.#joined) return;
    this.#joined = true;
    const { loop, host, content } = this.#parts;
    this.#tellShape();
    loop.handle({ type: 'peer-joined', host, content, held: this.#had, wants: 'nothing' });
    // What it had and lost is brought again when somebody wants it.
    if (this.#lost.size > 0) loop.handle({ type: 'pieces-lost', host, content, pieces: [...this.#lost] });
    this.#had = new Bitfield();
    this.#lost.clear();
  }

  /** The swarm is over. */
  close(): void {
    const { loop, content } = this.#parts;
    if (this.#joined) loop.handle({ type: 'content-closed', content });
  }

  #tellShape(): void {
    const { loop, content } = this.#parts;
    const { pieceSize, length } = this.#shape;
    const pieces = this.#pieces;
    const final = length !== null;
    const last = final && pieces > 0 ? pieceSpan(this.#shape, pieces - 1) : { start: 0, end: pieceSize };
    const lastPieceSize = last.end - last.start;
    loop.handle({ type: 'content-shaped', content, pieceSize, pieces, lastPieceSize, final });
  }
}
