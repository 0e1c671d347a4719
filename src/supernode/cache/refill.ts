/** Single pieces read again from the source after the last holder was lost; the manifest proves them. */
import { sameBytes, sha256 } from '../../io/hash.ts';
import { Fault } from '../../protocol/faults.ts';
import type { PieceIndex } from '../../protocol/ids.ts';
import { type ContentShape, pieceSpan, type Span } from '../../protocol/piece.ts';
import type { SourceFacts } from '../../protocol/task.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import type { Entry } from './entry.ts';
import type { BodyAnswer } from './fill.ts';

/** Fault source-changed unless the answer speaks of the content that we know. */
export function requireSame(facts: SourceFacts, shape: ContentShape, answer: BodyAnswer): void {
  const same = answer.facts.etag === facts.etag && answer.facts.lastModified === facts.lastModified;
  if (same && (shape.length === null || answer.length === null || answer.length === shape.length)) return;
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
  requireSame(facts, stored.shape, answer);
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
