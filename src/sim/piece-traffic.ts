/**
 * Pieces on their way between simulated hosts: a child asks, the parent sends what was asked for in order and a few at a
 * time, the child proves what comes and reports it to whoever assigned it. Every request ends once at each of its ends.
 */
import type { FaultCode } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import type { EventQueue } from './event-queue.ts';
import type { Network } from './network.ts';
import type { SimOptions } from './options.ts';
import { type Copy, fetchKey, type Request, type SimHost } from './sim-host.ts';
import type { SimSupernode } from './sim-supernode.ts';

type Assign = Extract<SchedulerCommand, { type: 'assign' }>;
type Cancel = Extract<SchedulerCommand, { type: 'cancel' }>;

/** What is left of a piece when a child that was asked to says that it is near its end: a quarter at most, when it looks. */
const NEAR_SHARE = 0.2;
/** How long a child waits for the first byte. */
const MUTE_MS = 1_000;

export type TrafficParts = {
  readonly options: SimOptions;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly supernodes: readonly SimSupernode[];
  readonly tell: (host: SimHost, supernode: SimSupernode, event: SchedulerEvent) => void;
  readonly gaveWrong: (parent: SimHost, child: SimHost) => void;
  readonly finished: (child: SimHost, content: ContentId, copy: Copy) => void;
};

type Pair = { open: number; readonly waiting: Request[] };

/** How long a word is on its way: behind what the sender's flows have in its uplink's queue. */
export function wordMs(from: SimHost, to: SimHost, { latencyMs, flowQueueBytes }: SimOptions): number {
  if (flowQueueBytes === 0) return latencyMs;
  const up = from.up.capacity === 0 ? 0 : (from.up.flows.length * flowQueueBytes) / from.up.capacity;
  const down = to.down.capacity === 0 ? 0 : (to.down.flows.length * flowQueueBytes) / to.down.capacity / 2;
  return latencyMs + up + down;
}

export class PieceTraffic {
  /** Transfers that arrived, whole. */
  transfers = 0;
  bytesFromSeed = 0;
  /** Bytes into each IDC from outside of it. */
  readonly imports = new Map<string, number>();
  readonly #parts: TrafficParts;

  constructor(parts: TrafficParts) {
    this.#parts = parts;
  }

  ask(supernode: SimSupernode, child: SimHost, parent: SimHost, order: Assign): void {
    const { content, piece, lease } = order;
    const copy = child.copies.get(content);
    if (copy === undefined) return;
    if (copy.truth.has(piece)) {
      this.#parts.tell(child, supernode, { type: 'piece-held', host: child.id, content, piece, lease, millis: 0 });
      return;
    }
    const key = fetchKey(content, piece);
    const running = child.fetching.get(key) ?? [];
    child.fetching.set(key, running);
    const same = running.find((request) => request.parent === parent);
    if (same !== undefined) {
      same.leases.push({ supernode: supernode.index, lease });
      return;
    }
    const request: Request = {
      parent,
      child,
      content,
      piece,
      bytes: this.#parts.options.pieceSize,
      leases: [{ supernode: supernode.index, lease }],
      near: order.near,
      startedAt: this.#parts.queue.now,
      flow: undefined,
      connected: false,
      open: true,
    };
    running.push(request);
    const pair = child.connections.get(parent) ?? { open: 0, waiting: [] };
    child.connections.set(parent, pair);
    if (pair.open < this.#parts.options.connections) this.#connect(request, pair);
    else pair.waiting.push(request);
  }

  #connect(request: Request, pair: Pair): void {
    pair.open++;
    request.connected = true;
    this.#parts.queue.after(wordMs(request.child, request.parent, this.#parts.options), () => this.#serve(request));
  }

