/**
 * The name of a generation: what the source said of the content, or a name of its own when it said nothing. Supernodes
 * and hosts that read the source themselves come to the same name, so that what one of them holds is of use to the other.
 */
import { type ContentId, contentIdOf, type TaskId } from '../protocol/ids.ts';
import type { Digest, SourceFacts } from '../protocol/task.ts';
import { sha256Hex } from './hash.ts';

/** A digest that cannot be forged: the bytes never change. */
const IMMUTABLE = /^sha(256|512):/;

/** `unique` (of [0-9a-z], at most 32) is used only where the source gave no validator. */
export function contentFor(
  task: TaskId,
  told: { readonly digest: Digest | undefined; readonly facts: SourceFacts; readonly length: number | null },
  unique: () => string,
): ContentId {
  const { digest, facts, length } = told;
  if (digest !== undefined && IMMUTABLE.test(digest)) return contentIdOf(task, 'd');
  if (facts.etag === undefined && facts.lastModified === undefined) return contentIdOf(task, unique());
  const said = JSON.stringify([length, facts.etag ?? null, facts.lastModified ?? null]);
  return contentIdOf(task, sha256Hex(said).slice(0, 16));
}
