/**
 * Hosts, supernodes and wires of one run. Messages take the latency of the wire and may be lost or repeated; everything
 * is driven by one event queue, and chance comes from one seed.
 */
import { Bitfield } from '../base/bitfield.ts';
import { Random } from '../base/random.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { EventQueue } from './event-queue.ts';
import { Network } from './network.ts';
import type { SimOptions } from './options.ts';
import { type Copy, fetchKey, type Request, type SimHost } from './sim-host.ts';
import { type SchedulerMaker, SimSupernode, type Wires } from './sim-supernode.ts';
import { Trace } from './trace.ts';

/** How long a child waits for a byte before it gives a transfer up. */
const STALL_MS = 2_000;
const RESET_MS = 5;
/** The supernode sees that a session is gone. */
const NOTICE_MS = 50;
const REREAD_MS = 200;

export class World implements Wires {
  readonly options: SimOptions;
  readonly random: Random;
  readonly queue = new EventQueue();
  readonly network = new Network(this.queue);
  readonly trace: Trace;
  readonly hosts: SimHost[] = [];
  readonly supernodes: SimSupernode[] = [];
  readonly contents: ContentId[] = [];
  /** Hosts that are alive, joined, and not done. */
  busy = 0;
  /** Joins still to come. */
  coming = 0;
  bytesFromSeed = 0;
  readonly imports = new Map<string, number>();
  transfers = 0;
  #noisy = true;

  constructor(options: SimOptions, make: SchedulerMaker = (settings) => new Scheduler(settings)) {
    this.options = options;
    this.random = new Random(options.seed);
    this.trace = new Trace(options.trace);
    const supernodes = options.faults.twoSupernodes ? 2 : 1;
    for (let i = 0; i < supernodes; i++) {
      this.supernodes.push(new SimSupernode(i, options, new Random(options.seed * 7 + i), this, make));
    }
    for (let task = 0; task < options.tasks; task++) {
      this.contents.push(`${task.toString(16).padStart(64, '0')}.1` as ContentId);
    }
  }

  get seedHost(): SimHost {
    const host = this.hosts[0];
    if (host === undefined) throw new Error('the seed joins first');
    return host;
  }

  /** From here on nothing is lost, repeated or broken any more. */
  calm(): void {
    this.#noisy = false;
  }

  shape(supernode: SimSupernode): void {
    const { pieceSize, pieces } = this.options;
    for (const content of this.contents) {
      supernode.receive({ type: 'content-shaped', content, pieceSize, pieces, lastPieceSize: pieceSize, final: true });
    }
  }

  /** A host comes, knowing nothing yet, and wants every content. */
  join(host: SimHost): void {
    this.hosts[host.index] = host;
    for (const content of this.contents) {
      const truth =
        host.seed && this.options.sourceRate === 0
          ? Bitfield.full(this.options.pieces)
          : new Bitfield(this.options.pieces);
      host.copies.set(content, { truth, wants: !host.seed, doneAt: undefined, joinedAt: this.queue.now });
    }
    if (!host.seed) this.busy++;
    for (const supernode of this.supernodes) this.announce(host, supernode);
  }

