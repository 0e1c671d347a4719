/**
 * Gives work to the hosts that an event has made ready: parents with room choose a child, children that still need
 * something look at the parents that had found nobody. In small swarms the parents with the fewest pieces choose
 * first, because they have the least choice.
 */
import type { Millis } from '../base/clock.ts';
import { ChildChooser } from './child-choice.ts';
import type { Core } from './core.ts';
import type { Host } from './host-table.ts';
import { ParentChooser } from './parent-choice.ts';
import { choosePiece, mayRepeat, NO_PIECE, type Pair, queryFor } from './piece-choice.ts';
import { Rematch } from './rematch.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

/** Idle parents looked at when a child needs something. */
const IDLE_LOOKS = 8;

export class Dispatcher {
  readonly #core: Core;
  readonly #transfers: Transfers;
  readonly #children: ChildChooser;
  readonly #parents: ParentChooser;
  readonly #rematch: Rematch;

  constructor(core: Core, transfers: Transfers) {
    this.#core = core;
    this.#transfers = transfers;
    const mayMeet = (parent: Host, child: Host): boolean => core.pairs.mayMeet(parent, child);
    this.#children = new ChildChooser(core.limits, core.random, mayMeet);
    this.#rematch = new Rematch(core, transfers, (pair, now) => this.#useful(pair, now));
    this.#parents = new ParentChooser(core.limits, core.random, mayMeet);
  }

  settle(now: Millis): void {
    const { ready } = this.#core;
    this.#core.fresh.length = 0;
    while (!ready.empty) {
      const children = ready.children;
      const parents = ready.parents;
      ready.children = [];
      ready.parents = [];
      for (const child of children) child.hungry = false;
      for (const parent of parents) parent.ready = false;
      for (const child of children) this.#read(child, now);
      for (const parent of this.#poorestFirst(parents)) this.#serve(parent, now);
      for (const child of children) this.#feed(child, now);
      for (const child of children) this.#exchange(child, now);
    }
  }

  /**
   * Feeds a child that the samples have missed: every parent with room is in the swarm's idle list. Looks at `looks` of
   * them at most and returns how many it has looked at.
   */
  rescue(swarm: Swarm, child: Host, looks: number, now: Millis): number {
    let looked = 0;
    for (const parent of swarm.idle) {
      if (looked++ >= looks) break;
      if (parent === child || !parent.serves || !parent.hasUpRoom(swarm.pieceSize, this.#core.limits)) continue;
      const piece = swarm.peerOf(parent) < 0 ? NO_PIECE : this.#useful({ swarm, parent, child, repeats: true }, now);
      if (piece === NO_PIECE) continue;
      this.#transfers.begin(swarm, parent, child, piece, now);
      break;
    }
    return looked;
  }

  /** A second parent for a piece that is late. */
  parentFor(swarm: Swarm, child: Host, piece: number, now: Millis): Host | undefined {
    return this.#parents.choose({ swarm, child, piece }, now);
  }

  /** Gives until the window is full or nobody wants anything. Tasks take turns by bytes. */
  #serve(parent: Host, now: Millis): void {
    if (!parent.serves) return;
    const { limits } = this.#core;
    const swarms = this.#core.swarmsOf.of(parent);
    for (let misses = 0; misses < swarms.active.length; ) {
      const swarm = swarms.current;
      if (swarm === undefined) return;
      if (!parent.hasUpRoom(swarm.pieceSize, limits)) {
        parent.up.filled();
        return;
      }
      const choice = this.#children.choose(swarm, parent, now);
      const child = choice === undefined ? undefined : swarm.hosts[choice.child];
      if (choice === undefined || child === undefined) {
        swarm.idle.add(parent);
        misses++;
        swarms.pass();
        continue;
      }
      misses = 0;
      if (!this.#transfers.begin(swarm, parent, child, choice.piece, now)) return;
      if (!child.hasDownRoom(swarm.pieceSize, limits)) child.down.filled();
      swarms.gave(swarm.pieceSize);
    }
  }

  /** Idle parents get another look when a child needs something; the seed, which may repeat a piece here, is the last. */
  #feed(child: Host, now: Millis): void {
    const { limits } = this.#core;
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      if (swarm.idle.size === 0 || !swarm.wantsMore(swarm.peerOf(child))) continue;
      const parents = someIdle(swarm, swarm.size <= limits.poorestFirstHosts ? limits.poorestFirstHosts : IDLE_LOOKS);
      for (let gave = true; gave; ) {
        gave = false;
        for (const parent of parents) {
          if (!child.hasDownRoom(swarm.pieceSize, limits)) return;
          if (parent !== child && this.#give(swarm, parent, child, now)) gave = true;
        }
      }
    }
  }

  /** One piece from an idle parent. */
  #give(swarm: Swarm, parent: Host, child: Host, now: Millis): boolean {
    const { limits } = this.#core;
    if (swarm.peerOf(parent) < 0 || !parent.serves || !parent.hasUpRoom(swarm.pieceSize, limits)) {
      swarm.idle.delete(parent);
      return false;
    }
    const piece = this.#useful({ swarm, parent, child, repeats: mayRepeat(swarm, limits) }, now);
    if (piece === NO_PIECE) return false;
    // To the end of the line, so that others are looked at first the next time.
    swarm.idle.delete(parent);
    swarm.idle.add(parent);
    return this.#transfers.begin(swarm, parent, child, piece, now);
  }

  #exchange(child: Host, now: Millis): void {
    if (child.downs > 0 || this.#core.fresh.length === 0) return;
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      if (swarm.wantsMore(swarm.peerOf(child)) && this.#rematch.try(swarm, child, now)) return;
    }
  }

  #useful(pair: Pair, now: Millis): number {
    const { limits, random, pairs } = this.#core;
    if (!pairs.mayMeet(pair.parent, pair.child)) return NO_PIECE;
    return choosePiece(queryFor(pair, now, limits), limits.walkPieces, random);
  }

