/**
 * A child that got nothing and a parent that found nobody can still both be served when a pair of the same round changes
 * partners: parent -> other child, other parent -> child; an augmenting path of length three. Pairs of a round are not on
 * their way yet: their commands have not left.
 */
import type { Millis } from '../base/clock.ts';
import type { LeaseId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { SchedulerCommand } from './events.ts';
import type { Host } from './host-table.ts';
import type { Lease } from './leases.ts';
import { NO_PIECE } from './piece-choice.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

/** Idle parents looked at for one child. */
const LOOKS = 24;
/** Pairs of the round tried for each of them. */
const TRIES = 64;
/** Of a whole round, so that what it costs follows what it decides. */
const LEAST_TRIES = 512;
const TRIES_PER_PAIR = 4;

/** The piece that the parent would give the child; NO_PIECE when there is none. */
export type Useful = (swarm: Swarm, parent: number, child: number) => number;

export class Rematch {
  readonly #core: Core;
  readonly #transfers: Transfers;
  readonly #useful: Useful;
  /** Left for this round; NaN = nobody has tried yet. */
  #tries = Number.NaN;

  constructor(core: Core, transfers: Transfers, useful: Useful) {
    this.#core = core;
    this.#transfers = transfers;
    this.#useful = useful;
  }

  /** A new round begins. */
  begin(): void {
    this.#tries = Number.NaN;
  }

  try(swarm: Swarm, child: Host, now: Millis): boolean {
    if (Number.isNaN(this.#tries)) this.#tries = LEAST_TRIES + TRIES_PER_PAIR * this.#core.fresh.length;
    let looks = LOOKS;
    for (let peer = swarm.idle.first; peer >= 0; peer = swarm.idle.after(peer)) {
      if (looks-- === 0) return false;
      const parent = swarm.hosts[peer];
      if (parent === undefined || parent === child || !swarm.serves(peer) || parent.silent || parent.ups > 0) continue;
      // A seed repeats nothing here: often it waits for new pieces, and no exchange of partners helps it.
      if (parent.seed && !lacksSomewhere(swarm)) continue;
      for (let i = 0; i < TRIES && this.#tries > 0; i++) if (this.#swap(swarm, parent, child, now)) return true;
    }
    return false;
  }

  #swap(swarm: Swarm, parent: Host, child: Host, now: Millis): boolean {
    this.#tries--;
    const { random, fresh, leases } = this.#core;
    const at = random.below(fresh.length);
    const lease = fresh[at];
    if (lease === undefined || lease.swarm !== swarm || lease.twin !== undefined) return false;
    const { parent: other, child: theirs, parentPeer: otherPeer, childPeer: theirPeer } = lease;
    if (!leases.isOpen(lease) || theirs === parent || other === child || other.ups > 1 || theirs.downs > 1) {
      return false;
    }
    const parentPeer = swarm.peerOf(parent);
    const two = this.#useful(swarm, parentPeer, theirPeer);
    if (two === NO_PIECE) return false;
    const childPeer = swarm.peerOf(child);
    const one = this.#useful(swarm, otherPeer, childPeer);
    if (one === NO_PIECE) return false;
    this.#takeBack(at, lease);
    swarm.idle.delete(parentPeer);
    const first = { swarm, parent: other, child, parentPeer: otherPeer, childPeer, piece: one };
    this.#transfers.begin(first, now);
    this.#transfers.begin({ swarm, parent, child: theirs, parentPeer, childPeer: theirPeer, piece: two }, now);
    return true;
  }

  /** As if it had never been. */
  #takeBack(at: number, lease: Lease): void {
    const { fresh, out } = this.#core;
    const { id } = lease;
    this.#transfers.dropped(lease, false);
    let command = out.length - 1;
    while (command >= 0 && !isAssignOf(out[command], id)) command--;
    out.splice(command, 1);
    fresh[at] = fresh[fresh.length - 1] ?? lease;
    fresh.pop();
  }
}

function isAssignOf(command: SchedulerCommand | undefined, lease: LeaseId): boolean {
  return command?.type === 'assign' && command.lease === lease;
}

/** Some group has no copy of some piece yet. */
function lacksSomewhere(swarm: Swarm): boolean {
  for (const group of swarm.groups.values()) if (group.absent > 0) return true;
  return false;
}
