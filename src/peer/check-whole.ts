/**
 * The last check of a download: what lay on disk from an earlier life is hashed, then the user's digest is compared over
 * the whole. A digest that was found right stays right for as long as the store vouches for the content.
 */
import type { BufferPool } from '../io/buffers.ts';
import { Fault } from '../protocol/faults.ts';
import type { Digest } from '../protocol/task.ts';
import type { StoredContent } from '../store/store.ts';
import { WholeDigest } from './whole-digest.ts';

export class CheckedDigests {
  readonly #right = new WeakMap<StoredContent, Set<Digest>>();

  has(content: StoredContent, digest: Digest): boolean {
    return this.#right.get(content)?.has(digest) === true;
  }

  add(content: StoredContent, digest: Digest): void {
    const digests = this.#right.get(content);
    if (digests === undefined) this.#right.set(content, new Set([digest]));
    else digests.add(digest);
  }

  /** Pieces were lost: what comes in their place has to be checked anew. */
  forget(content: StoredContent): void {
    this.#right.delete(content);
  }
}

export type WholeCheck = {
  readonly content: StoredContent;
  readonly digest: Digest | undefined;
  /** What was hashed on the way, if anything. */
  readonly hashed: WholeDigest | undefined;
  readonly pool: BufferPool;
  readonly checked: CheckedDigests;
};

/**
 * True when the content is right, false when pieces were lost while it was checked (the store has told which). Faults:
 * digest-mismatch, local-io.
 */
export async function checkWhole({ content, digest, hashed, pool, checked }: WholeCheck): Promise<boolean> {
  await content.verify();
  if (!content.complete) return false;
  if (digest === undefined || checked.has(content, digest)) return true;
  let found: Digest;
  try {
    found = await (hashed ?? new WholeDigest(content, digest, pool)).finish();
  } catch (error) {
    if (error instanceof Fault && error.code === 'peer-lacks' && !content.complete) return false;
    throw error;
  }
  if (found !== digest.toLowerCase()) {
    throw new Fault('digest-mismatch', `the content's digest is ${found}, not ${digest}`);
  }
  checked.add(content, digest);
  return true;
}
