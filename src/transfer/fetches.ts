/**
 * The attempts of one transfer: those that run and those that wait for their turn, in the order they were assigned.
 * Invariant: an attempt ends exactly once, and with it its lease. A lease belongs to the session that gave it: when the
 * session is lost the attempts go on, but their leases are void.
 */
import type { ParentAddress } from '../protocol/host.ts';
import type { LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { Proof } from './claims.ts';
import type { AttemptId } from './events.ts';

export type Attempt = {
  readonly id: AttemptId;
  readonly piece: PieceIndex;
  readonly parent: ParentAddress;
  readonly digest: string | undefined;
  /** The digest is what other hosts say. */
  readonly hearsay: boolean;
  /** Who gave the lease wants to hear when most of it is here. */
  near: boolean;
  /** 0 = none, or void. */
  lease: LeaseId;
  running: boolean;
};

export class Fetches {
  readonly #attempts = new Map<AttemptId, Attempt>();
  readonly #byLease = new Map<LeaseId, Attempt>();
  readonly #waiting = new Set<AttemptId>();
  /**
   * Pieces on their way without a lease (assigned by a session that is lost, or taken on our own account), and who
   * waits for their outcome: a new session assigns such a piece again, and its bytes shall not come twice.
   */
  readonly #unleased = new Map<PieceIndex, Set<AttemptId>>();
  readonly #parked = new Map<PieceIndex, AttemptId[]>();
  #last: AttemptId = 0;
  #running = 0;

  /** Attempts that run or wait. */
  get size(): number {
    return this.#attempts.size;
  }

  get running(): number {
    return this.#running;
  }

  add(piece: PieceIndex, parent: ParentAddress, lease: LeaseId, proof?: Proof): Attempt {
    const { digest, hearsay = false } = proof ?? {};
    const attempt: Attempt = { id: ++this.#last, piece, parent, digest, hearsay, near: false, lease, running: false };
    this.#attempts.set(attempt.id, attempt);
    const parked = this.#unleased.has(piece) && lease !== 0;
    if (lease === 0) this.#markUnleased(attempt);
    else this.#byLease.set(lease, attempt);
    if (parked) this.#parked.set(piece, [...(this.#parked.get(piece) ?? []), attempt.id]);
    else this.#waiting.add(attempt.id);
    return attempt;
  }

  /** The next attempt that waits; it runs from now on. */
  next(limit: number): Attempt | undefined {
    if (this.#running >= limit) return undefined;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      const attempt = this.#attempts.get(id);
      if (attempt === undefined) continue;
      attempt.running = true;
      this.#running++;
      return attempt;
    }
    return undefined;
  }

  get(id: AttemptId): Attempt | undefined {
    return this.#attempts.get(id);
  }

  byLease(lease: LeaseId): Attempt | undefined {
    return this.#byLease.get(lease);
  }

  end(id: AttemptId): Attempt | undefined {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return undefined;
    this.#attempts.delete(id);
    this.#waiting.delete(id);
    if (attempt.lease !== 0) this.#byLease.delete(attempt.lease);
    if (attempt.running) this.#running--;
    this.#unpark(attempt);
    return attempt;
  }

  voidLeases(): void {
    for (const attempt of this.#byLease.values()) {
      attempt.lease = 0;
      this.#markUnleased(attempt);
    }
    this.#byLease.clear();
  }

  all(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  #markUnleased(attempt: Attempt): void {
    const ids = this.#unleased.get(attempt.piece);
    if (ids === undefined) this.#unleased.set(attempt.piece, new Set([attempt.id]));
    else ids.add(attempt.id);
  }

  #unpark(ended: Attempt): void {
    const ids = this.#unleased.get(ended.piece);
    if (!ids?.delete(ended.id) || ids.size > 0) return;
    this.#unleased.delete(ended.piece);
    for (const id of this.#parked.get(ended.piece) ?? []) if (this.#attempts.has(id)) this.#waiting.add(id);
    this.#parked.delete(ended.piece);
  }
}
