/**
 * Who is in the swarm of one content. Invariant: while somebody downloads it, the cache's content is in use, so that no
 * eviction takes the seed away under a download; a record's own list of swarms says the same as this one.
 */
import type { PieceIndex } from '../protocol/ids.ts';
import { pieceSpan } from '../protocol/piece.ts';
import type { Entry } from './cache/entry.ts';
import type { HostRecord } from './hosts.ts';
import type { PieceProof } from './piece-checks.ts';
import type { SeedPeer } from './seed-peer.ts';

export class Swarm {
  /** Milliseconds of the monotonic clock. */
  usedAt: number;
  /** Not the task's content any more: it ends with its last download. */
  retired = false;
  readonly seed: SeedPeer;
  readonly #hosts = new Set<HostRecord>();
  #entry: Entry;
  #downloads = 0;

  constructor(entry: Entry, seed: SeedPeer, now: number) {
    this.#entry = entry;
    this.seed = seed;
    this.usedAt = now;
  }

  get entry(): Entry {
    return this.#entry;
  }

  /** The same content was opened anew. */
  renew(entry: Entry): void {
    const before = this.#entry;
    this.#entry = entry;
    this.retired = false;
    if (this.#downloads === 0 || before.stored === entry.stored) return;
    entry.stored.acquire();
    before.stored.release();
  }

  get hosts(): ReadonlySet<HostRecord> {
    return this.#hosts;
  }

  /** What a piece must be, as soon as it was read or the manifest is known. */
  digestOf(piece: PieceIndex): Uint8Array | undefined {
    const { stored, manifest } = this.#entry;
    const digest = stored.digestOf(piece);
    if (digest !== undefined || manifest === undefined) return digest;
    return Buffer.from(manifest.digests, 'base64').subarray(piece * 32, piece * 32 + 32);
  }

  /** base64 sha256 of a piece that was read here, for children that have no manifest. */
  readonly digestText = (piece: PieceIndex): string | undefined => {
    const digest = this.#entry.digestOf(piece);
    return digest === undefined ? undefined : Buffer.from(digest).toString('base64');
  };

  /** Digest and place of a piece. */
  proofOf(piece: PieceIndex): PieceProof | undefined {
    const digest = this.digestOf(piece);
    return digest === undefined ? undefined : { digest, span: pieceSpan(this.#entry.shape, piece) };
  }

  /** Somebody downloads it. */
  get wanted(): boolean {
    return this.#downloads > 0;
  }

  /** `wants` = it downloads; else it only holds. */
  enter(record: HostRecord, wants: boolean): void {
    const before = record.swarms.get(this.entry.id) === true;
    this.#hosts.add(record);
    record.swarms.set(this.entry.id, wants);
    if (wants && !before) this.#begin();
    if (!wants && before) this.#end();
    if (!wants) record.gives.delete(this.entry.id);
  }

  /** It is not here any more, neither as a child nor as a parent. */
  leave(record: HostRecord): void {
    if (!this.#hosts.delete(record)) return;
    const wanted = record.swarms.get(this.entry.id) === true;
    record.swarms.delete(this.entry.id);
    record.manifests.delete(this.entry.id);
    record.gives.delete(this.entry.id);
    if (wanted) this.#end();
  }

  #begin(): void {
    if (this.#downloads++ === 0) this.entry.stored.acquire();
  }

  #end(): void {
    if (--this.#downloads === 0) this.entry.stored.release();
  }
}
