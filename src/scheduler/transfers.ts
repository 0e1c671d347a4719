/**
 * The life of a transfer: begun with a lease, ended exactly once as delivered or as dropped. This is the only writer of
 * what is in flight, so that bits, copy counts and slots always tell the same story.
 */
import type { Millis } from '../base/clock.ts';
import type { LeaseId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { Host } from './host-table.ts';
import type { Lease } from './leases.ts';
import type { Swarm } from './swarm.ts';

const MEDIAN_STEP = 0.05;
/** Longer ones are not a round trip but a clock that jumped, or a host that slept. */
const MAX_ROUND_MS = 1000;
const MAX_FLIGHT_MS = 10_000;

export class Transfers {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** `late` is the lease that this one hedges. */
  begin(swarm: Swarm, parent: Host, child: Host, piece: number, now: Millis, late?: Lease): boolean {
    const { leases, limits, out } = this.#core;
    const bytes = swarm.bytesOf(piece);
    const peer = swarm.peerOf(child);
    const expectedMs = Math.max(parent.expectedUpMs(bytes, limits), child.expectedDownMs(bytes, limits));
    const patience = 2 ** Math.min(swarm.woes(peer), 6);
    const wait = Math.max(limits.minDeadlineMs, limits.deadlineFactor * expectedMs + limits.deadlineSlackMs) * patience;
    if (parent.ups === 0) parent.up.busy(now);
    if (child.downs === 0) child.down.busy(now);
    const flightMs = parent.expectedUpMs(bytes, limits) + (parent.upLine.round.ms || 0);
    child.flight.sample(Math.min(flightMs, MAX_FLIGHT_MS));
    const lease: Lease = {
      swarm,
      parent,
      child,
      piece,
      bytes,
      startedAt: now,
      expectedMs,
      twin: late,
      slot: 0,
      id: 0 as LeaseId,
      upIndex: 0,
      downIndex: 0,
    };
    if (!leases.open(lease, now + Math.min(wait, limits.maxDeadlineMs))) return false;
    if (late !== undefined) {
      late.twin = lease;
    } else {
      if (parent.seed && swarm.groupOf(child).has(piece)) swarm.repeated++;
      else if (parent.seed) swarm.copies.seeded(piece, now);
      swarm.take(peer, piece);
    }
    this.updateRoom(child);
    out.push({
      type: 'assign',
      content: swarm.content,
      child: child.id,
      parent: parent.id,
      piece,
      lease: lease.id,
    });
    this.#core.fresh.push(lease);
    return true;
  }

  delivered(lease: Lease, millis: Millis, now: Millis): void {
    const { parent, child, swarm } = lease;
    parent.up.carried(lease.bytes, now);
    child.down.carried(lease.bytes, now);
    if (millis > 0) {
      const roundMs = Math.min(Math.max(now - lease.startedAt - millis, 0), MAX_ROUND_MS);
      parent.upLine.round.sample(roundMs);
      child.downLine.round.sample(roundMs);
    }
    swarm.delivered++;
    const took = millis > 0 ? millis : now - lease.startedAt;
    if (swarm.medianMs === 0) swarm.medianMs = took;
    else swarm.medianMs *= took > swarm.medianMs ? 1 + MEDIAN_STEP : 1 - MEDIAN_STEP;
    this.#close(lease);
  }

  /** The piece is free again unless its twin still brings it. `tell` = the child is still busy with it. */
  dropped(lease: Lease, tell: boolean): void {
    const { swarm, child, piece, twin } = lease;
    this.#close(lease);
    const peer = swarm.peerOf(child);
    if (peer >= 0 && twin === undefined && !swarm.rows.held(peer, piece)) swarm.release(peer, piece);
    if (tell) {
      this.#core.out.push({ type: 'cancel', content: swarm.content, child: child.id, piece, lease: lease.id });
    }
  }

  #close(lease: Lease): void {
    this.#core.leases.close(lease);
    this.updateRoom(lease.child);
    this.#core.ready.wakeParent(lease.parent);
    this.#core.ready.wakeChild(lease.child);
  }

  /** The downlink is the host's, so that what it gets in one swarm counts in all. */
  updateRoom(child: Host): void {
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      swarm.setFull(swarm.peerOf(child), !child.hasDownRoom(swarm.pieceSize, this.#core.limits));
    }
  }

  /** Leases of this child for this piece, at most two. */
  of(swarm: Swarm, child: Host, piece: number): Lease[] {
    return this.#core.leases.downs(child).filter((lease) => lease.swarm === swarm && lease.piece === piece);
  }
}
