/** The port between a piece server and whatever keeps the contents. */
import type { ContentShape, Span } from '../protocol/piece.ts';

/** What the server needs of a content. */
export type Servable = {
  readonly shape: ContentShape;
  has(span: Span): boolean;
  read(offset: number, into: Uint8Array): Promise<void>;
  acquire(): void;
  release(): void;
  /** For GET …/pieces: base64 of the bitfield, or 'all'. */
  heldBase64?(): string;
  /** For GET …/pieces?vouched=N: the digests that this host knows by itself, from the Nth on. */
  vouchedSince?(from: number): { readonly vouched: string; readonly next: number };
};
