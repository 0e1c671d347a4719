/**
 * What a decision asks of each host beside its lines, as one row of whole numbers per host: half a line of the processor's cache. A row
 * whose host has left is all zeros but for its place in the dispatcher's queue, which is the round's to empty.
 */
const ROW_BITS = 3;
const FLAGS = 0;
const FIRST_UP = 1;
const FIRST_DOWN = 2;
const ACTIVE = 3;
const SWARM = 4;
const LAST_SWARM = 5;
const LAST_PEER = 6;
const IDC = 7;

/** It is the supernode's own cache. */
export const SEED = 1;
/** Nothing is heard of it at the moment: nothing new begins at it, and what it holds counts. */
export const SILENT = 2;
/** Something is held against it, so that its trust must be asked. */
export const WATCHED = 4;
/** In a queue of the dispatcher. */
export const READY = 8;
export const HUNGRY = 16;

export const NOBODY = -1;

export class HostRows {
  #rows = new Int32Array(16 << ROW_BITS);

  /** A host of which nothing is known. */
  open(host: number): void {
    if ((host + 1) << ROW_BITS > this.#rows.length) this.#grow(host + 1);
    this.clear(host);
  }

  clear(host: number): void {
    const row = host << ROW_BITS;
    const queued = (this.#rows[row + FLAGS] ?? 0) & (READY | HUNGRY);
    this.#rows.fill(0, row, row + (1 << ROW_BITS));
    this.#rows[row + FLAGS] = queued;
    this.#rows[row + FIRST_UP] = NOBODY;
    this.#rows[row + FIRST_DOWN] = NOBODY;
    this.#rows[row + SWARM] = NOBODY;
    this.#rows[row + LAST_SWARM] = NOBODY;
    this.#rows[row + LAST_PEER] = NOBODY;
  }

  is(host: number, flag: number): boolean {
    return ((this.#rows[(host << ROW_BITS) + FLAGS] ?? 0) & flag) !== 0;
  }

  set(host: number, flag: number, value: boolean): void {
    const at = (host << ROW_BITS) + FLAGS;
    const flags = this.#rows[at] ?? 0;
    this.#rows[at] = value ? flags | flag : flags & ~flag;
  }

  /** Number of its IDC; hosts of one number feed each other. */
  idc(host: number): number {
    return this.#rows[(host << ROW_BITS) + IDC] ?? 0;
  }

  setIdc(host: number, idc: number): void {
    this.#rows[(host << ROW_BITS) + IDC] = idc;
  }

  /** The first lease of what it gives, and of what it gets; kept by Leases. */
  firstUp(host: number): number {
    return this.#rows[(host << ROW_BITS) + FIRST_UP] ?? NOBODY;
  }

  setFirstUp(host: number, lease: number): void {
    this.#rows[(host << ROW_BITS) + FIRST_UP] = lease;
  }

  firstDown(host: number): number {
    return this.#rows[(host << ROW_BITS) + FIRST_DOWN] ?? NOBODY;
  }

  setFirstDown(host: number, lease: number): void {
    this.#rows[(host << ROW_BITS) + FIRST_DOWN] = lease;
  }

  /** How many of its swarms want something, and the number of the first of these; kept by SwarmsByHost. */
  active(host: number): number {
    return this.#rows[(host << ROW_BITS) + ACTIVE] ?? 0;
  }

  firstActive(host: number): number {
    return this.#rows[(host << ROW_BITS) + SWARM] ?? NOBODY;
  }

  setActive(host: number, count: number, first: number): void {
    const row = host << ROW_BITS;
    this.#rows[row + ACTIVE] = count;
    this.#rows[row + SWARM] = first;
  }

  /** Its number in the swarm that was asked last; NOBODY when that was another swarm. Kept by Swarm. */
  peerIn(swarm: number, host: number): number {
    const row = host << ROW_BITS;
    return this.#rows[row + LAST_SWARM] === swarm ? (this.#rows[row + LAST_PEER] ?? NOBODY) : NOBODY;
  }

  setPeerIn(swarm: number, host: number, peer: number): void {
    const row = host << ROW_BITS;
    this.#rows[row + LAST_SWARM] = swarm;
    this.#rows[row + LAST_PEER] = peer;
  }

  #grow(hosts: number): void {
    const rows = new Int32Array(Math.max(hosts << ROW_BITS, this.#rows.length * 2));
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
