/**
 * A child that got nothing and a parent that found nobody can still both be served when a pair of the same round changes
 * partners: parent -> other child, other parent -> child; an augmenting path of length three. Pairs of a round are not on
 * their way yet: their commands have not left.
 */
import type { LeaseId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { SchedulerCommand } from './events.ts';
import { SILENT } from './host-rows.ts';
import { type Lease, NO_LEASE } from './leases.ts';
import { downLine, upLine } from './lines.ts';
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

  try(swarm: Swarm, child: number): boolean {
    const { fresh, hosts } = this.#core;
    if (Number.isNaN(this.#tries)) this.#tries = LEAST_TRIES + TRIES_PER_PAIR * fresh.length;
    let looks = LOOKS;
    for (let parent = swarm.idle.first; parent >= 0; parent = swarm.idle.after(parent)) {
      if (looks-- === 0) return false;
      const host = swarm.hostOf(parent);
      if (parent === child || !swarm.serves(parent) || hosts.rows.is(host, SILENT)) continue;
      if (hosts.lines.count(upLine(host)) > 0) continue;
      // A seed repeats nothing here: often it waits for new pieces, and no exchange of partners helps it.
      if (swarm.isSeed(parent) && !lacksSomewhere(swarm)) continue;
      for (let i = 0; i < TRIES && this.#tries > 0; i++) if (this.#swap(swarm, parent, child)) return true;
    }
    return false;
  }

  #swap(swarm: Swarm, parent: number, child: number): boolean {
    this.#tries--;
    const { random, fresh, leases, hosts } = this.#core;
    const at = random.below(fresh.length);
    const lease = fresh[at] ?? NO_LEASE;
    if (lease === NO_LEASE || leases.swarm(lease) !== swarm.number || leases.twin(lease) !== NO_LEASE) return false;
    const other = leases.parentPeer(lease);
    const theirs = leases.childPeer(lease);
    if (!leases.isOpen(lease) || theirs === parent || other === child) return false;
    const { lines } = hosts;
    if (lines.count(upLine(leases.parent(lease))) > 1 || lines.count(downLine(leases.child(lease))) > 1) return false;
    const two = this.#useful(swarm, parent, theirs);
    if (two === NO_PIECE) return false;
    const one = this.#useful(swarm, other, child);
    if (one === NO_PIECE) return false;
    this.#takeBack(at, lease);
    swarm.idle.delete(parent);
    this.#transfers.begin(swarm, other, child, one);
    this.#transfers.begin(swarm, parent, theirs, two);
    return true;
  }

  /** As if it had never been. */
  #takeBack(at: number, lease: Lease): void {
    const { fresh, out, leases } = this.#core;
    const id = leases.id(lease);
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
  for (const group of swarm.groups.all) if (group.absent > 0) return true;
  return false;
}
