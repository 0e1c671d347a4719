/**
 * The supernode's mind: which child takes which piece from which parent. `handleAll` takes in what came together, lets it
 * change the state, gives work to whoever became ready, and returns the commands. Nothing else happens here.
 */
import { unreachable } from '../base/assert.ts';
import { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import { Accusations } from './accusations.ts';
import { Clockwork } from './clockwork.ts';
import { type Core, ReadyHosts } from './core.ts';
import { Dispatcher } from './dispatcher.ts';
import type { SchedulerCommand, SchedulerCore, SchedulerEvent } from './events.ts';
import { SwarmsByHost } from './host-swarms.ts';
import { HostTable } from './host-table.ts';
import { Isolation } from './isolation.ts';
import { Leases } from './leases.ts';
import { checkLimits, DEFAULT_LIMITS, type Limits } from './limits.ts';
import { downLine, upLine } from './lines.ts';
import { Membership } from './membership.ts';
import { Pairs } from './pairs.ts';
import { Reports } from './reports.ts';
import { SwarmTable } from './swarm-table.ts';
import { Transfers } from './transfers.ts';
import type { Standing } from './trust.ts';
import type { RememberedHost } from './trust-memory.ts';

export type SchedulerSettings = Partial<Limits> & { readonly random: Random };

export class Scheduler implements SchedulerCore {
  readonly #core: Core;
  readonly #membership: Membership;
  readonly #reports: Reports;
  readonly #dispatcher: Dispatcher;
  readonly #clockwork: Clockwork;
  readonly #isolation: Isolation;
  readonly #accusations: Accusations;

  constructor(settings: SchedulerSettings) {
    const { random, ...changed } = settings;
    const limits = checkLimits({ ...DEFAULT_LIMITS, ...changed });
    const hosts = new HostTable(limits);
    const swarms = new SwarmTable(hosts.rows);
    this.#core = {
      limits,
      random,
      hosts,
      swarms,
      swarmsOf: new SwarmsByHost(hosts.rows, swarms),
      leases: new Leases(hosts.rows, hosts.lines, random.uint32()),
      pairs: new Pairs(hosts.rows),
      ready: new ReadyHosts(hosts.rows),
      isolated: new Set(),
      excluded: new Set(),
      fresh: [],
      now: 0,
      out: [],
    };
    const transfers = new Transfers(this.#core);
    this.#membership = new Membership(this.#core, transfers);
    this.#isolation = new Isolation(this.#core, this.#membership, transfers);
    this.#accusations = new Accusations(this.#core, this.#isolation);
    const parts = {
      transfers,
      membership: this.#membership,
      isolation: this.#isolation,
      accusations: this.#accusations,
    };
    this.#reports = new Reports(this.#core, parts);
    this.#dispatcher = new Dispatcher(this.#core, transfers);
    this.#clockwork = new Clockwork(this.#core, { ...parts, reports: this.#reports, dispatcher: this.#dispatcher });
  }

  handle(event: SchedulerEvent, now: Millis): readonly SchedulerCommand[] {
    return this.handleAll([event], now);
  }

  handleAll(events: readonly SchedulerEvent[], now: Millis): readonly SchedulerCommand[] {
    this.#core.out = [];
    this.#core.now = now;
    for (const event of events) this.#apply(event, now);
    this.#accusations.advance(now);
    this.#dispatcher.settle();
    this.#clockwork.speak(now);
    return this.#core.out;
  }

  /** The pieces that a host is known to hold; undefined when it is not in that swarm. */
  heldBy(id: HostId, content: ContentId): Bitfield | undefined {
    const swarm = this.#core.swarms.get(content);
    const host = this.#core.hosts.get(id);
    const peer = swarm === undefined || host === undefined ? -1 : swarm.peerOf(host.index);
    if (swarm === undefined || peer < 0) return undefined;
    const held = new Bitfield(swarm.pieces);
    for (let piece = 0; piece < swarm.pieces; piece++) if (swarm.rows.held(peer, piece)) held.set(piece);
    return held;
  }

  /** How far a host is trusted, also one that is away; undefined when nothing is known of it. */
  standingOf(id: HostId, now: Millis): Standing | undefined {
    return this.#isolation.standing(id, now);
  }

  /** All that is held against hosts, of at most so many; for `recall` in another life. */
  remember(now: Millis, most: number): readonly RememberedHost[] {
    return this.#isolation.remember(now, most);
  }

  /** Before the first host joins: what was remembered so many milliseconds ago. */
  recall(remembered: readonly RememberedHost[], agoMs: Millis, now: Millis): void {
    this.#isolation.recall(remembered, agoMs, now);
  }

  /** Isolated hosts that are not here. */
  isolatedAway(now: Millis): readonly HostId[] {
    return this.#isolation.away(now);
  }

  /** Pieces on their way to a host, whatever their content. */
  comingTo(id: HostId): number {
    const { hosts } = this.#core;
    const host = hosts.get(id);
    return host === undefined ? 0 : hosts.lines.count(downLine(host.index));
  }

  /** Hosts that give or get something now, or are silent. */
  *busyHosts(): Iterable<HostId> {
    const { hosts } = this.#core;
    for (const host of hosts.values()) {
      const transfers = hosts.lines.count(upLine(host.index)) + hosts.lines.count(downLine(host.index));
      if (!host.seed && (transfers > 0 || host.silent)) yield host.id;
    }
  }

  /** For tests, the simulator's checks and the console; not to be changed from outside. */
  get state(): Core {
    return this.#core;
  }

  /** Bytes of indexed state per (peer, task), as the columns and rows stand. */
  get bytesPerPeer(): number {
    let bytes = 0;
    let peers = 0;
    for (const swarm of this.#core.swarms.values()) {
      bytes += swarm.bytes;
      peers += swarm.size;
    }
    return peers === 0 ? 0 : bytes / peers;
  }

  #apply(event: SchedulerEvent, now: Millis): void {
    switch (event.type) {
      // Nearly all of them are of this one.
      case 'piece-held':
        this.#reports.held(event);
        break;
      case 'piece-near':
        this.#reports.near(event);
        break;
      case 'host-joined':
        this.#membership.hostJoined(event);
        break;
      case 'host-left':
        this.#membership.hostLeft(event);
        break;
      case 'content-shaped':
        this.#membership.contentShaped(event);
        break;
      case 'content-closed':
        this.#membership.contentClosed(event);
        break;
      case 'peer-joined':
        this.#membership.peerJoined(event);
        break;
      case 'peer-left':
        this.#membership.peerLeft(event);
        break;
      case 'window-moved':
        this.#membership.windowMoved(event);
        break;
      case 'piece-failed':
        this.#reports.failed(event, now);
        break;
      case 'pieces-lost':
        this.#reports.lost(event);
        break;
      case 'host-silent':
        this.#membership.hostSilent(event);
        break;
      case 'host-heard':
        this.#membership.hostHeard(event);
        break;
      case 'piece-checked':
        this.#accusations.checked(event.check, event.outcome, now);
        break;
      case 'isolation-ordered':
        this.#isolation.order(event.host, now, event.forMs, event.note);
        break;
      case 'release-ordered':
        this.#isolation.orderRelease(event);
        break;
      case 'isolation-told':
        this.#isolation.told(event, now);
        break;
      case 'isolation-withdrawn':
        this.#isolation.withdrawn(event, now);
        break;
      case 'tick':
        this.#clockwork.tick(now);
        break;
      default:
        unreachable(event);
    }
  }
}
