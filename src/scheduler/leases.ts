/**
 * The record of every assignment until it ends, exactly once. Each lease stands in its parent's and in its
 * child's list, so that a host that leaves finds its own in O(own). The id that crosses the wire is slot + turn *
 * SLOTS: a spent id never matches again, and finding a lease needs no map.
 */
import type { Millis } from '../base/clock.ts';
import { TimerWheel } from '../base/timer-wheel.ts';
import type { LeaseId } from '../protocol/ids.ts';
import type { Host } from './host-table.ts';
import type { Swarm } from './swarm.ts';

const SLOTS = 2 ** 21;
const TURNS = 2 ** 31;
const TICK_MS = 100;
const TICKS = 1024;

/** The last four are set by Leases alone. */
export type Lease = {
  readonly swarm: Swarm;
  readonly parent: Host;
  readonly child: Host;
  readonly piece: number;
  readonly bytes: number;
  readonly startedAt: Millis;
  readonly expectedMs: Millis;
  /** The other lease of a hedged piece. */
  twin: Lease | undefined;
  slot: number;
  id: LeaseId;
  upIndex: number;
  downIndex: number;
};

const NONE: readonly Lease[] = [];

function listOf(lists: Lease[][], host: Host): Lease[] {
  const known = lists[host.index];
  if (known !== undefined) return known;
  const list: Lease[] = [];
  lists[host.index] = list;
  return list;
}

export class Leases {
  readonly #slots: (Lease | undefined)[] = [];
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

  /** Gives it its place and its id; false when there is no place left. */
  open(lease: Lease, deadline: Millis): boolean {
    const slot = this.#free.pop() ?? this.#slots.length;
    if (slot >= SLOTS) return false;
    this.#turn = this.#turn + 1 < TURNS ? this.#turn + 1 : 1;
    const { parent, child, bytes } = lease;
    lease.slot = slot;
    lease.id = this.#turn * SLOTS + slot;
    lease.upIndex = parent.ups++;
    lease.downIndex = child.downs++;
    listOf(this.#ups, parent).push(lease);
    listOf(this.#downs, child).push(lease);
    parent.upBytes += bytes;
    child.downBytes += bytes;
    this.#slots[slot] = lease;
    this.#wheel.set(slot, deadline);
    this.#live++;
    return true;
  }

  find(id: LeaseId): Lease | undefined {
    const lease = id > 0 ? this.#slots[id % SLOTS] : undefined;
    return lease?.id === id ? lease : undefined;
  }

  close(lease: Lease): void {
    if (this.#slots[lease.slot] !== lease) return;
    this.#slots[lease.slot] = undefined;
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
  }

  /** What this host gives; valid until the next change. */
  ups(host: Host): readonly Lease[] {
    return this.#ups[host.index] ?? NONE;
  }

  /** What this host gets; valid until the next change. */
  downs(host: Host): readonly Lease[] {
    return this.#downs[host.index] ?? NONE;
  }

  isOpen(lease: Lease): boolean {
    return this.#slots[lease.slot] === lease;
  }

  expired(now: Millis): Lease[] {
    const leases: Lease[] = [];
    for (const slot of this.#wheel.expire(now)) {
      const lease = this.#slots[slot];
      if (lease !== undefined) leases.push(lease);
    }
    return leases;
  }
}
