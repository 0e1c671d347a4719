/**
 * The life of a transfer: begun with a lease, ended exactly once as delivered or as dropped. This is the only writer of
 * what is in flight, so that bits, copy counts and slots always tell the same story.
 */
import type { Millis } from '../base/clock.ts';
import type { Core } from './core.ts';
import { type Lease, NO_LEASE } from './leases.ts';
import { downLine, upLine } from './lines.ts';
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

  /** False when nothing more can be begun at all. */
  begin(swarm: Swarm, parentPeer: number, childPeer: number, piece: number): boolean {
    const lease = this.#lend(swarm, parentPeer, childPeer, piece);
    if (lease === NO_LEASE) return false;
    if (swarm.isSeed(parentPeer)) {
      if (swarm.groupOf(childPeer).has(piece)) swarm.repeated++;
      else swarm.copies.seeded(piece, this.#core.now);
    }
    swarm.take(childPeer, piece);
    this.#assign(swarm, lease);
    return true;
  }

  /** The piece of this lease from a second parent too. */
  hedge(late: Lease, swarm: Swarm, parentPeer: number): boolean {
    const { leases } = this.#core;
    const lease = this.#lend(swarm, parentPeer, leases.childPeer(late), leases.piece(late));
    if (lease === NO_LEASE) return false;
    leases.pair(lease, late);
    this.#assign(swarm, lease);
    return true;
  }

  delivered(lease: Lease, swarm: Swarm, millis: Millis): void {
    const { leases, hosts, now } = this.#core;
    const { lines } = hosts;
    const up = upLine(leases.parent(lease));
    const down = downLine(leases.child(lease));
    const bytes = leases.bytes(lease);
    const tookMs = now - leases.startedAt(lease);
    lines.delivered(up, now);
    lines.carried(up, bytes, now);
    lines.carried(down, bytes, now);
    if (millis > 0) {
      const roundMs = Math.min(Math.max(tookMs - millis, 0), MAX_ROUND_MS);
      lines.sampleRound(up, roundMs);
      lines.sampleRound(down, roundMs);
    }
    swarm.delivered++;
    const took = millis > 0 ? millis : tookMs;
    if (swarm.medianMs === 0) swarm.medianMs = took;
    else swarm.medianMs *= took > swarm.medianMs ? 1 + MEDIAN_STEP : 1 - MEDIAN_STEP;
    this.#close(lease);
  }

  /** What is left of it takes no longer than the next assignment: both links have room for that. */
  near(lease: Lease, swarm: Swarm): void {
    const { leases, hosts, ready } = this.#core;
    const child = leases.child(lease);
    if (hosts.isOverfed(child, swarm.pieceSize) || !leases.ease(lease)) return;
    this.updateRoom(child);
    ready.wakeParent(leases.parent(lease));
    ready.wakeChild(child);
  }

  /** The piece is free again unless its twin still brings it. `tell` = the child is still busy with it. */
  dropped(lease: Lease, tell: boolean): void {
    const { leases, swarms, hosts } = this.#core;
    const id = leases.id(lease);
    const swarm = swarms.at(leases.swarm(lease));
    const child = hosts.idOf(leases.child(lease));
    const peer = leases.childPeer(lease);
    const piece = leases.piece(lease);
    const twin = leases.twin(lease);
    this.#close(lease);
    if (swarm === undefined) return;
    if (twin === NO_LEASE && !swarm.rows.held(peer, piece)) swarm.release(peer, piece);
    if (tell) this.#core.out.push({ type: 'cancel', content: swarm.content, child, piece, lease: id });
  }

  /** The downlink is the host's, so that what it gets in one swarm counts in all. */
  updateRoom(child: number): void {
    const { swarmsOf, hosts } = this.#core;
    for (let i = 0; i < swarmsOf.activeCount(child); i++) {
      const swarm = swarmsOf.active(child, i);
      if (swarm === undefined) continue;
      const full = !hosts.hasDownRoom(child, swarm.pieceSize);
      swarm.setRoom(swarm.peerOf(child), full, hosts.isFed(child, swarm.pieceSize));
    }
  }

  /** Leases of this child for this piece, at most two. */
  of(swarm: Swarm, child: number, piece: number): Lease[] {
    const { leases } = this.#core;
    return leases.downs(child, swarm).filter((lease) => leases.piece(lease) === piece);
  }

  /** Opens the lease; NO_LEASE when there are too many. */
  #lend(swarm: Swarm, parentPeer: number, childPeer: number, piece: number): Lease {
    const { leases, hosts, limits, now } = this.#core;
    const { lines } = hosts;
    const parent = swarm.hostOf(parentPeer);
    const child = swarm.hostOf(childPeer);
    const up = upLine(parent);
    const down = downLine(child);
    const bytes = swarm.bytesOf(piece);
    const upMs = hosts.expectedMs(up, bytes);
    const expectedMs = Math.max(upMs, hosts.expectedMs(down, bytes));
    const patience = 2 ** Math.min(swarm.woes(childPeer), 6);
    const lateMs = limits.deadlineFactor * hosts.latestMs(parent, child, bytes) + limits.deadlineSlackMs;
    const wait = Math.max(limits.minDeadlineMs, lateMs) * patience;
    if (lines.count(up) === 0) lines.busy(up, now);
    if (lines.count(down) === 0) lines.busy(down, now);
    lines.sampleFlight(down, Math.min(upMs + (lines.roundMs(up) || 0), MAX_FLIGHT_MS));
    const lease = leases.open(swarm, parentPeer, childPeer, piece);
    if (lease !== NO_LEASE) leases.expect(lease, now, expectedMs, now + Math.min(wait, limits.maxDeadlineMs));
    return lease;
  }

  #assign(swarm: Swarm, lease: Lease): void {
    const { leases, hosts, out, fresh } = this.#core;
    this.updateRoom(leases.child(lease));
    out.push({
      type: 'assign',
      content: swarm.content,
      child: hosts.idOf(leases.child(lease)),
      parent: hosts.idOf(leases.parent(lease)),
      piece: leases.piece(lease),
      lease: leases.id(lease),
      near: hosts.asksNear(leases.parent(lease), swarm.pieceSize),
    });
    fresh.push(lease);
  }

  #close(lease: Lease): void {
    const { leases, ready } = this.#core;
    const parent = leases.parent(lease);
    const child = leases.child(lease);
    leases.close(lease);
    this.updateRoom(child);
    ready.wakeParent(parent);
    ready.wakeChild(child);
  }
}
