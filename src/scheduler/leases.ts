/**
 * The record of every assignment until it ends, exactly once. A lease is its slot: a row of numbers, so that an assignment allocates nothing
 * and the end of a transfer reads two lines of the processor's cache. The id that crosses the wire is slot + turn * SLOTS: a spent id never
 * matches again, and finding a lease needs no map. Each lease is linked into its parent's and its child's list, so that a host that leaves
 * finds its own in O(own).
 *
 * A slot is used again: it is valid only until it is closed; whoever keeps one longer keeps its id and asks `find`.
 */
import type { Millis } from '../base/clock.ts';
import { TimerWheel } from '../base/timer-wheel.ts';
import type { LeaseId } from '../protocol/ids.ts';
import type { HostRows } from './host-rows.ts';
import { downLine, type Lines, upLine } from './lines.ts';
import type { Swarm } from './swarm.ts';

const SLOTS = 2 ** 21;
const TURNS = 2 ** 31;
const TICK_MS = 100;
const TICKS = 1024;
/** The turn of a lease that is not open. */
const CLOSED = 0;
export const NO_LEASE = -1;

export type Lease = number;

/** A row of whole numbers: what the assignment says, and its neighbours in the two lists. */
const ROW_BITS = 4;
const TURN = 0;
const SWARM = 1;
const PARENT = 2;
const CHILD = 3;
const PARENT_PEER = 4;
const CHILD_PEER = 5;
const PIECE = 6;
/** The other lease of a hedged piece. */
const TWIN = 7;
const NEXT_UP = 8;
const PREV_UP = 9;
const NEXT_DOWN = 10;
const PREV_DOWN = 11;
/** 1 = near its end: its bytes do not count as outstanding any more. */
const EASED = 12;

/** A row of times and bytes. */
const TIMES_BITS = 2;
const STARTED = 0;
const EXPECTED = 1;
const BYTES = 2;

export class Leases {
  readonly #hosts: HostRows;
  readonly #lines: Lines;
  readonly #wheel = new TimerWheel(TICK_MS, TICKS);
  readonly #free: Lease[] = [];
  #rows = new Int32Array(16 << ROW_BITS);
  #times = new Float64Array(16 << TIMES_BITS);
  #slots = 0;
  #turn: number;
  #live = 0;

  /** The first turn should differ from one life of the supernode to the next, so that old ids match nothing. */
  constructor(hosts: HostRows, lines: Lines, firstTurn: number) {
    this.#hosts = hosts;
    this.#lines = lines;
    this.#turn = 1 + (firstTurn % (TURNS / 2));
  }

  get live(): number {
    return this.#live;
  }

  /** NO_LEASE when there is no place left. The caller sets when it ends and its twin. */
  open(swarm: Swarm, parentPeer: number, childPeer: number, piece: number): Lease {
    const lease = this.#free.pop() ?? this.#slots;
    if (lease >= SLOTS) return NO_LEASE;
    if (lease === this.#slots) this.#addSlot();
    this.#turn = this.#turn + 1 < TURNS ? this.#turn + 1 : 1;
    const rows = this.#rows;
    const row = lease << ROW_BITS;
    rows[row + TURN] = this.#turn;
    rows[row + SWARM] = swarm.number;
    rows[row + PARENT] = swarm.hostOf(parentPeer);
    rows[row + CHILD] = swarm.hostOf(childPeer);
    rows[row + PARENT_PEER] = parentPeer;
    rows[row + CHILD_PEER] = childPeer;
    rows[row + PIECE] = piece;
    rows[row + TWIN] = NO_LEASE;
    rows[row + EASED] = 0;
    this.#times[(lease << TIMES_BITS) + BYTES] = swarm.bytesOf(piece);
    this.#link(lease, row);
    this.#live++;
    return lease;
  }

  /** When it began, how long it should take, and when it ends without news. */
  expect(lease: Lease, startedAt: Millis, expectedMs: Millis, deadline: Millis): void {
    this.#times[(lease << TIMES_BITS) + STARTED] = startedAt;
    this.#times[(lease << TIMES_BITS) + EXPECTED] = expectedMs;
    this.#wheel.set(lease, deadline);
  }

  pair(lease: Lease, twin: Lease): void {
    this.#rows[(lease << ROW_BITS) + TWIN] = twin;
    this.#rows[(twin << ROW_BITS) + TWIN] = lease;
  }

  /** It is near its end. False when that was known. */
  ease(lease: Lease): boolean {
    const row = lease << ROW_BITS;
    if (this.eased(lease)) return false;
    this.#rows[row + EASED] = 1;
    const bytes = this.bytes(lease);
    this.#lines.eased(upLine(this.parent(lease)), bytes);
    this.#lines.eased(downLine(this.child(lease)), bytes);
    return true;
  }

  find(id: LeaseId): Lease | undefined {
    if (!(id >= SLOTS)) return undefined;
    const slot = id % SLOTS;
    return slot < this.#slots && this.#rows[(slot << ROW_BITS) + TURN] === (id - slot) / SLOTS ? slot : undefined;
  }

  close(lease: Lease): void {
    const rows = this.#rows;
    const row = lease << ROW_BITS;
    if (rows[row + TURN] === CLOSED) return;
    rows[row + TURN] = CLOSED;
    this.#free.push(lease);
    this.#wheel.clear(lease);
    this.#live--;
    this.#unlink(lease, row);
    const twin = rows[row + TWIN] ?? NO_LEASE;
    if (twin !== NO_LEASE) rows[(twin << ROW_BITS) + TWIN] = NO_LEASE;
    rows[row + TWIN] = NO_LEASE;
  }

  // What it says.

  isOpen(lease: Lease): boolean {
    return this.#rows[(lease << ROW_BITS) + TURN] !== CLOSED;
  }

  /** 0 = not open. */
  id(lease: Lease): LeaseId {
    const turn = this.#rows[(lease << ROW_BITS) + TURN] ?? CLOSED;
    return turn === CLOSED ? 0 : turn * SLOTS + lease;
  }

  /** The number of its swarm. */
  swarm(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + SWARM] ?? -1;
  }

