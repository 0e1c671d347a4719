/** Contents for tests: their bytes follow from a number. */
import { sha256, sha256Hex } from '../io/hash.ts';
import { type ContentId, contentIdOf, parseTaskId } from '../protocol/ids.ts';
import { type ContentShape, MIN_PIECE_BYTES, pieceCount, pieceSpan } from '../protocol/piece.ts';
import type { ContentMeta, StoredContent } from './store.ts';

export const PIECE = MIN_PIECE_BYTES;
export const META: ContentMeta = { url: 'http://source.example/file', facts: { ranges: true } };

export function idOf(name: string | number): ContentId {
  const task = parseTaskId(sha256Hex(`task ${name}`));
  if (task === undefined) throw new Error('no task id');
  return contentIdOf(task, '1');
}

/** Bytes that differ from place to place and from seed to seed. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at + 4 <= length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeUInt32LE(state >>> 0, at);
  }
  for (let at = length & ~3; at < length; at++) bytes[at] = (seed + at) & 255;
  return bytes;
}

export function shapeOf(length: number | null): ContentShape {
  return { length, pieceSize: PIECE };
}

export async function putPiece(content: StoredContent, bytes: Uint8Array, piece: number): Promise<void> {
  const shape = { length: bytes.length, pieceSize: content.shape.pieceSize };
  const { start, end } = pieceSpan(shape, piece);
  const data = bytes.subarray(start, end);
  await content.put(piece, sha256(data), data);
}

export async function putAll(content: StoredContent, bytes: Uint8Array): Promise<void> {
  const count = pieceCount({ length: bytes.length, pieceSize: content.shape.pieceSize });
  for (let piece = 0; piece < count; piece++) await putPiece(content, bytes, piece);
}

export async function readAll(content: StoredContent, length: number): Promise<Buffer> {
  const into = Buffer.alloc(length);
  await content.read(0, into);
  return into;
}

/** The same bytes but for one. */
export function withChange(bytes: Uint8Array, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 255;
  return changed;
}
