/**
 * Hosts, supernodes and wires of one run. Messages take the latency of the wire and may be lost or repeated; everything
 * is driven by one event queue, and chance comes from one seed.
 */
import { Bitfield } from '../base/bitfield.ts';
import { Random } from '../base/random.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { EventQueue } from './event-queue.ts';
import { Justice } from './justice.ts';
import { Network } from './network.ts';
import type { SimOptions } from './options.ts';
import { PieceTraffic, wordMs } from './piece-traffic.ts';
import type { Accused } from './referee.ts';
import type { Copy, SimHost } from './sim-host.ts';
import { type SchedulerMaker, SimSupernode, type Wires } from './sim-supernode.ts';
import { Trace } from './trace.ts';

/** How long a child waits for a byte before it gives a transfer up. */
const STALL_MS = 2_000;
const RESET_MS = 5;
/** A busy host that says nothing for so long is silent. */
const SILENT_MS = 750;
/** The supernode sees that a session is gone. */
const NOTICE_MS = 50;
const REREAD_MS = 200;

export class World implements Wires {
  readonly options: SimOptions;
  readonly random: Random;
  readonly queue = new EventQueue();
  readonly network = new Network(this.queue);
  readonly trace: Trace;
  readonly traffic: PieceTraffic;
  readonly justice: Justice;
  readonly hosts: SimHost[] = [];
  readonly supernodes: SimSupernode[] = [];
  readonly contents: ContentId[] = [];
  /** Hosts that are alive, joined, and not done. */
  busy = 0;
  /** Joins still to come. */
  coming = 0;
  #noisy = true;

  constructor(options: SimOptions, make: SchedulerMaker = (settings) => new Scheduler(settings)) {
    this.options = options;
    this.random = new Random(options.seed);
    this.trace = new Trace(options.trace);
    this.justice = new Justice(options);
    this.traffic = new PieceTraffic({
      options,
      queue: this.queue,
      network: this.network,
      supernodes: this.supernodes,
      tell: (host, supernode, event) => this.tell(host, supernode, event),
      finished: (child, content, copy) => this.#finished(child, content, copy),
      gaveWrong: (parent, child) => this.justice.gaveWrong(parent, child),
    });
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
      host.copies.set(content, {
        truth,
        wants: host.seed ? 'nothing' : 'all',
        window: null,
        doneAt: undefined,
        joinedAt: this.queue.now,
      });
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
        wants: copy.truth.full ? 'nothing' : copy.wants,
        ...(copy.window === null ? {} : { window: copy.window }),
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
        if (host.alive && stillTrue(host, event)) supernode.receive(event);
      });
    send(host.seed ? 0 : wordMs(host, this.seedHost, this.options));
    if (this.#noisy && repeatedMessages > 0 && this.random.chance(repeatedMessages)) {
      send(this.options.latencyMs + this.random.between(0, 200));
    }
  }

  tellAll(host: SimHost, event: SchedulerEvent): void {
    for (const supernode of this.supernodes) this.#deliver(host, supernode, () => event);
  }

  saw(supernode: SimSupernode, what: SchedulerEvent | SchedulerCommand): void {
    this.trace.add(this.queue.now, supernode.index, what);
    if (what.type === 'isolated') this.justice.isolated(this.#hostOf(what.host), what);
  }

  unheard({ child, parent }: Accused): void {
    const [taker, giver] = [this.#hostOf(child), this.#hostOf(parent)];
    if (taker !== undefined && giver !== undefined) this.justice.unheard(taker, giver);
  }

  carryOut(supernode: SimSupernode, command: SchedulerCommand): void {
    if (command.type === 'starved') {
      this.queue.after(REREAD_MS, () => this.#reread(command.content, command.pieces));
      return;
    }
    if (command.type === 'check-piece') {
      this.#check(supernode, command);
      return;
    }
    if (command.type !== 'assign' && command.type !== 'cancel') return;
    if (this.#noisy && this.random.chance(this.options.faults.lostMessages)) return;
    const child = this.#hostOf(command.child);
    if (child === undefined) return;
    this.queue.after(wordMs(this.seedHost, child, this.options), () => {
      if (!child.alive) return;
      if (command.type === 'cancel') this.traffic.cancel(supernode, child, command);
      else {
        const parent = this.#hostOf(command.parent);
        if (parent !== undefined) this.traffic.ask(supernode, child, parent, command);
      }
    });
  }

  /** The supernode gets the piece itself; what it sees is what a child would have seen at that moment. */
  #check(
    supernode: SimSupernode,
    { check, content, host, piece }: Extract<SchedulerCommand, { type: 'check-piece' }>,
  ): void {
    const { latencyMs, pieceSize, rate } = this.options;
    this.queue.after(latencyMs * 2 + (pieceSize * 1000) / rate, () => {
      const parent = this.#hostOf(host);
      const there = parent?.alive && !parent.stalled && parent.copies.get(content)?.truth.has(piece);
      const outcome = !there ? 'unknown' : parent.corrupt ? 'wrong' : 'right';
      if (parent !== undefined) this.justice.checked(parent, outcome);
      supernode.receive({ type: 'piece-checked', check, outcome });
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

  #finished(child: SimHost, content: ContentId, copy: Copy): void {
    if (copy.doneAt !== undefined) return;
    copy.doneAt = this.queue.now;
    this.tellAll(child, { type: 'peer-left', host: child.id, content, keeps: true });
    if (!child.done) return;
    this.busy--;
    if (this.options.leaveWhenDone) this.queue.after(this.options.latencyMs * 2, () => this.leave(child, true));
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
    this.traffic.dropAll(host, RESET_MS);
  }

  /** Its process is stopped for so long: its session says nothing either. */
  pause(host: SimHost, millis: number): void {
    if (host.stalled) return;
    this.stall(host, millis);
    const tell = (after: number, type: 'host-silent' | 'host-heard'): void =>
      this.queue.after(after, () => {
        if (host.alive) for (const supernode of this.supernodes) supernode.receive({ type, host: host.id });
      });
    if (millis <= SILENT_MS) return;
    tell(SILENT_MS, 'host-silent');
    tell(millis, 'host-heard');
  }

  /** Its uplink freezes; children give up what they were getting. */
  stall(host: SimHost, millis: number): void {
    const capacity = host.up.capacity * 1000;
    if (capacity === 0) return;
    host.stalled = true;
    this.network.setCapacity(host.up, 0);
    const stuck = [...host.serving];
    this.queue.after(STALL_MS, () => {
      if (host.stalled) for (const request of stuck) this.traffic.fail(request, 'peer-stalled');
    });
    this.queue.after(millis, () => {
      host.stalled = false;
      this.network.setCapacity(host.up, capacity);
      if (host.alive) this.traffic.pump(host);
    });
  }
}

/** A session keeps its order: the repeat of a report cannot come after the word that the piece is lost. */
function stillTrue(host: SimHost, event: SchedulerEvent): boolean {
  return event.type !== 'piece-held' || (host.copies.get(event.content)?.truth.has(event.piece) ?? false);
}