  parent(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + PARENT] ?? -1;
  }

  child(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + CHILD] ?? -1;
  }

  parentPeer(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + PARENT_PEER] ?? -1;
  }

  childPeer(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + CHILD_PEER] ?? -1;
  }

  piece(lease: Lease): number {
    return this.#rows[(lease << ROW_BITS) + PIECE] ?? -1;
  }

  /** NO_LEASE = it is not hedged. */
  twin(lease: Lease): Lease {
    return this.#rows[(lease << ROW_BITS) + TWIN] ?? NO_LEASE;
  }

  eased(lease: Lease): boolean {
    return this.#rows[(lease << ROW_BITS) + EASED] === 1;
  }

  startedAt(lease: Lease): Millis {
    return this.#times[(lease << TIMES_BITS) + STARTED] ?? 0;
  }

  expectedMs(lease: Lease): Millis {
    return this.#times[(lease << TIMES_BITS) + EXPECTED] ?? 0;
  }

  bytes(lease: Lease): number {
    return this.#times[(lease << TIMES_BITS) + BYTES] ?? 0;
  }

  // Lists.

  /** What this host gives, in this swarm or in all. */
  ups(host: number, swarm?: Swarm): Lease[] {
    const leases: Lease[] = [];
    for (let lease = this.#hosts.firstUp(host); lease !== NO_LEASE; lease = this.#at(lease, NEXT_UP)) {
      if (swarm === undefined || this.swarm(lease) === swarm.number) leases.push(lease);
    }
    return leases;
  }

  /** What this host gets, in this swarm or in all. */
  downs(host: number, swarm?: Swarm): Lease[] {
    const leases: Lease[] = [];
    for (let lease = this.#hosts.firstDown(host); lease !== NO_LEASE; lease = this.#at(lease, NEXT_DOWN)) {
      if (swarm === undefined || this.swarm(lease) === swarm.number) leases.push(lease);
    }
    return leases;
  }

  /** Those that ended without news; they are still open, and closing one opens none. */
  expired(now: Millis): Lease[] {
    return this.#wheel.expire(now).filter((lease) => this.isOpen(lease));
  }

  #at(lease: Lease, field: number): number {
    return this.#rows[(lease << ROW_BITS) + field] ?? NO_LEASE;
  }

  #link(lease: Lease, row: number): void {
    const rows = this.#rows;
    const parent = rows[row + PARENT] ?? 0;
    const child = rows[row + CHILD] ?? 0;
    const bytes = this.bytes(lease);
    this.#lines.began(upLine(parent), bytes);
    this.#lines.began(downLine(child), bytes);
    const up = this.#hosts.firstUp(parent);
    rows[row + NEXT_UP] = up;
    rows[row + PREV_UP] = NO_LEASE;
    if (up !== NO_LEASE) rows[(up << ROW_BITS) + PREV_UP] = lease;
    this.#hosts.setFirstUp(parent, lease);
    const down = this.#hosts.firstDown(child);
    rows[row + NEXT_DOWN] = down;
    rows[row + PREV_DOWN] = NO_LEASE;
    if (down !== NO_LEASE) rows[(down << ROW_BITS) + PREV_DOWN] = lease;
    this.#hosts.setFirstDown(child, lease);
  }

  #unlink(lease: Lease, row: number): void {
    const rows = this.#rows;
    const parent = rows[row + PARENT] ?? 0;
    const child = rows[row + CHILD] ?? 0;
    const bytes = this.eased(lease) ? 0 : this.bytes(lease);
    this.#lines.ended(upLine(parent), bytes);
    this.#lines.ended(downLine(child), bytes);
    const nextUp = rows[row + NEXT_UP] ?? NO_LEASE;
    const prevUp = rows[row + PREV_UP] ?? NO_LEASE;
    if (nextUp !== NO_LEASE) rows[(nextUp << ROW_BITS) + PREV_UP] = prevUp;
    if (prevUp === NO_LEASE) this.#hosts.setFirstUp(parent, nextUp);
    else rows[(prevUp << ROW_BITS) + NEXT_UP] = nextUp;
    const nextDown = rows[row + NEXT_DOWN] ?? NO_LEASE;
    const prevDown = rows[row + PREV_DOWN] ?? NO_LEASE;
    if (nextDown !== NO_LEASE) rows[(nextDown << ROW_BITS) + PREV_DOWN] = prevDown;
    if (prevDown === NO_LEASE) this.#hosts.setFirstDown(child, nextDown);
    else rows[(prevDown << ROW_BITS) + NEXT_DOWN] = nextDown;
  }

  #addSlot(): void {
    this.#slots++;
    if (this.#slots << ROW_BITS <= this.#rows.length) return;
    const rows = new Int32Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
    const times = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
  }
}
