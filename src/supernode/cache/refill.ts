/**
 * Pieces read again from the source because nobody else has them any more. What they must be is known: by the manifest, or by
 * what was said of a content before its supernode went away.
 */
import { Fault } from '../../protocol/faults.ts';
import type { Span } from '../../protocol/piece.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import { likeness, strongValidator } from '../../source/validators.ts';
import type { ContentTier } from '../cluster/content-tier.ts';
import type { Entry } from './entry.ts';
import type { BodyAnswer } from './fill.ts';

const READ_BYTES = 8 * 1024 * 1024;
const READ_LANES = 4;
/** Each read of a source without ranges is one from its first byte. */
const RANGELESS_READ_BYTES = 32 * 1024 * 1024;

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

/** The source as the last of the tiers, by few and large reads. One without ranges is read from its beginning, so as much of it as goes at once. */
export function sourceTier(
  ask: (spec: TaskSpec, more: Partial<SourceRequest>) => Promise<SourceAnswer>,
  ranges: boolean,
): ContentTier {
  return {
    name: 'source',
    readBytes: ranges ? READ_BYTES : RANGELESS_READ_BYTES,
    lanes: ranges ? READ_LANES : 1,
    async read(entry, span, into, { arrived }) {
      const { facts, spec } = entry;
      const answer = await ask(spec, facts.ranges ? { range: span, ifRange: facts } : {});
      if (answer.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a plain read');
      try {
        requireSame(entry, answer);
        await readSpan(answer, { span, into, arrived });
      } finally {
        answer.body.close();
      }
    },
  };
}

async function readSpan(
  answer: BodyAnswer,
  {
    span,
    into,
    arrived,
  }: { readonly span: Span; readonly into: Uint8Array; readonly arrived: (bytes: number) => void },
): Promise<void> {
  let at = answer.start;
  for await (const chunk of answer.body) {
    const from = Math.max(span.start, at);
    const to = Math.min(span.end, at + chunk.length);
    if (from < to) into.set(chunk.subarray(from - at, to - at), from - span.start);
    at += chunk.length;
    if (at > span.start) arrived(Math.min(at, span.end) - span.start);
    if (at >= span.end) return;
  }
  throw new Fault('source-lied', 'the source ended before the bytes that were asked for');
}
