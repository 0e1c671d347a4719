/**
 * What this host remembers of the parents it met: where they are, what they said they hold, how fast they were and how
 * often they failed. The supernode decides who is asked while it is there; this memory decides how long to wait for a
 * parent, and whom to ask when the supernode is gone. Invariant: never more than `limits.parents` entries.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { HostId, PieceIndex } from '../protocol/ids.ts';
import type { TransferLimits } from './limits.ts';

type Parent = {
  address: ParentAddress;
  /** What it said to hold; undefined = not asked, or what it said is of no use. */
  held: Bitfield | undefined;
  asking: boolean;
  /** How much of what it vouches for is known here. */
  heard: number;
  /** When it was first seen to hold as much as it does. */
  grewAt: Millis;
  /** Faults since its last good piece. */
  faults: number;
  restsUntil: Millis;
  /** Attempts at it that run. */
  running: number;
};

/** After so many faults in a row nobody waits for what only this parent holds. */
const DOUBTFUL_FAULTS = 3;
/** Weight of the newest transfer in the measured rate. */
const NEWEST = 0.25;

export class Parents {
  readonly #limits: TransferLimits;
  readonly #parents = new Map<HostId, Parent>();
  #bytesPerMs = 0;

  constructor(limits: TransferLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#parents.size;
  }

  meet(address: ParentAddress): void {
    const known = this.#parents.get(address.id);
    if (known !== undefined) {
      known.address = address;
      return;
    }
    if (this.#parents.size >= this.#limits.parents) this.#dropOne();
    const entry = {
      address,
      held: undefined,
      asking: false,
      heard: 0,
      grewAt: 0,
      faults: 0,
      restsUntil: 0,
      running: 0,
    };
    this.#parents.set(address.id, entry);
  }

  started(id: HostId): void {
    const parent = this.#parents.get(id);
    if (parent !== undefined) parent.running++;
  }

  ended(id: HostId): void {
    const parent = this.#parents.get(id);
    if (parent !== undefined) parent.running = Math.max(0, parent.running - 1);
  }

  succeeded(id: HostId, bytes: number, millis: Millis): void {
    const parent = this.#parents.get(id);
    if (parent !== undefined) parent.faults = 0;
    if (millis <= 0) return;
    const rate = bytes / millis;
    this.#bytesPerMs = this.#bytesPerMs === 0 ? rate : this.#bytesPerMs * (1 - NEWEST) + rate * NEWEST;
  }

  failed(id: HostId, now: Millis): void {
    const parent = this.#parents.get(id);
    if (parent === undefined) return;
    parent.faults++;
    const rest = this.#limits.restMs * 2 ** Math.min(parent.faults - 1, 16);
    parent.restsUntil = now + Math.min(rest, this.#limits.restMaxMs);
  }

  /**
   * How long this parent may keep a piece waiting: a multiple of what the piece and those before it at the parent
   * should take at the rate that this host measured, within fixed bounds.
   */
  stallMs(id: HostId, bytes: number): Millis {
    const { stallFactor, stallMinMs, stallMaxMs, stallUnknownMs } = this.#limits;
    if (this.#bytesPerMs === 0) return stallUnknownMs;
    const ahead = this.#parents.get(id)?.running ?? 0;
    const expected = (bytes * (ahead + 1)) / this.#bytesPerMs;
    return Math.min(stallMaxMs, Math.max(stallMinMs, stallFactor * expected));
  }

  /** Parents that may be asked now what they hold; marks them as asked. */
  askable(now: Millis): readonly { readonly parent: ParentAddress; readonly from: number }[] {
    const asked: { readonly parent: ParentAddress; readonly from: number }[] = [];
    for (const parent of this.#parents.values()) {
      if (parent.asking || !this.#usable(parent, now)) continue;
      parent.asking = true;
      asked.push({ parent: parent.address, from: parent.heard });
    }
    return asked;
  }

  answered(id: HostId, held: Bitfield | undefined, now: Millis): void {
    const parent = this.#parents.get(id);
    if (parent === undefined) return;
    parent.asking = false;
    // One that was asked in vain holds what it held, until it is given up.
    if (held === undefined) return;
    if (held.count > (parent.held?.count ?? -1)) parent.grewAt = now;
    parent.held = held;
  }

  /** It has said so much of what it vouches for. Undefined = it is not known here. */
  heard(id: HostId, next: number): ParentAddress | undefined {
    const parent = this.#parents.get(id);
    if (parent !== undefined) parent.heard = next;
    return parent?.address;
  }

  /** It turned out not to hold this piece. */
  lacks(id: HostId, piece: PieceIndex): void {
    this.#parents.get(id)?.held?.clear(piece);
  }

  /** The least busy usable parent that said to hold the piece. */
  holderOf(piece: PieceIndex, now: Millis): ParentAddress | undefined {
    let best: Parent | undefined;
    for (const parent of this.#parents.values()) {
      if (parent.held?.has(piece) !== true || !this.#usable(parent, now)) continue;
      if (parent.running >= this.#limits.requestsPerParent) continue;
      if (best === undefined || parent.running < best.running) best = parent;
    }
    return best?.address;
  }

  /** Somebody who has not failed a few times in a row said to hold it, even if busy or resting. */
  heldBySomebody(piece: PieceIndex): boolean {
    for (const parent of this.#parents.values())
      if (parent.faults < DOUBTFUL_FAULTS && this.#alive(parent) && parent.held?.has(piece) === true) return true;
    return false;
  }

  /** Who answered and has gained something since. */
  grownSince(since: Millis): readonly HostId[] {
    return [...this.#parents].flatMap(([id, parent]) => {
      return this.#alive(parent) && parent.held !== undefined && parent.grewAt >= since ? [id] : [];
    });
  }

  /** Any parent left that may be asked sooner or later. */
  get hopeful(): boolean {
    for (const parent of this.#parents.values()) if (this.#alive(parent)) return true;
    return false;
  }

  forgetHeld(): void {
    for (const parent of this.#parents.values()) {
      parent.held = undefined;
      parent.heard = 0;
      parent.asking = false;
    }
  }

  #alive(parent: Parent): boolean {
    return parent.faults < this.#limits.faultsPerParent;
  }

  #usable(parent: Parent, now: Millis): boolean {
    return this.#alive(parent) && parent.restsUntil <= now;
  }

  #dropOne(): void {
    for (const [id, parent] of this.#parents) {
      if (parent.running > 0) continue;
      this.#parents.delete(id);
      return;
    }
  }
}