  /** What a session says first. */
  announce(host: SimHost, supernode: SimSupernode): void {
    const told = this.options.toldRates
      ? { upBytesPerSecond: host.up.capacity * 1000, downBytesPerSecond: host.down.capacity * 1000 }
      : {};
    this.#deliver(host, supernode, () => ({
      type: 'host-joined',
      host: host.id,
      site: host.site,
      seed: host.seed,
      uploads: host.uploads,
      ...told,
    }));
    for (const [content, copy] of host.copies) {
      this.#deliver(host, supernode, () => ({
        type: 'peer-joined',
        host: host.id,
        content,
        held: copy.truth.copy(),
        wants: copy.wants && !copy.truth.full,
      }));
    }
  }

  /** A session's words arrive in order and are never lost. */
  #deliver(host: SimHost, supernode: SimSupernode, event: () => SchedulerEvent): void {
    this.queue.after(host.seed ? 0 : this.options.latencyMs, () => {
      if (host.alive) supernode.receive(event());
    });
  }

  /** A report: may be lost or repeated. */
  tell(host: SimHost, supernode: SimSupernode, event: SchedulerEvent): void {
    const { lostMessages, repeatedMessages } = this.options.faults;
    if (this.#noisy && lostMessages > 0 && this.random.chance(lostMessages)) return;
    const send = (delay: number): void =>
      this.queue.after(delay, () => {
        if (host.alive) supernode.receive(event);
      });
    send(host.seed ? 0 : this.options.latencyMs);
    if (this.#noisy && repeatedMessages > 0 && this.random.chance(repeatedMessages)) {
      send(this.options.latencyMs + this.random.between(0, 200));
    }
  }

  tellAll(host: SimHost, event: SchedulerEvent): void {
    for (const supernode of this.supernodes) this.#deliver(host, supernode, () => event);
  }

  saw(supernode: SimSupernode, what: SchedulerEvent | SchedulerCommand): void {
    this.trace.add(this.queue.now, supernode.index, what);
  }

  carryOut(supernode: SimSupernode, command: SchedulerCommand): void {
    if (command.type === 'starved') {
      this.queue.after(REREAD_MS, () => this.#reread(command.content, command.pieces));
      return;
    }
    if (command.type !== 'assign' && command.type !== 'cancel') return;
    if (this.#noisy && this.random.chance(this.options.faults.lostMessages)) return;
    const child = this.#hostOf(command.child);
    if (child === undefined) return;
    this.queue.after(this.options.latencyMs, () => {
      if (!child.alive) return;
      if (command.type === 'assign') this.#fetch(supernode, child, command);
      else this.#cancel(supernode, child, command);
    });
  }

  #hostOf(id: string): SimHost | undefined {
    return this.hosts[Number(id.slice(1))];
  }

  #reread(content: ContentId, pieces: readonly number[]): void {
    const seed = this.seedHost;
    const copy = seed.copies.get(content);
    if (copy === undefined) return;
    for (const piece of pieces) {
      copy.truth.set(piece);
      this.tellAll(seed, { type: 'piece-held', host: seed.id, content, piece, lease: 0, millis: 0 });
    }
  }

  #fetch(supernode: SimSupernode, child: SimHost, order: Extract<SchedulerCommand, { type: 'assign' }>): void {
    const { content, piece, lease } = order;
    const copy = child.copies.get(content);
    const parent = this.#hostOf(order.parent);
    if (copy === undefined || parent === undefined) return;
    if (copy.truth.has(piece)) {
      this.tell(child, supernode, { type: 'piece-held', host: child.id, content, piece, lease, millis: 0 });
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
      bytes: this.options.pieceSize,
      leases: [{ supernode: supernode.index, lease }],
      startedAt: this.queue.now,
      flow: undefined,
      open: true,
    };
    running.push(request);
    this.queue.after(this.options.latencyMs, () => this.#serve(request));
  }

  #serve(request: Request): void {
    const { parent } = request;
    if (!request.open) return;
    if (!parent.alive) return this.fail(request, 'peer-reset');
    if (!parent.copies.get(request.content)?.truth.has(request.piece)) return this.fail(request, 'peer-lacks');
    parent.serving.add(request);
    parent.waiting.push(request);
    this.pump(parent);
  }

  pump(parent: SimHost): void {
    while (parent.active < this.options.streams && !parent.stalled && parent.alive) {
      const request = parent.waiting.shift();
      if (request === undefined) return;
      if (!request.open) continue;
      parent.active++;
      if (this.options.overheadMs === 0) this.#send(request);
      else this.queue.after(this.options.overheadMs, () => this.#send(request));
    }
  }

  #send(request: Request): void {
    const { parent, child } = request;
    if (!request.open || !parent.alive) {
      parent.active--;
      this.pump(parent);
      return;
    }
    const bytes = parent.seed ? request.bytes : request.bytes;
    request.flow = this.network.start({ up: parent.up, down: child.down }, bytes, () => this.#arrived(request));
  }

  #arrived(request: Request): void {
    const { parent, child, content, piece } = request;
    this.transfers++;
    if (parent.seed) this.bytesFromSeed += request.bytes;
    if (parent.seed || parent.site.idc !== child.site.idc) {
      this.imports.set(child.site.idc, (this.imports.get(child.site.idc) ?? 0) + request.bytes);
    }
    this.#endAtParent(request);
    if (parent.corrupt) return this.fail(request, 'peer-corrupt');
    if (child.liar !== undefined && !parent.seed) return this.fail(request, child.liar);
    this.#endAtChild(request);
    const copy = child.copies.get(content);
    if (copy === undefined || !child.alive) return;
    copy.truth.set(piece);
    const millis = this.queue.now - request.startedAt;
    for (const { supernode, lease } of request.leases) {
      const to = this.supernodes[supernode];
      if (to !== undefined) this.tell(child, to, { type: 'piece-held', host: child.id, content, piece, lease, millis });
    }
    for (const other of this.supernodes) {
      if (request.leases.some((given) => given.supernode === other.index)) continue;
      this.tell(child, other, { type: 'piece-held', host: child.id, content, piece, lease: 0, millis: 0 });
    }
    if (copy.truth.full) this.#finished(child, content, copy);
  }

  #finished(child: SimHost, content: ContentId, copy: Copy): void {
    if (copy.doneAt !== undefined) return;
    copy.doneAt = this.queue.now;
    this.tellAll(child, { type: 'peer-left', host: child.id, content, keeps: true });
    if (!child.done) return;
    this.busy--;
    if (this.options.leaveWhenDone) this.queue.after(this.options.latencyMs * 2, () => this.leave(child, true));
  }

  /** The child gives a transfer up and says so. */
  fail(request: Request, fault: FaultCode): void {
    if (!request.open) return;
    this.#endAtParent(request);
    this.#endAtChild(request);
    const { child, content, piece } = request;
    if (!child.alive || child.silent) return;
    for (const { supernode, lease } of request.leases) {
      const to = this.supernodes[supernode];
      if (to !== undefined)
        this.tell(child, to, { type: 'piece-failed', host: child.id, content, piece, lease, fault });
    }
  }

  #cancel(supernode: SimSupernode, child: SimHost, order: Extract<SchedulerCommand, { type: 'cancel' }>): void {
    for (const request of child.fetching.get(fetchKey(order.content, order.piece)) ?? []) {
      const at = request.leases.findIndex((own) => own.supernode === supernode.index && own.lease === order.lease);
      if (at < 0) continue;
      request.leases.splice(at, 1);
      if (request.leases.length > 0) return;
      this.#endAtParent(request);
      this.#endAtChild(request);
      return;
    }
  }

  #endAtParent(request: Request): void {
    const { parent } = request;
    parent.serving.delete(request);
    const { flow } = request;
    if (flow === undefined) return;
    request.flow = undefined;
    this.network.stop(flow);
    parent.active--;
    this.pump(parent);
  }

  #endAtChild(request: Request): void {
    request.open = false;
    const key = fetchKey(request.content, request.piece);
    const running = request.child.fetching.get(key);
    if (running === undefined) return;
    const at = running.indexOf(request);
    if (at >= 0) running.splice(at, 1);
    if (running.length === 0) request.child.fetching.delete(key);
  }

  /** It goes; `polite` = the supernode hears of it at once. */
  leave(host: SimHost, polite: boolean): void {
    if (!host.alive) return;
    if (!host.seed && !host.done) this.busy--;
    for (const supernode of this.supernodes) {
      this.queue.after(polite ? 0 : NOTICE_MS + this.random.between(0, 100), () => {
        supernode.receive({ type: 'host-left', host: host.id });
      });
    }
    host.alive = false;
    for (const request of [...host.serving]) {
      this.#endAtParent(request);
      this.queue.after(RESET_MS, () => this.fail(request, 'peer-reset'));
    }
    for (const running of [...host.fetching.values()]) {
      for (const request of [...running]) {
        this.#endAtParent(request);
        this.#endAtChild(request);
      }
    }
    host.waiting.length = 0;
  }

  /** Its uplink freezes; children give up what they were getting. */
  stall(host: SimHost, millis: number): void {
    const capacity = host.up.capacity * 1000;
    if (capacity === 0) return;
    host.stalled = true;
    this.network.setCapacity(host.up, 0);
    const stuck = [...host.serving];
    this.queue.after(STALL_MS, () => {
      if (host.stalled) for (const request of stuck) this.fail(request, 'peer-stalled');
    });
    this.queue.after(millis, () => {
      host.stalled = false;
      this.network.setCapacity(host.up, capacity);
      if (host.alive) this.pump(host);
    });
  }
}
