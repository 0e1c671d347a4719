/**
 * PURE. Whether two answers of a source speak of the same bytes. The invariant that hangs on it: pieces of two generations never
 * meet in one file. A weak ETag promises the same meaning, not the same bytes, so it proves nothing here.
 */
import type { SourceFacts } from '../protocol/task.ts';

export type Likeness = 'same' | 'other' | 'unknown';

/** What may stand in If-Range, and proves that a later answer is the same content. */
export function strongValidator(facts: SourceFacts): string | undefined {
  if (facts.etag === undefined) return facts.lastModified;
  return weak(facts.etag) ? undefined : facts.etag;
}

/** A read that broke off can go on at the next byte, because the source will say if the content is another one by then. */
export function canResume(facts: SourceFacts): boolean {
  return facts.ranges && strongValidator(facts) !== undefined;
}

export function likeness(now: SourceFacts, before: SourceFacts): Likeness {
  if (now.etag !== undefined && before.etag !== undefined) {
    if (now.etag !== before.etag) return 'other';
    return weak(now.etag) ? 'unknown' : 'same';
  }
  // A part may leave out what If-Range was asked with; one that has neither has said nothing.
  if (now.lastModified === undefined || before.lastModified === undefined) return 'unknown';
  return now.lastModified === before.lastModified ? 'same' : 'other';
}

function weak(etag: string): boolean {
  return etag.startsWith('W/');
}
