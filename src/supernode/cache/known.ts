/** Contents that need not be read again, or not from the start: those on the cache's disk, and those that only hosts hold any more. */
import { signManifest, verifyManifest } from '../../io/hash.ts';
import { type TaskId, taskOf } from '../../protocol/ids.ts';
import { pieceCount } from '../../protocol/piece.ts';
import type { Digest, Manifest, TaskSpec } from '../../protocol/task.ts';
import type { SourceRequest } from '../../source/source.ts';
import { canResume } from '../../source/validators.ts';
import type { ContentStore, StoredContent } from '../../store/store.ts';
import { Entry } from './entry.ts';
import { immutable } from './freshness.ts';

export type KnownParts = {
  readonly store: ContentStore;
  readonly secret: Uint8Array;
  /** A manifest that some host holds for this task, if any. */
  readonly manifestFromHosts: (task: TaskId) => Promise<Manifest | undefined>;
};

/** The content on disk that was checked against its source last. */
export function knownOnDisk({ store, secret }: KnownParts, task: TaskId, spec: TaskSpec): Entry | undefined {
  const [latest] = store
    .ofTask(task)
    .filter(({ meta: { manifest } }) => manifest !== undefined && verifyManifest(secret, manifest))
    .sort((a, b) => (b.meta.checkedAt ?? 0) - (a.meta.checkedAt ?? 0));
  if (latest === undefined) return undefined;
  return new Entry({ id: latest.id, task, stored: latest, facts: latest.meta.facts, spec });
}

/** A content that only hosts hold any more: proved by our own signature, it need not be read again. */
export async function knownToHosts(parts: KnownParts, task: TaskId, spec: TaskSpec): Promise<Entry | undefined> {
  const manifest = await parts.manifestFromHosts(task);
  if (manifest === undefined || taskOf(manifest.content) !== task) return undefined;
  if (!verifyManifest(parts.secret, manifest)) return undefined;
  const { content: id, shape, facts } = manifest;
  const stored = await parts.store.create(id, shape, { url: shownUrl(spec), facts, manifest });
  return new Entry({ id, task, stored, facts, spec });
}

/** What an earlier life of this process had read of the task, and how to ask for the rest. */
export function partOnDisk(
  { store }: Pick<KnownParts, 'store'>,
  task: TaskId,
  spec: TaskSpec,
): { readonly stored: StoredContent; readonly resume: Partial<SourceRequest> } | undefined {
  for (const stored of store.ofTask(task)) {
    const { facts, manifest } = stored.meta;
    // Without a validator the digest of the whole will prove that the parts belong together.
    const provable = canResume(facts) || (facts.ranges && immutable(spec.digest));
    if (manifest !== undefined || stored.held.count === 0 || !provable) continue;
    const missing = stored.held.nextClear(0);
    if (missing <= 0 || stored.shape.length === null) continue;
    return { stored, resume: { range: { start: missing * stored.shape.pieceSize }, ifRange: facts } };
  }
  return undefined;
}

/** All pieces are held: what their digests are, signed. */
export function sealed({ secret }: Pick<KnownParts, 'secret'>, entry: Entry, digest: Digest | undefined): Manifest {
  const { stored, facts, id } = entry;
  const digests = Buffer.alloc(pieceCount(stored.shape) * 32);
  for (let piece = 0; piece * 32 < digests.length; piece++) digests.set(stored.digestOf(piece) ?? [], piece * 32);
  return signManifest(secret, {
    content: id,
    shape: stored.shape,
    facts,
    digests: digests.toString('base64'),
    ...(digest === undefined ? {} : { digest }),
  });
}

/** What may be kept and shown of a URL: no user, no password, no query. */
export function shownUrl(spec: TaskSpec): string {
  const url = URL.parse(spec.url);
  return url === null ? '' : `${url.protocol}//${url.host}${url.pathname}`;
}