  /** The next that waits for a connection of the same two takes this one's. */
  #disconnect(request: Request): void {
    const pair = request.child.connections.get(request.parent);
    if (pair === undefined) return;
    if (!request.connected) {
      const at = pair.waiting.indexOf(request);
      if (at >= 0) pair.waiting.splice(at, 1);
      return;
    }
    request.connected = false;
    pair.open--;
    const next = pair.waiting.shift();
    if (next !== undefined) this.#connect(next, pair);
    else if (pair.open === 0) request.child.connections.delete(request.parent);
  }

  #serve(request: Request): void {
    const { parent } = request;
    if (!request.open) return;
    if (!parent.alive) this.fail(request, 'peer-reset');
    else if (!parent.copies.get(request.content)?.truth.has(request.piece)) this.fail(request, 'peer-lacks');
    else if (parent.mute) this.#parts.queue.after(MUTE_MS, () => this.fail(request, 'peer-stalled'));
    else {
      parent.serving.add(request);
      parent.waiting.push(request);
      this.pump(parent);
    }
  }

  pump(parent: SimHost): void {
    while (parent.active < this.#parts.options.streams && !parent.stalled && parent.alive) {
      const request = parent.waiting.shift();
      if (request === undefined) return;
      if (!request.open) continue;
      parent.active++;
      if (this.#parts.options.overheadMs === 0) this.#send(request);
      else this.#parts.queue.after(this.#parts.options.overheadMs, () => this.#send(request));
    }
  }

  #send(request: Request): void {
    const { parent, child } = request;
    if (!request.open || !parent.alive) {
      parent.active--;
      this.pump(parent);
      return;
    }
    const { network } = this.#parts;
    const ends = { up: parent.up, down: child.down };
    const arrived = () => this.#arrived(request);
    const rest = NEAR_SHARE * request.bytes;
    if (!request.near) request.flow = network.start(ends, request.bytes, arrived);
    else
      request.flow = network.start(ends, request.bytes - rest, () => {
        this.#tellNear(request);
        request.flow = network.start(ends, rest, arrived);
      });
  }

  #tellNear({ child, content, piece, leases }: Request): void {
    if (child.silent) return;
    for (const { supernode, lease } of leases) {
      const to = this.#parts.supernodes[supernode];
      if (to !== undefined) this.#parts.tell(child, to, { type: 'piece-near', host: child.id, content, piece, lease });
    }
  }

  #arrived(request: Request): void {
    const { parent, child } = request;
    this.transfers++;
    if (parent.seed) this.bytesFromSeed += request.bytes;
    if (parent.seed || parent.site.idc !== child.site.idc) {
      this.imports.set(child.site.idc, (this.imports.get(child.site.idc) ?? 0) + request.bytes);
    }
    this.endAtParent(request);
    const fault = parent.corrupt ? 'peer-corrupt' : parent.seed ? undefined : child.liar;
    if (parent.corrupt) this.#parts.gaveWrong(parent, child);
    if (fault !== undefined) this.fail(request, fault);
    else this.#proved(request);
  }

  #proved(request: Request): void {
    const { child, content, piece } = request;
    this.#endAtChild(request);
    const copy = child.copies.get(content);
    if (copy === undefined || !child.alive) return;
    copy.truth.set(piece);
    const millis = this.#parts.queue.now - request.startedAt;
    for (const { supernode, lease } of request.leases) {
      const to = this.#parts.supernodes[supernode];
      if (to !== undefined)
        this.#parts.tell(child, to, { type: 'piece-held', host: child.id, content, piece, lease, millis });
    }
    for (const other of this.#parts.supernodes) {
      if (request.leases.some((given) => given.supernode === other.index)) continue;
      this.#parts.tell(child, other, { type: 'piece-held', host: child.id, content, piece, lease: 0, millis: 0 });
    }
    if (copy.truth.full) this.#parts.finished(child, content, copy);
  }

  /** The child gives a transfer up and says so. */
  fail(request: Request, fault: FaultCode): void {
    if (!request.open) return;
    this.endAtParent(request);
    this.#endAtChild(request);
    const { child, content, piece } = request;
    if (!child.alive || child.silent) return;
    for (const { supernode, lease } of request.leases) {
      const to = this.#parts.supernodes[supernode];
      if (to !== undefined)
        this.#parts.tell(child, to, { type: 'piece-failed', host: child.id, content, piece, lease, fault });
    }
  }

  cancel(supernode: SimSupernode, child: SimHost, order: Cancel): void {
    for (const request of child.fetching.get(fetchKey(order.content, order.piece)) ?? []) {
      const at = request.leases.findIndex((own) => own.supernode === supernode.index && own.lease === order.lease);
      if (at < 0) continue;
      request.leases.splice(at, 1);
      if (request.leases.length > 0) return;
      this.endAtParent(request);
      this.#endAtChild(request);
      return;
    }
  }

  endAtParent(request: Request): void {
    const { parent } = request;
    parent.serving.delete(request);
    const { flow } = request;
    if (flow === undefined) return;
    request.flow = undefined;
    this.#parts.network.stop(flow);
    parent.active--;
    this.pump(parent);
  }

  #endAtChild(request: Request): void {
    request.open = false;
    this.#disconnect(request);
    const key = fetchKey(request.content, request.piece);
    const running = request.child.fetching.get(key);
    if (running === undefined) return;
    const at = running.indexOf(request);
    if (at >= 0) running.splice(at, 1);
    if (running.length === 0) request.child.fetching.delete(key);
  }

  /** Its ends of all requests are gone; its children learn it after `resetMs`. */
  dropAll(host: SimHost, resetMs: number): void {
    for (const request of [...host.serving]) {
      this.endAtParent(request);
      this.#parts.queue.after(resetMs, () => this.fail(request, 'peer-reset'));
    }
    for (const running of [...host.fetching.values()]) {
      for (const request of [...running]) {
        this.endAtParent(request);
        this.#endAtChild(request);
      }
    }
    host.waiting.length = 0;
  }
}
