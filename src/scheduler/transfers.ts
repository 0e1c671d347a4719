/**
 * The life of a transfer: begun with a lease, ended exactly once as delivered or as dropped. This is the only writer of
 * what is in flight, so that bits, copy counts and slots always tell the same story.
 */
import type { Millis } from '../base/clock.ts';
import type { Core } from './core.ts';
import { type Host, latestMs } from './host-table.ts';
import type { Lease, Terms } from './leases.ts';
import type { Swarm } from './swarm.ts';

const MEDIAN_STEP = 0.05;
/**
 * Longer ones are not a round trip but a clock that jumped, a host that slept, or pieces that wait at a child for their turn:
 * taken for a long way they would have more pieces sent to wait there.
 */
const MAX_ROUND_MS = 250;
const MAX_FLIGHT_MS = 10_000;

export class Transfers {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** `late` is the lease that this one hedges. */
  begin(terms: Terms, now: Millis, late?: Lease): boolean {
    const { leases, limits, out } = this.#core;
    const { swarm, parent, child, childPeer: peer, piece } = terms;
    const bytes = swarm.bytesOf(piece);
    const upMs = parent.expectedUpMs(bytes, limits);
    const expectedMs = Math.max(upMs, child.expectedDownMs(bytes, limits));
    const patience = 2 ** Math.min(swarm.woes(peer), 6);
    const lateMs = limits.deadlineFactor * latestMs(parent, child, bytes, limits) + limits.deadlineSlackMs;
    const wait = Math.max(limits.minDeadlineMs, lateMs) * patience;
    if (parent.ups === 0) parent.up.busy(now);
    if (child.downs === 0) child.down.busy(now);
    child.flight.sample(Math.min(upMs + (parent.upLine.round.ms || 0), MAX_FLIGHT_MS));
    const lease = leases.open(terms, bytes, now);
    if (lease === undefined) return false;
    leases.expect(lease, expectedMs, now + Math.min(wait, limits.maxDeadlineMs));
    if (late !== undefined) {
      leases.pair(lease, late);
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
    parent.deliveredAt = now;
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
    const { id, swarm, child, childPeer: peer, piece, twin } = lease;
    this.#close(lease);
    if (twin === undefined && !swarm.rows.held(peer, piece)) swarm.release(peer, piece);
    if (tell) this.#core.out.push({ type: 'cancel', content: swarm.content, child: child.id, piece, lease: id });
  }

  #close(lease: Lease): void {
    const { parent, child } = lease;
    this.#core.leases.close(lease);
    this.updateRoom(child);
    this.#core.ready.wakeParent(parent);
    this.#core.ready.wakeChild(child);
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
