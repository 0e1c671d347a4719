/**
 * Contents that need not be read again, or not from the start: those on the cache's disk, those that another supernode has
 * told of, those that only hosts or the store behind hold any more.
 */
import { SHA256_BYTES, signManifest, verifyManifest } from '../../io/hash.ts';
import { Fault } from '../../protocol/faults.ts';
import { type ContentId, type TaskId, taskOf } from '../../protocol/ids.ts';
import { type ContentShape, pieceCount } from '../../protocol/piece.ts';
import type { Digest, Manifest, SourceFacts, TaskSpec } from '../../protocol/task.ts';
import type { SourceRequest } from '../../source/source.ts';
import { canResume } from '../../source/validators.ts';
import type { ContentStore } from '../../store/store.ts';
import type { SharedContent, SharedState } from '../cluster/shared-state.ts';
import { Entry } from './entry.ts';
import { immutable } from './freshness.ts';

export type KnownParts = {
  readonly store: ContentStore;
  readonly secret: Uint8Array;
  /** A manifest that some host holds for this task, if any. `begun` is what is here of it without one. */
  readonly manifestFromHosts: (task: TaskId, begun?: ContentId) => Promise<Manifest | undefined>;
  /** What other supernodes have told of a task. */
  readonly shared: Pick<SharedState, 'find' | 'forget'>;
  /** What lies in the store behind all of them; asked when nobody else knows anything. */
  readonly behind: Pick<SharedState, 'find' | 'forget'>;
};

/** What was read of a content before, and how to ask for the rest. */
export type Part = {
  readonly id: ContentId;
  readonly shape: ContentShape;
  readonly facts: SourceFacts;
  /** The first byte to ask for. */
  readonly start: number;
  readonly resume: Partial<SourceRequest>;
  /** Of its first pieces, where another supernode had read them. */
  readonly digests?: Uint8Array;
};

export type Found = {
  /** With a manifest. */
  readonly known?: Entry | undefined;
  /** Without one: some of it was read. It is newer than what has a manifest. */
  readonly part?: Part | undefined;
};

/** `here` is what this supernode itself has; `fresh` tells whether it may be used as it is. */
export async function findKnown(
  parts: KnownParts,
  { task, spec, here }: { readonly task: TaskId; readonly spec: TaskSpec; readonly here: Entry | undefined },
  fresh: (entry: Entry) => boolean,
): Promise<Found> {
  if (here !== undefined && fresh(here)) return { known: here };
  const shared = await parts.shared.find(task);
  if (shared !== undefined && newer(shared, here)) {
    if (shared.manifest !== undefined) return { known: await entryOf(parts, spec, shared) };
    const begun = begunElsewhere(shared);
    // What hosts say of it may be newer still: they heard of its end.
    const manifest = here === undefined ? await parts.manifestFromHosts(task) : undefined;
    if (begun !== undefined && manifest?.content !== shared.content)
      return { part: longer(begun, partOnDisk(parts, task, spec)) };
  }
  if (here !== undefined) return { known: here };
  const begun = partOnDisk(parts, task, spec);
  const known = (await knownToHosts(parts, { task, spec, begun })) ?? (await knownBehind(parts, task, spec));
  return { known, part: known === undefined ? begun : undefined };
}

/** The content on disk that was checked against its source last. */
export function knownOnDisk(
  { store, secret }: Pick<KnownParts, 'store' | 'secret'>,
  task: TaskId,
  spec: TaskSpec,
): Entry | undefined {
  const [latest] = store
    .ofTask(task)
    .filter(({ meta: { manifest } }) => manifest !== undefined && verifyManifest(secret, manifest))
    .sort((a, b) => (b.meta.checkedAt ?? 0) - (a.meta.checkedAt ?? 0));
  if (latest === undefined) return undefined;
  return new Entry({ id: latest.id, task, stored: latest, facts: latest.meta.facts, spec });
}

/** A content that only hosts hold any more: proved by our own signature, it need not be read again. */
async function knownToHosts(
  parts: KnownParts,
  { task, spec, begun }: { readonly task: TaskId; readonly spec: TaskSpec; readonly begun: Part | undefined },
): Promise<Entry | undefined> {
  const manifest = await parts.manifestFromHosts(task, begun?.id);
  if (manifest === undefined || taskOf(manifest.content) !== task) return undefined;
  if (!verifyManifest(parts.secret, manifest)) return undefined;
  const { content, shape, facts } = manifest;
  return entryOf(parts, spec, { content, shape, facts, life: {}, manifest, holders: [] });
}

