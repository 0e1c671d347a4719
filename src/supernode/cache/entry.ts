/**
 * One content that the supernode knows: being filled, complete, or broken. Who waits for more of it waits here.
 * Invariant: once `manifest` is set it never changes; `fault` and `manifest` exclude each other.
 */

import { Bitfield } from '../../base/bitfield.ts';
import { SHA256_BYTES } from '../../io/hash.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import type { Fault } from '../../protocol/faults.ts';
import type { ContentId, PieceIndex, TaskId } from '../../protocol/ids.ts';
import type { ContentShape } from '../../protocol/piece.ts';
import type { Manifest, SourceFacts, Staleness, TaskSpec } from '../../protocol/task.ts';
import type { StoredContent } from '../../store/store.ts';

export class Entry {
  readonly id: ContentId;
  readonly task: TaskId;
  readonly stored: StoredContent;
  readonly facts: SourceFacts;
  /** The last spec that the source accepted: with it pieces that were lost are read again. Holds secrets. */
  spec: TaskSpec;
  fault: Fault | undefined;
  /** Piece servers of supernodes that said that they have all of it. */
  holders: readonly ParentPlace[] = [];
  /** All of it has been told to hosts, and whether it is what the asker named is about to be known. */
  judging = false;
  /** Pieces that are being read from somewhere else than a running fill. */
  readonly reading = new Set<PieceIndex>();
  #manifest: Manifest | undefined;
  /** Digests of pieces from the first one on that are known, though the pieces may not be here. */
  #told: Uint8Array | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(told: { id: ContentId; task: TaskId; stored: StoredContent; facts: SourceFacts; spec: TaskSpec }) {
    this.id = told.id;
    this.task = told.task;
    this.stored = told.stored;
    this.facts = told.facts;
    this.spec = told.spec;
    this.manifest = told.stored.meta.manifest;
  }

  get shape(): ContentShape {
    return this.stored.shape;
  }

  get settled(): boolean {
    return this.manifest !== undefined || this.fault !== undefined;
  }

  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  set manifest(manifest: Manifest | undefined) {
    this.#manifest = manifest;
    this.#told = undefined;
  }

  /** What another supernode had found out of it before it went away: the digests of its first pieces. */
  learn(digests: Uint8Array): void {
    this.#told = digests;
  }

  /** What the piece must be; undefined while nobody knows. */
  digestOf(piece: PieceIndex): Uint8Array | undefined {
    const own = this.stored.digestOf(piece);
    if (own !== undefined) return own;
    if (this.#manifest !== undefined) this.#told ??= Buffer.from(this.#manifest.digests, 'base64');
    const told = this.#told?.subarray(piece * SHA256_BYTES, (piece + 1) * SHA256_BYTES);
    return told?.length === SHA256_BYTES ? told : undefined;
  }

  /** Of what a host says to hold, the pieces that another host could check. */
  provable(held: Bitfield): Bitfield {
    if (this.#manifest !== undefined) return held;
    const provable = new Bitfield(held.size);
    for (const piece of held) if (this.digestOf(piece) !== undefined) provable.set(piece);
    return provable;
  }

  /** Resolves when it is complete or broken. */
  whenSettled(): Promise<void> {
    if (this.settled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  settle(outcome: { readonly manifest: Manifest } | { readonly fault: Fault }): void {
    if ('manifest' in outcome) this.manifest = outcome.manifest;
    else this.fault = outcome.fault;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** What an asker gets; `stale` when the source could not be asked whether it is still right. */
export type Opened = { readonly entry: Entry; readonly stale?: Staleness };
