/**
 * What supernodes of one cluster tell each other of a content, so that the one which comes after need not read the source
 * again: its shape and facts, the digests of its first pieces while it is being read, its manifest when it is complete.
 * Invariant: whoever keeps it is believed in nothing. Each record is signed with the cluster's secret for its task.
 */
import { SHA256_BYTES, signText, verifyManifest, verifyText } from '../../io/hash.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import { amount, base64, fields, list, text, whole } from '../../protocol/check.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseContentId, type TaskId, taskOf } from '../../protocol/ids.ts';
import { type ContentShape, parseShape, pieceCount } from '../../protocol/piece.ts';
import { checkFacts, checkManifest } from '../../protocol/shapes.ts';
import type { Manifest, SourceFacts } from '../../protocol/task.ts';
import type { ContentMeta } from '../../store/store.ts';

export type SharedContent = {
  readonly content: Manifest['content'];
  /** The length is known. */
  readonly shape: ContentShape;
  readonly facts: SourceFacts;
  /** As of the store: when the source said so last, and how long it holds. */
  readonly life: Pick<ContentMeta, 'checkedAt' | 'freshUntil'>;
  /** Of the pieces from the first one on; of all when there is a manifest. */
  readonly digests: Uint8Array;
  readonly manifest?: Manifest;
  /** Piece servers of supernodes that had all of it when this was said. */
  readonly holders: readonly ParentPlace[];
};

/** Every call may take its time or come to nothing without harm: none of them rejects. */
export interface SharedState {
  find(task: TaskId): Promise<SharedContent | undefined>;
  put(shared: SharedContent): Promise<void>;
  /** The operator wants the task's content gone. */
  forget(task: TaskId): Promise<void>;
}

/** Longer records are neither written nor read. 8 MiB of digests are a quarter of a million pieces, as base64. */
export const MAX_RECORD_CHARS = 12 * 1024 * 1024;
/** Supernodes that are named as having it; the last one first. */
export const MAX_HOLDERS = 4;
const MAX_DIGEST_CHARS = 12 * 1024 * 1024;
const PURPOSE = 'dragonfly-shared-1';

export function printShared(secret: Uint8Array, shared: SharedContent): string {
  const { digests, manifest, holders, ...rest } = shared;
  const proof = manifest === undefined ? { digests: Buffer.from(digests).toString('base64') } : { manifest };
  const said = JSON.stringify({ ...rest, ...proof, holders: holders.map(({ ip, port }) => ({ ip, port })) });
  return JSON.stringify({ signature: signText(secret, PURPOSE, said), said });
}

/** Undefined unless one of us said it, of this task. */
export function parseShared(secret: Uint8Array, task: TaskId, record: string): SharedContent | undefined {
  if (record.length > MAX_RECORD_CHARS) return undefined;
  try {
    const { signature, said } = fields(JSON.parse(record), 'record');
    const words = text(said, 'said', MAX_RECORD_CHARS);
    if (!verifyText(secret, PURPOSE, words, text(signature, 'signature', 256))) return undefined;
    const shared = sharedOf(fields(JSON.parse(words), 'said'));
    if (taskOf(shared.content) !== task) return undefined;
    return shared.manifest === undefined || verifyManifest(secret, shared.manifest) ? shared : undefined;
  } catch {
    return undefined; // Not JSON, or of a version that says it otherwise.
  }
}

function sharedOf(said: Record<string, unknown>): SharedContent {
  const content = parseContentId(text(said.content, 'content', 97));
  const shape = parseShape(said.shape);
  if (content === undefined || shape === undefined || shape.length === null) throw wrong('its shape');
  checkFacts(said.facts);
  const life = fields(said.life, 'life');
  for (const at of [life.checkedAt, life.freshUntil]) if (at !== undefined) amount(at, 'life');
  if (said.manifest !== undefined) checkManifest(said.manifest);
  const manifest = said.manifest as Manifest | undefined;
  if (manifest !== undefined && manifest.content !== content) throw wrong('its manifest');
  const digests = Buffer.from(base64(manifest?.digests ?? said.digests, 'digests', MAX_DIGEST_CHARS), 'base64');
  const pieces = digests.length / SHA256_BYTES;
  const all = pieceCount(shape);
  if (!Number.isInteger(pieces) || pieces > all || (manifest !== undefined && pieces !== all))
    throw wrong('its digests');
  const holders = list(said.holders, 'holders', MAX_HOLDERS).map((value) => {
    const { ip, port } = fields(value, 'holder');
    return { ip: text(ip, 'ip', 255), port: whole(port, 'port', 65_535) };
  });
  return {
    content,
    shape,
    facts: said.facts as SourceFacts,
    life,
    digests,
    ...(manifest === undefined ? {} : { manifest }),
    holders,
  };
}

function wrong(what: string): Fault {
  return new Fault('bad-message', `a record of which ${what} cannot be`);
}
