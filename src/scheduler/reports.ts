/** What children say about pieces: held, failed, lost. Late and foolish reports change nothing that is not true anyway. */
import type { Millis } from '../base/clock.ts';
import type { Accusations } from './accusations.ts';
import type { Core } from './core.ts';
import type { SchedulerEvent } from './events.ts';
import { WATCHED } from './host-rows.ts';
import type { Host } from './host-table.ts';
import type { Isolation } from './isolation.ts';
import { type Lease, NO_LEASE } from './leases.ts';
import { upLine } from './lines.ts';
import type { Membership } from './membership.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

type EventOf<T extends SchedulerEvent['type']> = Extract<SchedulerEvent, { type: T }>;
type Word = EventOf<'piece-held'> | EventOf<'piece-near'> | EventOf<'piece-failed'>;
type Place = { readonly host: Host; readonly swarm: Swarm; readonly peer: number };

export type ReportsParts = {
  readonly transfers: Transfers;
  readonly membership: Membership;
  readonly isolation: Isolation;
  readonly accusations: Accusations;
};

/** The child's word that nothing came at all; a lease that ran out may only have been promised too much. */
const SILENCES: ReadonlySet<EventOf<'piece-failed'>['fault']> = new Set(['peer-stalled', 'peer-refused']);

export class Reports {
  readonly #core: Core;
  readonly #transfers: Transfers;
  readonly #membership: Membership;
  readonly #isolation: Isolation;
  readonly #accusations: Accusations;

  constructor(core: Core, parts: ReportsParts) {
    this.#core = core;
    this.#transfers = parts.transfers;
    this.#membership = parts.membership;
    this.#isolation = parts.isolation;
    this.#accusations = parts.accusations;
  }

  held(event: EventOf<'piece-held'>): void {
    const { leases, swarms } = this.#core;
    const lease = this.#leaseOf(event);
    if (lease !== NO_LEASE) {
      const swarm = swarms.at(leases.swarm(lease));
      if (swarm === undefined) return;
      const child = leases.child(lease);
      const childPeer = leases.childPeer(lease);
      // Nobody else brings it: its other lease, of a hedge, ends with it.
      this.#delivered(lease, swarm, event.millis);
      this.#holds(swarm, child, childPeer, event.piece);
      return;
    }
    const place = this.#place(event);
    if (place === undefined || !isPiece(event.piece, place.swarm)) return;
    const { swarm, host, peer } = place;
    // It came by a lease that had timed out, or from the source, and somebody may be about to bring it again.
    if (swarm.rows.taken(peer, event.piece) && !swarm.rows.held(peer, event.piece)) {
      for (const other of this.#transfers.of(swarm, host.index, event.piece)) this.#transfers.dropped(other, true);
    }
    this.#holds(swarm, host.index, peer, event.piece);
  }

  #holds(swarm: Swarm, host: number, peer: number, piece: number): void {
    if (swarm.rows.held(peer, piece)) return;
    swarm.hold(peer, piece);
    swarm.setWoes(peer, 0);
    this.#membership.pieceHeld(swarm);
    this.#core.ready.wakeParent(host);
    this.#core.ready.wakeChild(host);
  }

  near(event: EventOf<'piece-near'>): void {
    const { leases, swarms } = this.#core;
    const lease = this.#leaseOf(event);
    const swarm = lease === NO_LEASE ? undefined : swarms.at(leases.swarm(lease));
    if (swarm !== undefined) this.#transfers.near(lease, swarm);
  }

  failed(event: EventOf<'piece-failed'>, now: Millis): void {
    const lease = this.#leaseOf(event);
    if (lease !== NO_LEASE) this.blame(lease, event.fault, now, false);
  }

  lost(event: EventOf<'pieces-lost'>): void {
    const place = this.#place(event);
    if (place === undefined) return;
    const { leases } = this.#core;
    const { host, swarm, peer } = place;
    const pieces = event.pieces === 'all' ? [...swarm.rows.bits(peer, 'held')] : event.pieces;
    for (const piece of pieces) {
      if (!isPiece(piece, swarm) || !swarm.rows.held(peer, piece)) continue;
      swarm.release(peer, piece);
      for (const lease of leases.ups(host.index, swarm)) {
        if (leases.piece(lease) === piece) this.#transfers.dropped(lease, true);
      }
    }
    this.#membership.pieceHeld(swarm);
    this.#transfers.updateRoom(host.index);
    this.#core.ready.wakeChild(host.index);
  }