  /** A reader's window goes first: its missing pieces in order, each from the parent that is done first. */
  #read(child: Host, now: Millis): void {
    const { limits } = this.#core;
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      if (swarm.windows.size === 0) continue;
      const peer = swarm.peerOf(child);
      const window = swarm.windows.of(peer);
      if (window === undefined || !swarm.wantsMore(peer)) continue;
      const end = Math.min(window.from + window.count, swarm.pieces);
      for (let piece = window.from; piece < end && child.hasDownRoom(swarm.pieceSize, limits); piece++) {
        if (swarm.rows.taken(peer, piece) || swarm.copies.holders(piece) === 0) continue;
        const parent = this.#parents.choose({ swarm, child, piece }, now);
        if (parent !== undefined) this.#transfers.begin(swarm, parent, child, piece, now);
      }
    }
  }

  #poorestFirst(parents: Host[]): Host[] {
    if (parents.length < 2) return parents;
    const runs: Host[][] = [];
    for (const parent of parents) {
      const at = this.#wealth(parent) + 1;
      const run = runs[at];
      if (run === undefined) runs[at] = [parent];
      else run.push(parent);
    }
    return runs.flat();
  }

  #wealth(host: Host): number {
    if (host.seed) return -1;
    let held = 0;
    for (const swarm of this.#core.swarmsOf.of(host).active) held += swarm.heldCount(swarm.peerOf(host));
    return held;
  }
}

/** At most `looks` of the swarm's idle hosts, and after them its idle seeds. */
function someIdle(swarm: Swarm, looks: number): Host[] {
  const some: Host[] = [];
  for (const host of swarm.idle) {
    if (some.length >= looks) break;
    if (!host.seed) some.push(host);
  }
  for (const seed of swarm.seeds) {
    const host = swarm.hosts[seed];
    if (host !== undefined && swarm.idle.has(host)) some.push(host);
  }
  return some;
}
