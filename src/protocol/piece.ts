/**
 * The piece layout of a content: which bytes are piece i. Many small pieces make a distribution fast (the makespan of N
 * equal hosts is at best (M + log2 N)/M of the wire time for M pieces), few large ones make it cheap; about 512 pieces
 * per content is where both are good (docs/scheduling.md).
 */

export const MIN_PIECE_BYTES = 128 * 1024;
export const MAX_PIECE_BYTES = 16 * 1024 * 1024;
export const PIECES_PER_CONTENT = 512;
/** A content whose length nobody knows: small enough for a short one, not too many for a long one. */
export const UNKNOWN_LENGTH_PIECE_BYTES = 1024 * 1024;

/** `length` is null while the source has not told it. Equal pieces of `pieceSize` bytes, the last one may be shorter. */
export type ContentShape = { readonly length: number | null; readonly pieceSize: number };

/** Bytes `start` to `end`, the end exclusive. */
export type Span = { readonly start: number; readonly end: number };

export function pieceSizeFor(length: number | null): number {
  if (length === null) return UNKNOWN_LENGTH_PIECE_BYTES;
  let size = MIN_PIECE_BYTES;
  while (size < MAX_PIECE_BYTES && size * PIECES_PER_CONTENT < length) size *= 2;
  return size;
}

/** Number of pieces; an empty content has none. Throws RangeError while the length is unknown. */
export function pieceCount(shape: ContentShape): number {
  if (shape.length === null) throw new RangeError('piece count of a content of unknown length');
  return Math.ceil(shape.length / shape.pieceSize);
}

export function pieceSpan(shape: ContentShape, piece: number): Span {
  const start = piece * shape.pieceSize;
  const end = shape.length === null ? start + shape.pieceSize : Math.min(start + shape.pieceSize, shape.length);
  if (!(Number.isInteger(piece) && piece >= 0 && start < end)) throw new RangeError(`piece ${piece}`);
  return { start, end };
}

export function pieceBytes(shape: ContentShape, piece: number): number {
  const { start, end } = pieceSpan(shape, piece);
  return end - start;
}

/** The pieces that a span of bytes touches: first and last index, both inclusive. */
export function piecesOf(shape: ContentShape, span: Span): { first: number; last: number } {
  return { first: Math.floor(span.start / shape.pieceSize), last: Math.floor((span.end - 1) / shape.pieceSize) };
}

/** A shape that came over the wire or from disk: undefined when it is not one of ours. */
export function parseShape(value: unknown): ContentShape | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { length, pieceSize } = value as Record<string, unknown>;
  if (typeof pieceSize !== 'number' || !Number.isInteger(Math.log2(pieceSize))) return undefined;
  if (pieceSize < MIN_PIECE_BYTES || pieceSize > MAX_PIECE_BYTES) return undefined;
  if (length === null) return { length, pieceSize };
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) return undefined;
  return { length, pieceSize };
}