/**
 * The manifest of a content that is being read here, where others have come to its end meanwhile: this supernode stood still or the source was in
 * trouble, and who asked elsewhere was served there.
 */
export async function endElsewhere(
  { shared, secret, manifestFromHosts }: Pick<KnownParts, 'shared' | 'secret' | 'manifestFromHosts'>,
  { id, task }: Pick<Entry, 'id' | 'task'>,
): Promise<Manifest | undefined> {
  const told = await shared.find(task);
  const manifest = told?.content === id && told.manifest ? told.manifest : await manifestFromHosts(task, id);
  return manifest?.content === id && verifyManifest(secret, manifest) ? manifest : undefined;
}

async function knownBehind(parts: KnownParts, task: TaskId, spec: TaskSpec): Promise<Entry | undefined> {
  const shared = await parts.behind.find(task);
  return shared?.manifest === undefined ? undefined : entryOf(parts, spec, shared);
}

function newer({ content, life }: SharedContent, here: Entry | undefined): boolean {
  return here === undefined || (content !== here.id && (life.checkedAt ?? 0) > (here.stored.meta.checkedAt ?? 0));
}

async function entryOf(
  { store }: Pick<KnownParts, 'store'>,
  spec: TaskSpec,
  { content: id, shape, facts, life, manifest, holders }: Omit<SharedContent, 'digests'>,
): Promise<Entry> {
  const meta = { facts, ...life, ...(manifest === undefined ? {} : { manifest }) };
  const stored = await store.create(id, shape, { url: shownUrl(spec), ...meta });
  // It may have been here before, without its end; an entry without a manifest would wait for a fill that nobody runs.
  await stored.annotate(meta);
  const entry = new Entry({ id, task: taskOf(id), stored, facts, spec });
  entry.holders = holders;
  return entry;
}

/** Only where a validator guards the rest: what hosts hold beyond the digests that were told must be the same content. */
function begunElsewhere({ content: id, shape, facts, digests }: SharedContent): Part | undefined {
  // The last piece is read in any case, so that the source says whether it is still this content.
  const pieces = Math.min(digests.length / SHA256_BYTES, pieceCount(shape) - 1);
  if (pieces < 1 || !canResume(facts)) return undefined;
  const start = pieces * shape.pieceSize;
  return { id, shape, facts, start, digests, resume: { range: { start }, ifRange: facts } };
}

/** What an earlier life of this process had read of the task. */
function partOnDisk({ store }: Pick<KnownParts, 'store'>, task: TaskId, spec: TaskSpec): Part | undefined {
  for (const { id, shape, held, meta } of store.ofTask(task)) {
    const { facts, manifest } = meta;
    // Without a validator the digest of the whole will prove that the parts belong together.
    const provable = canResume(facts) || (facts.ranges && immutable(spec.digest));
    if (manifest !== undefined || held.count === 0 || !provable) continue;
    if (shape.length === null) continue;
    // Where only the end was not sealed any more, the last piece is read so that the source says whether it is still this content.
    const missing = held.full ? pieceCount(shape) - 1 : held.nextClear(0);
    if (missing <= 0) continue;
    const start = missing * shape.pieceSize;
    return { id, shape, facts, start, resume: { range: { start }, ifRange: facts } };
  }
  return undefined;
}

/** A supernode that comes back may have more of it than it had told. */
function longer(begun: Part, own: Part | undefined): Part {
  return own?.id === begun.id && own.start >= begun.start ? own : begun;
}

/** All pieces are known: what their digests are, signed. Fault local-io when one of them has just turned out not to be kept. */
export function sealed({ secret }: Pick<KnownParts, 'secret'>, entry: Entry, digest: Digest | undefined): Manifest {
  const { stored, facts, id } = entry;
  const digests = Buffer.alloc(pieceCount(stored.shape) * 32);
  for (let piece = 0; piece * 32 < digests.length; piece++) {
    const known = stored.digestOf(piece);
    if (known === undefined) throw new Fault('local-io', `piece ${piece} of ${id} could not be kept; see the log`);
    digests.set(known, piece * 32);
  }
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
