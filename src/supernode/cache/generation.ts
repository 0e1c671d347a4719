/** The name of a generation: what the source said of the content, or a name of its own when it said nothing. */
import { sha256Hex } from '../../io/hash.ts';
import { type ContentId, contentIdOf, type TaskId } from '../../protocol/ids.ts';
import type { Digest, SourceFacts } from '../../protocol/task.ts';
import { immutable } from './freshness.ts';

/** `unique` is used only where the source gave no validator. */
export function contentFor(
  task: TaskId,
  told: { readonly digest: Digest | undefined; readonly facts: SourceFacts; readonly length: number | null },
  unique: () => string,
): ContentId {
  const { digest, facts, length } = told;
  if (immutable(digest)) return contentIdOf(task, 'd');
  if (facts.etag === undefined && facts.lastModified === undefined) return contentIdOf(task, unique());
  const said = JSON.stringify([length, facts.etag ?? null, facts.lastModified ?? null]);
  return contentIdOf(task, sha256Hex(said).slice(0, 16));
}
