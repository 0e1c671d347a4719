/**
 * To whom a parent with room gives next: of a few needy children of its own IDC one whose downlink has too little to do, and of these the
 * least advanced (or, when the children joined at different times, the most complete one, after newcomers that have nothing to do); of a foreign IDC
 * one that takes in a piece that is not there yet. Looking at a child reads columns of the swarm and no object of the host: with ten
 * thousand hosts each of those would be a cache miss.
 */
import type { Random } from '../base/random.ts';
import type { Core } from './core.ts';
import type { Group } from './group.ts';
import type { HostTable } from './host-table.ts';
import type { Limits } from './limits.ts';
import { downLine } from './lines.ts';
import type { Pairs } from './pairs.ts';
import { NO_PIECE, NO_REPEATS, type PieceChooser } from './piece-choice.ts';
import { nearness } from './site-distance.ts';
import type { Swarm } from './swarm.ts';

/** Spread of progress, as a share of the content, from which on the joins count as staggered. */
const STAGGERED = 0.25;
/** Puts a child behind all that have too little to do: more than any number of pieces. */
const BEHIND = 2 ** 25;
const LAST = 2 ** 30;

export type Choice = { child: number; piece: number };

export class ChildChooser {
  readonly #limits: Limits;
  readonly #random: Random;
  readonly #pairs: Pairs;
  readonly #hosts: HostTable;
  readonly #pieces: PieceChooser;
  /** The children looked at and their keys; only the first `#count` count. */
  readonly #peers: number[] = [];
  readonly #keys: number[] = [];
  #count = 0;
  readonly #choice: Choice = { child: -1, piece: NO_PIECE };
  #groupTurn = 0;

  constructor({ limits, random, pairs, hosts }: Core, pieces: PieceChooser) {
    this.#limits = limits;
    this.#random = random;
    this.#pairs = pairs;
    this.#hosts = hosts;
    this.#pieces = pieces;
  }

  /** The returned object is reused by the next call. */
  choose(swarm: Swarm, parent: number): Choice | undefined {
    if (swarm.heldCount(parent) === 0) return undefined;
    const seed = swarm.isSeed(parent);
    const own = swarm.groupOf(parent);
    const home = seed ? undefined : this.#within(swarm, parent, own);
    if (home !== undefined || (!seed && swarm.groups.size === 1)) return home;
    return this.#abroad(swarm, parent);
  }

  /** Groups take turns, so that none waits for its imports. */
  #abroad(swarm: Swarm, parent: number): Choice | undefined {
    const groups = swarm.groups.all;
    const seed = swarm.isSeed(parent);
    const idc = swarm.idcOf(parent);
    this.#groupTurn++;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[(this.#groupTurn + i) % groups.length];
      if (group === undefined || (group.idc === idc ? !seed : group.absent === 0)) continue;
      const choice = this.#within(swarm, parent, group);
      if (choice !== undefined) return choice;
    }
    return undefined;
  }

  #within(swarm: Swarm, parent: number, group: Group): Choice | undefined {
    this.#sample(swarm, parent, group);
    this.#rank(swarm, parent);
    const peers = this.#peers;
    const keys = this.#keys;
    for (let left = this.#count; left > 0; left--) {
      let best = 0;
      for (let i = 1; i < left; i++) if ((keys[i] ?? 0) < (keys[best] ?? 0)) best = i;
      const child = peers[best] ?? -1;
      const piece = this.#pieces.choose(swarm, parent, child, NO_REPEATS);
      if (piece !== NO_PIECE) {
        this.#choice.child = child;
        this.#choice.piece = piece;
        return this.#choice;
      }
      peers[best] = peers[left - 1] ?? -1;
      keys[best] = keys[left - 1] ?? 0;
    }
    return undefined;
  }

  #sample(swarm: Swarm, parent: number, group: Group): void {
    const { samples, smallSwarm } = this.#limits;
    const needy = group.needy;
    this.#count = 0;
    if (needy.length <= smallSwarm) {
      const start = this.#random.below(needy.length);
      for (let i = 0; i < needy.length; i++) this.#consider(swarm, parent, needy[(start + i) % needy.length] ?? -1);
    } else {
      for (let i = 0; i < samples * 2 && this.#count < samples; i++) {
        this.#consider(swarm, parent, needy[this.#random.below(needy.length)] ?? -1);
      }
    }
  }

  /** Whoever stands in the list of the needy has room. */
  #consider(swarm: Swarm, parent: number, child: number): void {
    if (child === parent) return;
    // A failure between them may not be long ago.
    if (this.#pairs.size > 0 && !this.#pairs.mayMeet(swarm.hostOf(parent), swarm.hostOf(child))) return;
    this.#peers[this.#count++] = child;
  }

  /** Smaller keys go first; nearness only decides between equals. */
  #rank(swarm: Swarm, parent: number): void {
    const count = this.#count;
    const peers = this.#peers;
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const taken = swarm.takenCount(peers[i] ?? -1);
      if (taken < least) least = taken;
      if (taken > most) most = taken;
    }
    const staggered = most - least > Math.max(STAGGERED * swarm.pieces, this.#limits.firstWindowPieces);
    for (let i = 0; i < count; i++) {
      const child = peers[i] ?? -1;
      const taken = swarm.takenCount(child);
      const progress = !staggered ? taken : this.#hasNothing(swarm, child) ? -1 : swarm.pieces - taken;
      const key = swarm.fed(child) ? BEHIND + progress : progress;
      // A false witness lives off the seed alone, which has others to think of first.
      if (this.#pairs.size > 0 && this.#pairs.isMute(swarm.hostOf(child))) this.#keys[i] = LAST;
      else this.#keys[i] = count > 1 && swarm.places.mayBeNear(parent, child) ? key - near(swarm, parent, child) : key;
    }
  }

  #hasNothing(swarm: Swarm, child: number): boolean {
    return this.#hosts.lines.count(downLine(swarm.hostOf(child))) === 0;
  }
}

function near(swarm: Swarm, parent: number, child: number): number {
  const giver = swarm.hosts[parent];
  const taker = swarm.hosts[child];
  return giver === undefined || taker === undefined ? 0 : nearness(giver.place, taker.place);
}
