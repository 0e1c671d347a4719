/**
 * A content so small that it came inside the supernode's answer: it lives in memory and never costs a file in the store.
 * It stands in for a stored content everywhere. Invariant: all of it is here from the start.
 */
import { Bitfield } from '../base/bitfield.ts';
import { sha256 } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, PieceIndex } from '../protocol/ids.ts';
import { type ContentShape, pieceCount } from '../protocol/piece.ts';
import type { ContentMeta, ContentStore, HandOver, StoredContent } from '../store/store.ts';

export type InlineParts = {
  readonly id: ContentId;
  readonly shape: ContentShape;
  readonly meta: ContentMeta;
  readonly bytes: Uint8Array;
};

export class InlineContent implements StoredContent {
  readonly id: ContentId;
  readonly shape: ContentShape;
  readonly held: Bitfield;
  readonly complete = true;
  readonly usedAt: number;
  readonly #bytes: Uint8Array;
  readonly #store: Pick<ContentStore, 'handOverBytes'>;
  #meta: ContentMeta;

  /** Fault bad-message when the bytes are not as many as the shape says. */
  constructor(store: Pick<ContentStore, 'handOverBytes'>, { id, shape, meta, bytes }: InlineParts) {
    if (shape.length !== bytes.length) throw new Fault('bad-message', 'an inline content of another length than said');
    this.id = id;
    this.shape = shape;
    this.held = Bitfield.full(pieceCount(shape));
    this.usedAt = meta.checkedAt ?? 0;
    this.#meta = meta;
    this.#bytes = bytes;
    this.#store = store;
  }

  get meta(): ContentMeta {
    return this.#meta;
  }

  async reshape(): Promise<void> {}

  async annotate(change: Partial<ContentMeta>): Promise<void> {
    this.#meta = { ...this.#meta, ...change };
  }

  async put(): Promise<void> {}

  has(piece: PieceIndex): boolean {
    return this.held.has(piece);
  }

  atHand(): undefined {
    return undefined;
  }

  digestOf(piece: PieceIndex): Uint8Array | undefined {
    if (!this.held.has(piece)) return undefined;
    const start = piece * this.shape.pieceSize;
    return sha256(this.#bytes.subarray(start, start + this.shape.pieceSize));
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.#bytes.length) throw new Fault('peer-lacks', 'beyond the end of the content');
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  async flush(): Promise<void> {}

  async verify(): Promise<void> {}

  handOver(path: string, options: { readonly sync?: boolean }): Promise<HandOver> {
    return this.#store.handOverBytes(this.#bytes, path, options);
  }

  acquire(): void {}
  release(): void {}
  onLost(): void {}
}
