/**
 * A fluid network: every host has an uplink and a downlink, the core is free, and flows share links max-min fairly. Each
 * link has a level, the most that one flow may get on it, found by filling water into the link with its flows capped by
 * the level of their other end; a flow's rate is the lower level of its two links. When a level changes, the other ends of
 * that link's flows are looked at again, until nothing changes or LOOKS are spent. So an event costs what it
 * affects, not what exists: 10,000 hosts are simulated in seconds. What the cut at LOOKS leaves is an error on the safe
 * side: no link ever carries more than its capacity.
 */
import type { Millis } from '../base/clock.ts';
import type { EventQueue } from './event-queue.ts';

const LOOKS = 48;
/** Levels that differ by less are the same. */
const TOLERANCE = 1e-6;

export class Link {
  /** Bytes per millisecond. */
  capacity: number;
  level: number;
  readonly flows: Flow[] = [];
  /** Bytes that it has carried. */
  carried = 0;
  queued = false;

  constructor(bytesPerSecond: number) {
    this.capacity = bytesPerSecond / 1000;
    this.level = this.capacity;
  }
}

export class Flow {
  readonly up: Link;
  readonly down: Link;
  readonly bytes: number;
  left: number;
  rate = 0;
  at: Millis;
  version = 0;
  open = true;
  readonly done: () => void;

  constructor(ends: { up: Link; down: Link }, bytes: number, at: Millis, done: () => void) {
    this.up = ends.up;
    this.down = ends.down;
    this.bytes = bytes;
    this.left = bytes;
    this.at = at;
    this.done = done;
  }
}

export class Network {
  readonly #queue: EventQueue;
  #looks: Link[] = [];

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  start(ends: { up: Link; down: Link }, bytes: number, done: () => void): Flow {
    const flow = new Flow(ends, bytes, this.#queue.now, done);
    flow.up.flows.push(flow);
    flow.down.flows.push(flow);
    this.#settle(flow.up, flow.down);
    return flow;
  }

  stop(flow: Flow): void {
    if (!flow.open) return;
    this.#advance(flow);
    flow.open = false;
    flow.version++;
    flow.up.flows.splice(flow.up.flows.indexOf(flow), 1);
    flow.down.flows.splice(flow.down.flows.indexOf(flow), 1);
    this.#settle(flow.up, flow.down);
  }

  setCapacity(link: Link, bytesPerSecond: number): void {
    link.capacity = bytesPerSecond / 1000;
    this.#settle(link, undefined);
  }

  #settle(first: Link, second: Link | undefined): void {
    this.#look(first);
    if (second !== undefined) this.#look(second);
    const touched = new Set<Flow>([...first.flows, ...(second?.flows ?? [])]);
    for (let i = 0; i < this.#looks.length; i++) {
      const link = this.#looks[i];
      if (link === undefined) break;
      link.queued = false;
      const level = waterLevel(link);
      if (Math.abs(level - link.level) <= TOLERANCE * link.capacity) continue;
      link.level = level;
      for (const flow of link.flows) {
        touched.add(flow);
        if (i < LOOKS) this.#look(flow.up === link ? flow.down : flow.up);
      }
    }
    this.#looks = [];
    for (const flow of touched) this.#rerate(flow);
  }

  #look(link: Link): void {
    if (link.queued) return;
    link.queued = true;
    this.#looks.push(link);
  }

  #advance(flow: Flow): void {
    const now = this.#queue.now;
    const moved = Math.min(flow.left, flow.rate * (now - flow.at));
    flow.left -= moved;
    flow.up.carried += moved;
    flow.down.carried += moved;
    flow.at = now;
  }

  #rerate(flow: Flow): void {
    if (!flow.open) return;
    // Never above an equal share of what the link can do when the levels have not settled.
    const rate = Math.min(flow.up.level, flow.down.level);
    if (rate === flow.rate && flow.version > 0) return;
    this.#advance(flow);
    flow.rate = rate;
    const version = ++flow.version;
    if (rate <= 0) return;
    this.#queue.at(flow.at + flow.left / rate, () => {
      if (flow.version !== version || !flow.open) return;
      this.#advance(flow);
      // What rounding has left.
      flow.up.carried += flow.left;
      flow.down.carried += flow.left;
      flow.left = 0;
      this.stop(flow);
      flow.done();
    });
  }
}

/** The level L at which the sum of min(L, cap of the other end) fills the link. */
function waterLevel(link: Link): number {
  const { flows, capacity } = link;
  if (flows.length === 0) return capacity;
  if (flows.length === 1) return capacity;
  const caps: number[] = [];
  for (const flow of flows) caps.push(flow.up === link ? flow.down.level : flow.up.level);
  caps.sort((a, b) => a - b);
  let left = capacity;
  for (let i = 0; i < caps.length; i++) {
    const share = left / (caps.length - i);
    const cap = caps[i] ?? 0;
    if (cap >= share) return share;
    left -= cap;
  }
  // Every flow is held back elsewhere: one of them could get what is left on top.
  return left + (caps[caps.length - 1] ?? 0);
}
