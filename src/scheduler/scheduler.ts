/**
 * The supernode's mind: which child takes which piece from which parent. `handleAll` takes in what came together, lets it
 * change the state, gives work to whoever became ready, and returns the commands. Nothing else happens here.
 */
import { unreachable } from '../base/assert.ts';
import { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import { Clockwork } from './clockwork.ts';
import { type Core, ReadyHosts } from './core.ts';
import { Dispatcher } from './dispatcher.ts';
import type { SchedulerCommand, SchedulerCore, SchedulerEvent } from './events.ts';
import { SwarmsByHost } from './host-swarms.ts';
import { HostTable } from './host-table.ts';
import { Leases } from './leases.ts';
import { checkLimits, DEFAULT_LIMITS, type Limits } from './limits.ts';
import { Membership } from './membership.ts';
import { Pairs } from './pairs.ts';
import { Reports } from './reports.ts';
import { Transfers } from './transfers.ts';

export type SchedulerSettings = Partial<Limits> & { readonly random: Random };

export class Scheduler implements SchedulerCore {
  readonly #core: Core;
  readonly #membership: Membership;
  readonly #reports: Reports;
  readonly #dispatcher: Dispatcher;
  readonly #clockwork: Clockwork;

  constructor(settings: SchedulerSettings) {
    const { random, ...changed } = settings;
    const limits = checkLimits({ ...DEFAULT_LIMITS, ...changed });
    this.#core = {
      limits,
      random,
      hosts: new HostTable(limits.maxIdcs),
      swarms: new Map(),
      swarmsOf: new SwarmsByHost(),
      leases: new Leases(random.uint32()),
      pairs: new Pairs(),
      ready: new ReadyHosts(),
      isolated: new Set(),
      fresh: [],
      out: [],
    };
    const transfers = new Transfers(this.#core);
    this.#membership = new Membership(this.#core, transfers);
    this.#reports = new Reports(this.#core, transfers, this.#membership);
    this.#dispatcher = new Dispatcher(this.#core, transfers);
    this.#clockwork = new Clockwork(this.#core, this.#reports, this.#membership, this.#dispatcher, transfers);
  }

  handle(event: SchedulerEvent, now: Millis): readonly SchedulerCommand[] {
    return this.handleAll([event], now);
  }

  handleAll(events: readonly SchedulerEvent[], now: Millis): readonly SchedulerCommand[] {
    this.#core.out = [];
    for (const event of events) this.#apply(event, now);
    this.#dispatcher.settle(now);
    this.#clockwork.speak(now);
    return this.#core.out;
  }

  /** The pieces that a host is known to hold; undefined when it is not in that swarm. */
  heldBy(id: HostId, content: ContentId): Bitfield | undefined {
    const swarm = this.#core.swarms.get(content);
    const host = this.#core.hosts.get(id);
    const peer = swarm === undefined || host === undefined ? -1 : swarm.peerOf(host);
    if (swarm === undefined || peer < 0) return undefined;
    const held = new Bitfield(swarm.pieces);
    for (let piece = 0; piece < swarm.pieces; piece++) if (swarm.rows.held(peer, piece)) held.set(piece);
    return held;
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
      case 'piece-held':
        this.#reports.held(event, now);
        break;
      case 'piece-failed':
        this.#reports.failed(event, now);
        break;
      case 'pieces-lost':
        this.#reports.lost(event);
        break;
      case 'tick':
        this.#clockwork.tick(now);
        break;
      default:
        unreachable(event);
    }
  }
}
