/**
 * The port to contents on disk. The supernode's cache and every host's agent keep their contents by it; disk-store.ts is
 * its body, memory-store.ts the twin for tests, and store.suite.ts holds what both must do.
 *
 * Invariants: a piece is held only after its bytes are written and its digest is journalled; nothing is read out of the
 * store that has not been verified in this life of the process; a data file that somebody changed from outside (size,
 * mtime, ctime or inode against the stamp) gives nothing away until it is verified again.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { ContentId, PieceIndex, TaskId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import type { Manifest, SourceFacts } from '../protocol/task.ts';
import type { Marks } from './watermarks.ts';

/** Kept beside the content; JSON. `url` has no credentials and no filtered parameters. */
export type ContentMeta = {
  readonly url: string;
  readonly facts: SourceFacts;
  readonly manifest?: Manifest;
  /** Milliseconds since 1970 of the last successful check against the source. */
  readonly checkedAt?: number;
  /** Milliseconds since 1970 until which the source said that the content is fresh. */
  readonly freshUntil?: number;
  /** Never evicted until somebody says otherwise. */
  readonly pinned?: boolean;
};

export type HandOver = 'reflink' | 'link' | 'copy';

export interface ContentStore {
  /** The content if it is here, whole or in part. */
  find(id: ContentId): StoredContent | undefined;
  list(): readonly StoredContent[];
  /** All generations of a task that are here. */
  ofTask(task: TaskId): readonly StoredContent[];
  /**
   * Finds or creates. Reserves the content's full length first, over all running contents (fs.statfs less what others
   * have reserved), evicting idle contents where that helps. Faults: no-space, local-io.
   */
  create(id: ContentId, shape: ContentShape, meta: ContentMeta): Promise<StoredContent>;
  /** Forgets and deletes; at once if idle, else when the last user releases it. */
  remove(id: ContentId): Promise<void>;
  /** One look at the marks (watermarks.ts): evicts what they say and gives its ids. `more` goes before the store's own. */
  keep(more?: Partial<Marks>): Promise<readonly ContentId[]>;
  /** The same as a content's `handOver`, for one that is in memory alone. Faults: local-io, no-space. */
  handOverBytes(bytes: Uint8Array, path: string, options: { readonly sync?: boolean }): Promise<HandOver>;
  /** Waits for what is being written, then closes every file. */
  close(): Promise<void>;
}

export interface StoredContent {
  readonly id: ContentId;
  readonly shape: ContentShape;
  readonly meta: ContentMeta;
  /** Pieces on disk. A live view; do not change it. */
  readonly held: Bitfield;
  /** Every piece of a known length is held. */
  readonly complete: boolean;
  /** Milliseconds since 1970. */
  readonly usedAt: number;

  /** The length became known. Reserves what it adds. */
  reshape(shape: ContentShape): Promise<void>;
  /** Merges into the meta and saves it in one atomic step. */
  annotate(change: Partial<ContentMeta>): Promise<void>;
  /**
   * Writes a piece that the caller has verified against `digest` (32 bytes), then journals it. Resolves when both are
   * done; `data` may be reused then. From the call on it can be read. Putting a held piece again does nothing. Faults:
   * no-space, local-io.
   */
  put(piece: PieceIndex, digest: Uint8Array, data: Uint8Array): Promise<void>;
  /** It can be read: it is held, or verified and on its way to the disk. */
  has(piece: PieceIndex): boolean;
  /** Bytes of a piece that is on its way to the disk: from memory, good until the next turn. */
  atHand(piece: PieceIndex): Uint8Array | undefined;
  /** sha256 of a piece that can be read. */
  digestOf(piece: PieceIndex): Uint8Array | undefined;
  /**
   * Reads bytes of such pieces into `into`, all of it; pieces that were found on disk at start are hashed before their
   * first byte goes out. Fault 'peer-lacks' when a piece is not here or turns out to be changed (then it is dropped
   * from `held` and onLost is told).
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Brings what is written so far to the disk itself, while more may come. Fault local-io. */
  flush(): Promise<void>;
  /** Verifies every held piece that this process has neither written nor verified; drops the bad ones. */
  verify(): Promise<void>;
  /**
   * Makes the whole content appear at `path` in one atomic step: a reflink, else a hard link, else (or with `copy`) a
   * copy; replaces a file that is there. `sync` = fdatasync before the rename. Faults: local-io, no-space, peer-lacks.
   */
  handOver(path: string, options: { readonly copy?: boolean; readonly sync?: boolean }): Promise<HandOver>;
  /** While held by a user it is never evicted. Every acquire needs one release. */
  acquire(): void;
  release(): void;
  /** Called with pieces that the content had to drop (changed from outside, or a bad sector). */
  onLost(listener: (pieces: readonly PieceIndex[]) => void): void;
}
