/**
 * Watches a scheduler from outside: keeps its own plain books of what the scheduler was told and of what it has asked for, and
 * raises a Foul as soon as a command contradicts them. It shares no code with the scheduler on purpose.
 */
import type { PieceWindow } from '../protocol/messages.ts';
import type { Core } from '../scheduler/core.ts';
import type { SchedulerCommand, SchedulerEvent, Wants } from '../scheduler/events.ts';
import { downLine, upLine } from '../scheduler/lines.ts';
import { auditState } from './audit.ts';

type ToldPeer = { readonly held: Set<number>; wants: Wants; window: PieceWindow | null };
type ToldHost = { readonly seed: boolean; uploads: boolean; readonly peers: Map<string, ToldPeer> };
type OpenLease = { readonly child: string; readonly parent: string; readonly content: string; readonly piece: number };
type Assign = Extract<SchedulerCommand, { type: 'assign' }>;

/** Wrong bytes, as a child has said. */
export type Accused = { readonly child: string; readonly parent: string; readonly content: string };

/** Events between two full audits of the scheduler's state. */
const AUDIT_EVERY = 37;

export class Foul extends Error {
  override readonly name = 'Foul';
}

export class Referee {
  readonly #on: boolean;
  readonly #hosts = new Map<string, ToldHost>();
  readonly #leases = new Map<number, OpenLease>();
  readonly #isolated = new Map<string, number>();
  readonly #probation = new Set<string>();
  /** `host content`. */
  readonly #excluded = new Set<string>();
  readonly #silent = new Set<string>();
  readonly #contents = new Map<string, number>();
  #events = 0;
  #accused: Accused[] = [];
  /** Copies of a piece sent to a child that was already getting it. */
  hedges = 0;

  constructor(on: boolean) {
    this.#on = on;
  }

  reset(): void {
    this.#hosts.clear();
    this.#leases.clear();
    this.#isolated.clear();
    this.#probation.clear();
    this.#excluded.clear();
    this.#silent.clear();
    this.#contents.clear();
  }

