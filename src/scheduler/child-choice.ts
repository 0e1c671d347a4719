/**
 * To whom a parent with room gives next: of a few needy children of its own IDC the least advanced (or, when the children
 * joined at different times, the most complete one, after newcomers that have nothing to do), and of a foreign IDC
 * one that takes in a piece that is not there yet.
 */
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Group } from './group.ts';
import type { Host } from './host-table.ts';
import type { Limits } from './limits.ts';
import { choosePiece, NO_PIECE, queryFor } from './piece-choice.ts';
import { nearness } from './site-distance.ts';
import type { Swarm } from './swarm.ts';

/** Spread of progress, as a share of the content, from which on the joins count as staggered. */
const STAGGERED = 0.25;

export type Choice = { child: number; piece: number };

/** Whether this child may be given anything by this parent now (a failure between them is not long ago). */
export type MayMeet = (parent: Host, child: Host) => boolean;

export class ChildChooser {
  readonly #limits: Limits;
  readonly #random: Random;
  readonly #mayMeet: MayMeet;
  readonly #peers: number[] = [];
  readonly #keys: number[] = [];
  readonly #choice: Choice = { child: -1, piece: NO_PIECE };
  #groupTurn = 0;

  constructor(limits: Limits, random: Random, mayMeet: MayMeet) {
    this.#limits = limits;
    this.#random = random;
    this.#mayMeet = mayMeet;
  }

  /** The returned object is reused by the next call. */
  choose(swarm: Swarm, parent: Host, now: Millis): Choice | undefined {
    const peer = swarm.peerOf(parent);
    if (peer < 0 || swarm.heldCount(peer) === 0) return undefined;
    const own = swarm.groups.get(parent.idc);
    if (swarm.groups.size === 1 && !parent.seed)
      return own === undefined ? undefined : this.#within(swarm, parent, own, now);
    const home = parent.seed || own === undefined ? undefined : this.#within(swarm, parent, own, now);
    return home ?? this.#abroad(swarm, parent, now);
  }

  /** Groups take turns, so that none waits for its imports. */
  #abroad(swarm: Swarm, parent: Host, now: Millis): Choice | undefined {
    const groups = [...swarm.groups.values()];
    this.#groupTurn++;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[(this.#groupTurn + i) % groups.length];
      if (group === undefined || (group.idc === parent.idc ? !parent.seed : group.absent === 0)) continue;
      const choice = this.#within(swarm, parent, group, now);
      if (choice !== undefined) return choice;
    }
    return undefined;
  }

  #within(swarm: Swarm, parent: Host, group: Group, now: Millis): Choice | undefined {
    this.#sample(swarm, parent, group);
    for (let left = this.#peers.length; left > 0; left--) {
      const at = this.#best(left);
      const child = this.#peers[at] ?? -1;
      const host = swarm.hosts[child] ?? parent;
      const query = queryFor({ swarm, parent, child: host, repeats: false }, now, this.#limits);
      const piece = choosePiece(query, this.#limits.walkPieces, this.#random);
      if (piece !== NO_PIECE) {
        this.#choice.child = child;
        this.#choice.piece = piece;
        return this.#choice;
      }
      this.#peers[at] = this.#peers[left - 1] ?? -1;
      this.#keys[at] = this.#keys[left - 1] ?? 0;
    }
    return undefined;
  }

  #best(left: number): number {
    let best = 0;
    for (let i = 1; i < left; i++) if ((this.#keys[i] ?? 0) < (this.#keys[best] ?? 0)) best = i;
    return best;
  }

  #sample(swarm: Swarm, parent: Host, group: Group): void {
    const { samples, smallSwarm } = this.#limits;
    const needy = group.needy;
    this.#peers.length = 0;
    this.#keys.length = 0;
    if (needy.length <= smallSwarm) {
      const start = this.#random.below(needy.length);
      for (let i = 0; i < needy.length; i++) this.#consider(swarm, parent, needy[(start + i) % needy.length] ?? -1);
    } else {
      for (let i = 0; i < samples * 2 && this.#peers.length < samples; i++) {
        this.#consider(swarm, parent, needy[this.#random.below(needy.length)] ?? -1);
      }
    }
    this.#rank(swarm, parent);
  }

  #consider(swarm: Swarm, parent: Host, peer: number): void {
    const child = swarm.hosts[peer];
    if (child === undefined || child === parent) return;
    // Whoever stands in the list of the needy has room.
    if (this.#mayMeet(parent, child)) this.#peers.push(peer);
  }

  /** Smaller keys go first; nearness only decides between equals. */
  #rank(swarm: Swarm, parent: Host): void {
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const peer of this.#peers) {
      least = Math.min(least, swarm.takenCount(peer));
      most = Math.max(most, swarm.takenCount(peer));
    }
    const staggered = most - least > Math.max(STAGGERED * swarm.pieces, this.#limits.firstWindowPieces);
    for (const peer of this.#peers) {
      const child = swarm.hosts[peer];
      if (child === undefined) continue;
      const taken = swarm.takenCount(peer);
      const idle = child.downs === 0;
      const key = !staggered ? taken : idle ? -1 : swarm.pieces - taken;
      this.#keys.push(this.#peers.length === 1 ? key : key - nearness(parent.site, child.site));
    }
  }
}
