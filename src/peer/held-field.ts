/** What another host says that it holds: base64 of the bitfield, or `all`. */
import { Bitfield } from '../base/bitfield.ts';
import { type ContentShape, pieceCount } from '../protocol/piece.ts';

/** Undefined when it does not fit the shape: it comes from another host, which may say anything. */
export function parseHeld(text: unknown, shape: ContentShape): Bitfield | undefined {
  if (typeof text !== 'string' || shape.length === null) return undefined;
  const count = pieceCount(shape);
  if (text === 'all') return Bitfield.full(count);
  try {
    return Bitfield.fromBytes(Buffer.from(text, 'base64'), count);
  } catch {
    // A RangeError: bytes that are no bitfield of this content.
    return undefined;
  }
}