  before(event: SchedulerEvent, now: number): void {
    if (!this.#on) return;
    for (const [host, until] of this.#isolated) {
      if (until > now || event.type !== 'tick') continue;
      this.#isolated.delete(host);
      this.#probation.add(host);
    }
    switch (event.type) {
      case 'host-joined':
        this.#hostJoined(event);
        break;
      case 'host-left':
        this.#endLeases((lease) => lease.child === event.host || lease.parent === event.host);
        this.#hosts.delete(event.host);
        this.#silent.delete(event.host);
        break;
      case 'content-shaped':
        this.#contents.set(event.content, event.pieces);
        break;
      case 'content-closed':
        this.#contents.delete(event.content);
        this.#endLeases((lease) => lease.content === event.content);
        for (const host of this.#hosts.values()) host.peers.delete(event.content);
        break;
      case 'peer-joined':
        this.#endLeases((l) => l.content === event.content && (l.child === event.host || l.parent === event.host));
        if (this.#contents.has(event.content)) {
          this.#hosts.get(event.host)?.peers.set(event.content, {
            held: new Set(event.held),
            wants: event.wants,
            window: event.window ?? null,
          });
        }
        break;
      case 'peer-left':
        this.#peerLeft(event);
        break;
      case 'piece-held':
        this.#held(event);
        break;
      case 'piece-failed':
        this.#failed(event);
        break;
      case 'pieces-lost':
        this.#lost(event);
        break;
      case 'window-moved':
        this.#windowMoved(event);
        break;
      case 'host-silent':
        if (this.#hosts.has(event.host)) this.#silent.add(event.host);
        break;
      case 'host-heard':
        this.#silent.delete(event.host);
        break;
      default:
        break;
    }
  }

  command(command: SchedulerCommand, now: number): void {
    if (!this.#on) return;
    switch (command.type) {
      case 'assign':
        this.#assign(command);
        break;
      case 'cancel':
        this.#leases.delete(command.lease);
        break;
      case 'isolated':
        if (this.#hosts.get(command.host)?.seed) throw new Foul(`the seed ${command.host} was isolated`);
        this.#isolated.set(command.host, command.until);
        this.#probation.delete(command.host);
        if (command.until < now) throw new Foul(`${command.host} isolated until the past`);
        break;
      case 'released':
        this.#probation.delete(command.host);
        this.#isolated.delete(command.host);
        break;
      case 'excluded':
        this.#excluded.add(`${command.host} ${command.content}`);
        break;
      case 'admitted':
        this.#excluded.delete(`${command.host} ${command.content}`);
        break;
      case 'starved':
        for (const piece of command.pieces) this.#starved(command.content, piece);
        break;
      default:
        break;
    }
  }

  /** It gives nothing of this content now, as far as the scheduler has said. */
  isOut(host: string, content: string): boolean {
    return this.#isolated.has(host) || this.#excluded.has(`${host} ${content}`);
  }

  /** Gives what was said of wrong bytes and changed nothing. */
  after(state: Core): readonly Accused[] {
    if (!this.#on) return [];
    this.#events++;
    const unheard = this.#accused.filter(({ parent, content }) => !this.isOut(parent, content));
    this.#accused = [];
    if (state.leases.live !== this.#leases.size) {
      throw new Foul(`${state.leases.live} leases counted, ${this.#leases.size} are open`);
    }
    if (this.#events % AUDIT_EVERY === 0) this.audit(state);
    return unheard;
  }

  audit(state: Core): void {
    const problem = auditState(state);
    if (problem !== undefined) throw new Foul(problem);
    const ups = new Map<string, number>();
    const downs = new Map<string, number>();
    for (const { parent, child } of this.#leases.values()) {
      ups.set(parent, (ups.get(parent) ?? 0) + 1);
      downs.set(child, (downs.get(child) ?? 0) + 1);
    }
    for (const host of state.hosts.values()) {
      const given = state.hosts.lines.count(upLine(host.index));
      const taken = state.hosts.lines.count(downLine(host.index));
      if (given !== (ups.get(host.id) ?? 0)) throw new Foul(`${host.id} counts ${given} uploads`);
      if (taken !== (downs.get(host.id) ?? 0)) throw new Foul(`${host.id} counts ${taken} downs`);
    }
    for (const [name, told] of this.#hosts) {
      for (const [content, peer] of told.peers) this.#sameHeld(state, name, content, peer);
    }
  }

  #sameHeld(state: Core, name: string, content: string, told: ToldPeer): void {
    for (const swarm of state.swarms.values()) {
      if (swarm.content !== content) continue;
      const host = [...state.hosts.values()].find((one) => one.id === name);
      const peer = host === undefined ? -1 : swarm.peerOf(host.index);
      if (peer < 0) throw new Foul(`${name} is not in its swarm`);
      if (swarm.heldCount(peer) !== told.held.size) {
        throw new Foul(`${name} holds ${told.held.size} pieces, ${swarm.heldCount(peer)} are known`);
      }
    }
  }

  #assign(command: Assign): void {
    const { child, parent, content, piece, lease } = command;
    const text = `${child} takes ${piece} from ${parent}`;
    const giver = this.#hosts.get(parent);
    const taker = this.#hosts.get(child)?.peers.get(content);
    if (giver === undefined || taker === undefined) throw new Foul(`${text}: one of them is not here`);
    if (child === parent) throw new Foul(`${text}: itself`);
    if (!giver.uploads) throw new Foul(`${text}: it does not give`);
    if (!giver.peers.get(content)?.held.has(piece)) throw new Foul(`${text}: the parent does not hold it`);
    if (taker.wants === 'nothing') throw new Foul(`${text}: the child wants nothing`);
    if (taker.wants === 'window' && !inside(taker.window, piece)) throw new Foul(`${text}: out of its window`);
    if (taker.held.has(piece)) throw new Foul(`${text}: the child holds it`);
    if (this.#isolated.has(parent)) throw new Foul(`${text}: the parent is isolated`);
    if (this.isOut(parent, content)) throw new Foul(`${text}: the parent is excluded`);
    if (this.#silent.has(parent) || this.#silent.has(child)) throw new Foul(`${text}: one of them is silent`);
    if (this.#leases.has(lease)) throw new Foul(`${text}: lease ${lease} given twice`);
    let same = 0;
    let ups = 0;
    for (const open of this.#leases.values()) {
      if (open.parent === parent) ups++;
      if (open.child !== child || open.content !== content || open.piece !== piece) continue;
      same++;
      if (open.parent === parent) throw new Foul(`${text}: hedged at the same parent`);
    }
    if (same > 1) throw new Foul(`${text}: for the third time at once`);
    if (same === 1) this.hedges++;
    if (this.#probation.has(parent) && ups > 0) throw new Foul(`${text}: the parent is on probation and busy`);
    this.#leases.set(lease, { child, parent, content, piece });
  }

  #starved(content: string, piece: number): void {
    for (const [name, host] of this.#hosts) {
      const held = host.peers.get(content)?.held.has(piece) ?? false;
      if (held && host.uploads && !this.isOut(name, content)) throw new Foul(`${piece} starved, but ${name} has it`);
    }
  }

  #hostJoined(event: Extract<SchedulerEvent, { type: 'host-joined' }>): void {
    const known = this.#hosts.get(event.host);
    if (known === undefined) {
      this.#hosts.set(event.host, { seed: event.seed, uploads: event.uploads, peers: new Map() });
    } else known.uploads = event.uploads;
  }

  #peerLeft(event: Extract<SchedulerEvent, { type: 'peer-left' }>): void {
    const host = this.#hosts.get(event.host);
    const peer = host?.peers.get(event.content);
    if (host === undefined || peer === undefined) return;
    this.#endLeases((l) => l.content === event.content && l.child === event.host);
    peer.wants = 'nothing';
    if (event.keeps) return;
    this.#endLeases((l) => l.content === event.content && l.parent === event.host);
    host.peers.delete(event.content);
  }

  #windowMoved(event: Extract<SchedulerEvent, { type: 'window-moved' }>): void {
    const peer = this.#hosts.get(event.host)?.peers.get(event.content);
    if (peer === undefined) return;
    peer.window = event.window;
    if (peer.wants !== 'nothing') peer.wants = event.wants ?? peer.wants;
  }

  #held(event: Extract<SchedulerEvent, { type: 'piece-held' }>): void {
    const pieces = this.#contents.get(event.content);
    if (pieces === undefined || !(event.piece >= 0 && event.piece < pieces)) return;
    const peer = this.#hosts.get(event.host)?.peers.get(event.content);
    if (peer === undefined) return;
    const lease = this.#leases.get(event.lease);
    if (lease?.child === event.host && lease.piece === event.piece && lease.content === event.content) {
      this.#leases.delete(event.lease);
    }
    // Other leases of that child and piece must be cancelled in the answer; `after` counts.
    peer.held.add(event.piece);
  }

  #failed(event: Extract<SchedulerEvent, { type: 'piece-failed' }>): void {
    const lease = this.#leases.get(event.lease);
    if (lease?.child !== event.host || lease.piece !== event.piece || lease.content !== event.content) return;
    this.#leases.delete(event.lease);
    if (event.fault === 'peer-corrupt') this.#accused.push({ ...lease, child: event.host });
    const parent = this.#hosts.get(lease.parent);
    if (event.fault === 'peer-lacks' && !parent?.seed) parent?.peers.get(event.content)?.held.delete(event.piece);
  }

  #lost(event: Extract<SchedulerEvent, { type: 'pieces-lost' }>): void {
    const held = this.#hosts.get(event.host)?.peers.get(event.content)?.held;
    if (held === undefined) return;
    if (event.pieces === 'all') held.clear();
    else for (const piece of event.pieces) held.delete(piece);
  }

  #endLeases(which: (lease: OpenLease) => boolean): void {
    for (const [id, lease] of this.#leases) if (which(lease)) this.#leases.delete(id);
  }
}

function inside(window: PieceWindow | null, piece: number): boolean {
  return window !== null && piece >= window.from && piece < window.from + window.count;
}
