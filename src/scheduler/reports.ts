/** What children say about pieces: held, failed, lost. Late and foolish reports change nothing that is not true anyway. */
import type { Millis } from '../base/clock.ts';
import type { Accusations } from './accusations.ts';
import type { Core } from './core.ts';
import type { SchedulerEvent } from './events.ts';
import type { Host } from './host-table.ts';
import type { Isolation } from './isolation.ts';
import type { Lease } from './leases.ts';
import type { Membership } from './membership.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

type EventOf<T extends SchedulerEvent['type']> = Extract<SchedulerEvent, { type: T }>;
type Word = EventOf<'piece-held'> | EventOf<'piece-failed'>;
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

  held(event: EventOf<'piece-held'>, now: Millis): void {
    const lease = this.#leaseOf(event);
    if (lease !== undefined) {
      const { swarm, child, childPeer } = lease;
      this.#delivered(lease, event.millis, now);
      this.#holds(swarm, child, childPeer, event.piece);
      return;
    }
    const place = this.#place(event);
    if (place === undefined || !isPiece(event.piece, place.swarm)) return;
    this.#holds(place.swarm, place.host, place.peer, event.piece);
  }

  #holds(swarm: Swarm, host: Host, peer: number, piece: number): void {
    if (swarm.rows.held(peer, piece)) return;
    // It may also have come by the other lease of a hedge, by one that had timed out, or from the source.
    if (swarm.rows.taken(peer, piece)) {
      for (const other of this.#transfers.of(swarm, host, piece)) this.#transfers.dropped(other, true);
    }
    swarm.hold(peer, piece);
    swarm.setWoes(peer, 0);
    this.#membership.pieceHeld(swarm);
    this.#core.ready.wakeParent(host);
    this.#core.ready.wakeChild(host);
  }

  failed(event: EventOf<'piece-failed'>, now: Millis): void {
    const lease = this.#leaseOf(event);
    if (lease !== undefined) this.blame(lease, event.fault, now, false);
  }

  lost(event: EventOf<'pieces-lost'>): void {
    const place = this.#place(event);
    if (place === undefined) return;
    const { host, swarm, peer } = place;
    const pieces = event.pieces === 'all' ? [...swarm.rows.bits(peer, 'held')] : event.pieces;
    for (const piece of pieces) {
      if (!isPiece(piece, swarm) || !swarm.rows.held(peer, piece)) continue;
      swarm.release(peer, piece);
      for (const lease of this.#core.leases.ups(host).filter((own) => own.swarm === swarm && own.piece === piece)) {
        this.#transfers.dropped(lease, true);
      }
    }
    this.#membership.pieceHeld(swarm);
    this.#transfers.updateRoom(host);
    this.#core.ready.wakeChild(host);
  }

  /** The lease failed: by the child's word, or because no word came (`tell` = the child may still be at it). */
  blame(lease: Lease, fault: EventOf<'piece-failed'>['fault'], now: Millis, tell: boolean): void {
    const { limits, pairs, ready } = this.#core;
    const { parent, child, swarm, piece, startedAt } = lease;
    this.#transfers.dropped(lease, tell);
    const peer = swarm.peerOf(child);
    swarm.setWoes(peer, swarm.woes(peer) + 1);
    pairs.avoid(parent, child, now + limits.avoidMs);
    if (fault === 'peer-corrupt') this.#accusations.accuse({ parent, child, swarm, piece }, now);
    if (SILENCES.has(fault)) this.#endStuck(parent, startedAt, now);
    const parentPeer = swarm.peerOf(parent);
    if (fault === 'peer-lacks' && parentPeer >= 0 && swarm.rows.held(parentPeer, piece)) {
      if (!parent.seed) swarm.release(parentPeer, piece);
      ready.wakeChild(parent);
    }
    if (fault === 'peer-stalled' || fault === 'timeout') parent.up.halve();
    if (!parent.seed && parent.trust.failed(fault, child.id, now, limits)) this.#isolation.isolate(parent, fault, now);
  }

  /**
   * The parent has given nothing to anybody since this lease began: what else is late at it is stuck too. Others then need not wait until
   * they have found that out themselves. What is not late stays: one child's word ends nothing that goes well.
   */
  #endStuck(parent: Host, startedAt: Millis, now: Millis): void {
    const { leases, limits } = this.#core;
    if (parent.deliveredAt >= startedAt) return;
    for (const other of [...leases.ups(parent)]) {
      const late = now - other.startedAt > Math.max(limits.stuckMs, limits.deadlineFactor * other.expectedMs);
      if (!late || parent.deliveredAt >= other.startedAt) continue;
      this.#core.pairs.avoid(parent, other.child, now + limits.avoidMs);
      this.#transfers.dropped(other, true);
    }
  }

  #delivered(lease: Lease, millis: Millis, now: Millis): void {
    const { parent } = lease;
    const twin = lease.twin;
    this.#core.pairs.expire(now);
    this.#transfers.delivered(lease, millis, now);
    if (twin !== undefined) this.#transfers.dropped(twin, true);
    if (parent.trust.delivered(now, this.#core.limits)) this.#core.out.push({ type: 'released', host: parent.id });
  }

  /** The open lease that the event names, if it is this host's and about this piece: then nothing need be looked up. */
  #leaseOf({ lease: id, host, content, piece }: Word): Lease | undefined {
    const lease = this.#core.leases.find(id);
    if (lease === undefined || lease.piece !== piece) return undefined;
    return lease.child.id === host && lease.swarm.content === content ? lease : undefined;
  }

  #place(event: { readonly host: Host['id']; readonly content: Swarm['content'] }): Place | undefined {
    const host = this.#core.hosts.get(event.host);
    const swarm = this.#core.swarms.get(event.content);
    if (host === undefined || swarm === undefined) return undefined;
    const peer = swarm.peerOf(host);
    return peer < 0 ? undefined : { host, swarm, peer };
  }
}

function isPiece(piece: number, swarm: Swarm): boolean {
  return Number.isInteger(piece) && piece >= 0 && piece < swarm.pieces;
}
