/**
 * The record of every assignment until it ends, exactly once. Each lease stands in its parent's and in its
 * child's list, so that a host that leaves finds its own in O(own). The id that crosses the wire is slot + turn *
 * SLOTS: a spent id never matches again, and finding a lease needs no map.
 *
 * A slot keeps its object for ever: an assignment allocates nothing, and the collector never sees a lease die. So a lease is valid only
 * until it is closed; whoever keeps one longer keeps its id and asks `find`.
 */
import type { Millis } from '../base/clock.ts';
import { TimerWheel } from '../base/timer-wheel.ts';
import type { ContentId, HostId, LeaseId } from '../protocol/ids.ts';
import { Host } from './host-table.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Swarm } from './swarm.ts';
import { Trust, trustRules } from './trust.ts';

const SLOTS = 2 ** 21;
const TURNS = 2 ** 31;
const TICK_MS = 100;
const TICKS = 1024;
/** The turn of a lease that is not open. */
const CLOSED = 0;

/** What a closed lease is about, so that it keeps nothing in memory that is gone. */
const NO_SWARM = new Swarm('' as ContentId);
const NO_HOST = new Host('' as HostId, -1, new Trust(trustRules(DEFAULT_LIMITS)));

/** What an assignment says. The numbers of the two peers are kept, so that the end of a transfer looks nothing up. */
export type Terms = {
  readonly swarm: Swarm;
  readonly parent: Host;
  readonly child: Host;
  readonly parentPeer: number;
  readonly childPeer: number;
  readonly piece: number;
};

/** Written by Leases alone. */
export class Lease implements Terms {
  readonly slot: number;
  /** When it began and how long it should take: a pair of numbers beside the object, because a number with a fraction is an object too. */
  readonly #times = new Float64Array(2);
  turn = CLOSED;
  swarm = NO_SWARM;
  parent = NO_HOST;
  child = NO_HOST;
  parentPeer = 0;
  childPeer = 0;
  piece = 0;
  bytes = 0;
  /** The other lease of a hedged piece. */
  twin: Lease | undefined = undefined;
  upIndex = 0;
  downIndex = 0;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** 0 = not open. */
  get id(): LeaseId {
    return this.turn === CLOSED ? 0 : this.turn * SLOTS + this.slot;
  }

  get startedAt(): Millis {
    return this.#times[0] ?? 0;
  }

  set startedAt(time: Millis) {
    this.#times[0] = time;
  }

  get expectedMs(): Millis {
    return this.#times[1] ?? 0;
  }

  set expectedMs(ms: Millis) {
    this.#times[1] = ms;
  }
}

const NONE: readonly Lease[] = [];

function listOf(lists: Lease[][], host: Host): Lease[] {
  const known = lists[host.index];
  if (known !== undefined) return known;
  const list: Lease[] = [];
  lists[host.index] = list;
  return list;
}

export class Leases {
  readonly #slots: Lease[] = [];
  readonly #free: number[] = [];
  /** By the index of the host: what it gives, what it gets. */
  readonly #ups: Lease[][] = [];
  readonly #downs: Lease[][] = [];
  readonly #wheel = new TimerWheel(TICK_MS, TICKS);
  #turn: number;
  #live = 0;

  /** The first turn should differ from one life of the supernode to the next, so that old ids match nothing. */
  constructor(firstTurn: number) {
    this.#turn = 1 + (firstTurn % (TURNS / 2));
  }

  get live(): number {
    return this.#live;
  }

  /** Undefined when there is no place left. The caller sets when it ends and its twin. */
  open(terms: Terms, bytes: number, startedAt: Millis): Lease | undefined {
    const slot = this.#free.pop() ?? this.#slots.length;
    if (slot >= SLOTS) return undefined;
    this.#turn = this.#turn + 1 < TURNS ? this.#turn + 1 : 1;
    let lease = this.#slots[slot];
    if (lease === undefined) {
      lease = new Lease(slot);
      this.#slots[slot] = lease;
    }
    const { parent, child } = terms;
    lease.turn = this.#turn;
    lease.swarm = terms.swarm;
    lease.parent = parent;
    lease.child = child;
    lease.parentPeer = terms.parentPeer;
    lease.childPeer = terms.childPeer;
    lease.piece = terms.piece;
    lease.bytes = bytes;
    lease.startedAt = startedAt;
    lease.upIndex = parent.ups++;
    lease.downIndex = child.downs++;
    listOf(this.#ups, parent).push(lease);
    listOf(this.#downs, child).push(lease);
    parent.upBytes += bytes;
    child.downBytes += bytes;
    this.#live++;
    return lease;
  }

  /** When it ends without news. */
  expect(lease: Lease, expectedMs: Millis, deadline: Millis): void {
    lease.expectedMs = expectedMs;
    this.#wheel.set(lease.slot, deadline);
  }

  pair(lease: Lease, twin: Lease): void {
    lease.twin = twin;
    twin.twin = lease;
  }

  find(id: LeaseId): Lease | undefined {
    if (!(id >= SLOTS)) return undefined;
    const slot = id % SLOTS;
    const lease = this.#slots[slot];
    return lease !== undefined && lease.turn === (id - slot) / SLOTS ? lease : undefined;
  }

  close(lease: Lease): void {
    if (lease.turn === CLOSED) return;
    lease.turn = CLOSED;
    this.#free.push(lease.slot);
    this.#wheel.clear(lease.slot);
    this.#live--;
    const { parent, child } = lease;
    parent.upBytes -= lease.bytes;
    child.downBytes -= lease.bytes;
    parent.ups--;
    child.downs--;
    const ups = listOf(this.#ups, parent);
    const lastUp = ups.pop();
    if (lastUp !== undefined && lastUp !== lease) {
      ups[lease.upIndex] = lastUp;
      lastUp.upIndex = lease.upIndex;
    }
    const downs = listOf(this.#downs, child);
    const lastDown = downs.pop();
    if (lastDown !== undefined && lastDown !== lease) {
      downs[lease.downIndex] = lastDown;
      lastDown.downIndex = lease.downIndex;
    }
    if (lease.twin !== undefined) lease.twin.twin = undefined;
    lease.twin = undefined;
    lease.swarm = NO_SWARM;
    lease.parent = NO_HOST;
    lease.child = NO_HOST;
  }

  /** What this host gives; valid until the next change. */
  ups(host: Host): readonly Lease[] {
    return this.#ups[host.index] ?? NONE;
  }

  /** What this host gets; valid until the next change. */
  downs(host: Host): readonly Lease[] {
    return this.#downs[host.index] ?? NONE;
  }

  /** Those that ended without news; they are still open, and closing one opens none. */
  expired(now: Millis): Lease[] {
    const leases: Lease[] = [];
    for (const slot of this.#wheel.expire(now)) {
      const lease = this.#slots[slot];
      if (lease !== undefined && lease.turn !== CLOSED) leases.push(lease);
    }
    return leases;
  }

  isOpen(lease: Lease): boolean {
    return lease.turn !== CLOSED;
  }
}
