/**
 * What time alone brings about: leases that end, hosts that come back from isolation, children that nobody feeds, late
 * pieces that get a second parent; and the words that are due after every event: starved, wake-at.
 */
import type { Millis } from '../base/clock.ts';
import type { Accusations } from './accusations.ts';
import type { Core } from './core.ts';
import type { Dispatcher } from './dispatcher.ts';
import { NOBODY, SILENT } from './host-rows.ts';
import type { Isolation } from './isolation.ts';
import { NO_LEASE } from './leases.ts';
import { downLine } from './lines.ts';
import type { Reports } from './reports.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

const TICK_MS = 100;
/** Parents looked at in one sweep of a swarm for children that nobody feeds. */
const SWEEP_LOOKS = 20_000;
/** Children with at most this many pieces to come are worth a hedge. */
const HEDGE_PIECES = 4;

export type ClockworkParts = {
  readonly reports: Reports;
  readonly isolation: Isolation;
  readonly accusations: Accusations;
  readonly dispatcher: Dispatcher;
  readonly transfers: Transfers;
};

export class Clockwork {
  readonly #core: Core;
  readonly #reports: Reports;
  readonly #isolation: Isolation;
  readonly #accusations: Accusations;
  readonly #dispatcher: Dispatcher;
  readonly #transfers: Transfers;
  /** Pieces that the seed was told to get although hosts hold them. */
  readonly #brought = new WeakMap<Swarm, Set<number>>();
  #wakeAt: Millis = Number.POSITIVE_INFINITY;
  #sweptAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(core: Core, parts: ClockworkParts) {
    this.#core = core;
    this.#reports = parts.reports;
    this.#isolation = parts.isolation;
    this.#accusations = parts.accusations;
    this.#dispatcher = parts.dispatcher;
    this.#transfers = parts.transfers;
  }

  tick(now: Millis): void {
    const { leases, pairs, limits } = this.#core;
    // Whatever the clock says now, the shell's timer is spent.
    this.#wakeAt = Number.POSITIVE_INFINITY;
    pairs.expire(now);
    this.#isolation.parole(now);
    for (const lease of leases.expired(now)) {
      if (leases.isOpen(lease)) this.#reports.blame(lease, 'timeout', now, true);
    }
    // A clock that went back must not stop the sweeps.
    if (now - this.#sweptAt < limits.sweepMs && now >= this.#sweptAt) return;
    this.#sweptAt = now;
    for (const swarm of this.#core.swarms.active) this.#sweep(swarm, now);
  }

  /** Says what is due after an event. */
  speak(now: Millis): void {
    const { swarms, leases, out } = this.#core;
    const wanting = leases.live > 0 || this.#accusations.open > 0 || swarms.active.size > 0;
    for (const swarm of swarms.active) {
      if (swarm.copies.orphans.size > 0 && swarm.needy > 0) this.#starve(swarm);
    }
    let next = wanting ? now + TICK_MS : Number.POSITIVE_INFINITY;
    // Not at once: a timer that fires a hair too early must not fire for ever.
    next = Math.min(next, Math.max(this.#isolation.nextAt, now + 1));
    // An earlier wish still stands; one far ahead of a clock that went back does not.
    if (next >= this.#wakeAt && this.#wakeAt > now - TICK_MS) return;
    if (next === Number.POSITIVE_INFINITY) return;
    this.#wakeAt = next;
    out.push({ type: 'wake-at', time: next });
  }

  #starve(swarm: Swarm): void {
    const { orphans } = swarm.copies;
    const wholes = swarm.wantingAll > 0;
    const pieces: number[] = [];
    for (const [piece, told] of orphans) {
      if (told || !(wholes || swarm.windows.has(piece))) continue;
      pieces.push(piece);
      orphans.set(piece, true);
    }
    if (pieces.length > 0) this.#core.out.push({ type: 'starved', content: swarm.content, pieces });
  }

  #sweep(swarm: Swarm, now: Millis): void {
    const { rows, lines } = this.#core.hosts;
    let looks = SWEEP_LOOKS;
    for (const peer of swarm.peers()) {
      const host = swarm.hostOf(peer);
      if (!swarm.unmet(peer) || rows.is(host, SILENT)) continue;
      if (this.#core.pairs.isMute(host)) this.#bringFor(swarm, peer);
      if (lines.count(downLine(host)) === 0 && looks > 0) looks -= this.#dispatcher.rescue(swarm, peer, looks);
      else if (swarm.pieces - swarm.heldCount(peer) <= HEDGE_PIECES) this.#hedge(swarm, peer, now);
    }
  }

  /** A child that gets its pieces from the seed alone: the seed has to have them, though there are hosts that do. Said once per piece. */
  #bringFor(swarm: Swarm, child: number): void {
    const { rows, copies, seeds } = swarm;
    let told = this.#brought.get(swarm);
    if (told === undefined) {
      told = new Set();
      this.#brought.set(swarm, told);
    }
    const pieces: number[] = [];
    for (let piece = 0; piece < swarm.pieces; piece++) {
      if (rows.taken(child, piece) || copies.holders(piece) === 0 || !swarm.wantsPiece(child, piece)) continue;
      if (seeds.some((seed) => rows.held(seed, piece))) told.delete(piece);
      else if (!told.has(piece)) pieces.push(piece);
    }
    for (const piece of pieces) told.add(piece);
    if (pieces.length > 0) this.#core.out.push({ type: 'starved', content: swarm.content, pieces });
  }

  #hedge(swarm: Swarm, child: number, now: Millis): void {
    const { limits, leases } = this.#core;
    for (const lease of leases.downs(swarm.hostOf(child), swarm)) {
      if (swarm.hedged + 1 > Math.max(1, swarm.delivered * limits.hedgeShare)) return;
      const piece = leases.piece(lease);
      if (leases.twin(lease) !== NO_LEASE || !swarm.wantsPiece(child, piece)) continue;
      const expectedMs = Math.max(swarm.medianMs, leases.expectedMs(lease));
      if (now - leases.startedAt(lease) <= limits.hedgeFactor * expectedMs) continue;
      const parent = this.#dispatcher.parentFor(swarm, child, piece);
      if (parent === NOBODY || parent === leases.parentPeer(lease)) continue;
      if (this.#transfers.hedge(lease, swarm, parent)) swarm.hedged++;
    }
  }
}