  /** The lease failed: by the child's word, or because no word came (`tell` = the child may still be at it). */
  blame(lease: Lease, fault: EventOf<'piece-failed'>['fault'], now: Millis, tell: boolean): void {
    const { limits, pairs, ready, leases, swarms, hosts } = this.#core;
    const swarm = swarms.at(leases.swarm(lease));
    const parent = hosts.at(leases.parent(lease));
    const child = hosts.at(leases.child(lease));
    if (swarm === undefined || parent === undefined || child === undefined) return;
    const piece = leases.piece(lease);
    const parentPeer = leases.parentPeer(lease);
    const childPeer = leases.childPeer(lease);
    const startedAt = leases.startedAt(lease);
    this.#transfers.dropped(lease, tell);
    swarm.setWoes(childPeer, swarm.woes(childPeer) + 1);
    pairs.avoid(parent.index, child.index, now + limits.avoidMs);
    if (fault === 'peer-corrupt') this.#accusations.accuse({ parent, child, swarm, piece }, now);
    if (SILENCES.has(fault)) this.#endStuck(parent.index, startedAt, now);
    if (fault === 'peer-lacks' && swarm.rows.held(parentPeer, piece)) {
      if (!parent.seed) swarm.release(parentPeer, piece);
      ready.wakeChild(parent.index);
    }
    if (fault === 'peer-stalled' || fault === 'timeout') hosts.lines.halve(upLine(parent.index));
    if (parent.seed) return;
    parent.watch();
    if (parent.trust.failed(fault, child.id, now, limits)) this.#isolation.isolate(parent, fault, now);
  }

  /**
   * The parent has given nothing to anybody since this lease began: what else is late at it is stuck too. Others then need not wait until
   * they have found that out themselves. What is not late stays: one child's word ends nothing that goes well.
   */
  #endStuck(parent: number, startedAt: Millis, now: Millis): void {
    const { leases, limits, hosts } = this.#core;
    const deliveredAt = hosts.lines.deliveredAt(upLine(parent));
    if (deliveredAt >= startedAt) return;
    for (const other of leases.ups(parent)) {
      const begun = leases.startedAt(other);
      const late = now - begun > Math.max(limits.stuckMs, limits.deadlineFactor * leases.expectedMs(other));
      if (!late || deliveredAt >= begun) continue;
      this.#core.pairs.avoid(parent, leases.child(other), now + limits.avoidMs);
      this.#transfers.dropped(other, true);
    }
  }

  #delivered(lease: Lease, swarm: Swarm, millis: Millis): void {
    const { leases, hosts, pairs, now } = this.#core;
    const parent = leases.parent(lease);
    const twin = leases.twin(lease);
    pairs.expire(now);
    this.#transfers.delivered(lease, swarm, millis);
    if (twin !== NO_LEASE) this.#transfers.dropped(twin, true);
    if (hosts.rows.is(parent, WATCHED)) this.#gaveWell(parent);
  }

  /** Something is held against it, or was until now. */
  #gaveWell(parent: number): void {
    const { hosts, limits, out, now } = this.#core;
    const host = hosts.at(parent);
    if (host === undefined) return;
    if (host.trust.delivered(now, limits)) out.push({ type: 'released', host: host.id, why: 'proved' });
    if (host.trust.clean) hosts.rows.set(parent, WATCHED, false);
  }

  /** The open lease that the event names, if it is this host's and about this piece: then nothing need be looked up. */
  #leaseOf({ lease: id, host, content, piece }: Word): Lease {
    const { leases, swarms, hosts } = this.#core;
    const lease = leases.find(id);
    if (lease === undefined || leases.piece(lease) !== piece) return NO_LEASE;
    const same = hosts.idOf(leases.child(lease)) === host && swarms.at(leases.swarm(lease))?.content === content;
    return same ? lease : NO_LEASE;
  }

  #place(event: { readonly host: Host['id']; readonly content: Swarm['content'] }): Place | undefined {
    const host = this.#core.hosts.get(event.host);
    const swarm = this.#core.swarms.get(event.content);
    if (host === undefined || swarm === undefined) return undefined;
    const peer = swarm.peerOf(host.index);
    return peer < 0 ? undefined : { host, swarm, peer };
  }
}

function isPiece(piece: number, swarm: Swarm): boolean {
  return Number.isInteger(piece) && piece >= 0 && piece < swarm.pieces;
}
