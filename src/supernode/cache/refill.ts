/** Single pieces read again from the source after the last holder was lost; the manifest proves them. */
import { sameBytes, sha256 } from '../../io/hash.ts';
import { Fault } from '../../protocol/faults.ts';
import type { PieceIndex } from '../../protocol/ids.ts';
import { pieceSpan, type Span } from '../../protocol/piece.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import { likeness, strongValidator } from '../../source/validators.ts';
import type { Entry } from './entry.ts';
import type { BodyAnswer } from './fill.ts';

/**
 * Fault source-changed unless the answer may be the content that we know. Where its validators prove nothing, it must begin at
 * the first byte, or every piece of it must be proved by the manifest: then its bytes are compared with those that we know.
 */
export function requireSame(
  { facts, shape, manifest }: Pick<Entry, 'facts' | 'shape' | 'manifest'>,
  answer: BodyAnswer,
): void {
  const alike = likeness(answer.facts, facts);
  const compared = answer.start === 0 || manifest !== undefined || strongValidator(facts) !== undefined;
  const fits = shape.length === null || answer.length === null || answer.length === shape.length;
  if (fits && (alike === 'same' || (alike === 'unknown' && compared))) return;
  throw new Fault('source-changed', 'the content changed at the source while it was read');
}

/** True when the piece was read; false when it need not be, because it is here or a running fill will bring it. */
export async function refillPiece(
  entry: Entry,
  piece: PieceIndex,
  ask: (more: Partial<SourceRequest>) => Promise<SourceAnswer>,
): Promise<boolean> {
  const { stored, facts, manifest } = entry;
  if (manifest === undefined || stored.held.has(piece)) return false;
  const span = pieceSpan(stored.shape, piece);
  const answer = await ask(facts.ranges ? { range: span, ifRange: facts } : {});
  if (answer.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a plain read');
  requireSame(entry, answer);
  const data = await readSpan(answer, span);
  const digest = Buffer.from(manifest.digests, 'base64').subarray(piece * 32, piece * 32 + 32);
  if (!sameBytes(sha256(data), digest))
    throw new Fault('source-changed', `piece ${piece} is not what it was when it was read first`);
  await stored.put(piece, digest, data);
  return true;
}

async function readSpan(answer: BodyAnswer, span: Span): Promise<Buffer> {
  const data = Buffer.alloc(span.end - span.start);
  let at = answer.start;
  for await (const chunk of answer.body) {
    const from = Math.max(span.start, at);
    const to = Math.min(span.end, at + chunk.length);
    if (from < to) data.set(chunk.subarray(from - at, to - at), from - span.start);
    at += chunk.length;
    if (at >= span.end) return data;
  }
  throw new Fault('source-lied', 'the source ended before the bytes that were asked for');
}
