/** PURE. May a content that was read once be used now, or must the source be asked first? */
import type { FaultValue } from '../../protocol/faults.ts';
import type { Digest, SourceFacts } from '../../protocol/task.ts';

export type Freshness = 'fresh' | 'revalidate' | 'read-again';

export type FreshnessFacts = {
  /** Digest that names the task, where there is one. */
  readonly digest: Digest | undefined;
  readonly facts: SourceFacts;
  /** Milliseconds since 1970. */
  readonly checkedAt: number | undefined;
  readonly freshUntil: number | undefined;
  readonly now: number;
  /** A content that the source gave neither validator nor lifetime for counts as fresh for so long. Milliseconds. */
  readonly heuristicMs: number;
};

/** A strong digest names one content for ever. md5 and sha1 do not: other bytes with the same digest can be made. */
export function immutable(digest: Digest | undefined): boolean {
  return digest !== undefined && /^sha(256|512):/.test(digest);
}

export function freshness(known: FreshnessFacts): Freshness {
  if (immutable(known.digest)) return 'fresh';
  if (known.freshUntil !== undefined && known.now < known.freshUntil) return 'fresh';
  if (known.facts.etag !== undefined || known.facts.lastModified !== undefined) return 'revalidate';
  const said = known.freshUntil !== undefined && known.freshUntil >= (known.checkedAt ?? 0);
  if (!said && known.checkedAt !== undefined && known.now < known.checkedAt + known.heuristicMs) return 'fresh';
  return 'read-again';
}

/**
 * May a content that went stale be used because its source cannot be reached? Only for so long as the operator said
 * (RFC 5861 has the idea), and never when the source did answer: a "no" is an answer.
 */
export function usableStale(
  known: { readonly checkedAt: number | undefined; readonly freshUntil: number | undefined; readonly now: number },
  fault: FaultValue,
  staleIfErrorMs: number,
): boolean {
  if (fault.code !== 'source-unreachable' || staleIfErrorMs <= 0) return false;
  const wentStale = known.freshUntil ?? known.checkedAt;
  return wentStale !== undefined && known.now < wentStale + staleIfErrorMs;
}
