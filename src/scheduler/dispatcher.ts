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
import { NO_PIECE, NO_REPEATS, PieceChooser } from './piece-choice.ts';
import { PoorestFirst } from './poorest-first.ts';
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
  readonly #pieces: PieceChooser;
  readonly #rematch: Rematch;
  readonly #order = new PoorestFirst();
  /** Reused by `#feed`. */
  readonly #idle: number[] = [];

  constructor(core: Core, transfers: Transfers) {
    this.#core = core;
    this.#transfers = transfers;
    const { limits, random, pairs } = core;
    this.#pieces = new PieceChooser(limits, random);
    this.#children = new ChildChooser(limits, random, pairs, this.#pieces);
    this.#parents = new ParentChooser(limits, random, pairs, this.#pieces);
    this.#rematch = new Rematch(core, transfers, (swarm, parent, child) =>
      this.#useful(swarm, parent, child, NO_REPEATS),
    );
  }

  settle(now: Millis): void {
    const { ready } = this.#core;
    this.#core.fresh.length = 0;
    this.#rematch.begin();
    while (!ready.empty) {
      const children = ready.children;
      const parents = ready.parents;
      ready.children = [];
      ready.parents = [];
      for (const child of children) child.hungry = false;
      for (const parent of parents) parent.ready = false;
      for (const child of children) this.#read(child, now);
      for (const parent of this.#order.sort(parents, this.#core.swarmsOf)) this.#serve(parent, now);
      for (const child of children) this.#feed(child, now);
      for (const child of children) this.#exchange(child, now);
    }
  }

  /**
   * Feeds a child that the samples have missed: every parent with room is in the swarm's idle list. Looks at `looks` of
   * them at most and returns how many it has looked at.
   */
  rescue(swarm: Swarm, child: Host, looks: number, now: Millis): number {
    const childPeer = swarm.peerOf(child);
    let looked = 0;
    for (let peer = swarm.idle.first; peer >= 0 && looked < looks; peer = swarm.idle.after(peer)) {
      looked++;
      const parent = swarm.hosts[peer];
      if (parent === undefined || peer === childPeer || !this.#canGive(swarm, parent, peer)) continue;
      const piece = this.#useful(swarm, peer, childPeer, this.#pieces.repeatBefore(swarm, now));
      if (piece === NO_PIECE) continue;
      this.#transfers.begin({ swarm, parent, child, parentPeer: peer, childPeer, piece }, now);
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
      const parentPeer = swarm.peerOf(parent);
      const choice = swarm.serves(parentPeer) ? this.#children.choose(swarm, parent) : undefined;
      const child = choice === undefined ? undefined : swarm.hosts[choice.child];
      if (choice === undefined || child === undefined) {
        // Who holds nothing is woken by its first piece.
        if (swarm.heldCount(parentPeer) > 0 && swarm.serves(parentPeer)) swarm.idle.add(parentPeer);
        misses++;
        swarms.pass();
        continue;
      }
      misses = 0;
      const { child: childPeer, piece } = choice;
      if (!this.#transfers.begin({ swarm, parent, child, parentPeer, childPeer, piece }, now)) return;
      if (!child.hasDownRoom(swarm.pieceSize, limits)) child.down.filled();
      swarms.gave(swarm.pieceSize);
    }
  }

  /** Idle parents get another look when a child needs something; the seed, which may repeat a piece here, is the last. */
  #feed(child: Host, now: Millis): void {
    const { limits } = this.#core;
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      if (swarm.idle.size === 0) continue;
      const peer = swarm.peerOf(child);
      if (!swarm.wantsMore(peer)) continue;
      this.#someIdle(swarm, swarm.size <= limits.poorestFirstHosts ? limits.poorestFirstHosts : IDLE_LOOKS);
      for (let gave = true; gave; ) {
        gave = false;
        for (const parent of this.#idle) {
          if (!child.hasDownRoom(swarm.pieceSize, limits)) return;
          if (parent !== peer && this.#give(swarm, parent, peer, now)) gave = true;
        }
      }
    }
  }

  /** One piece from an idle parent. */
  #give(swarm: Swarm, parentPeer: number, childPeer: number, now: Millis): boolean {
    const parent = swarm.hosts[parentPeer];
    const child = swarm.hosts[childPeer];
    if (parent === undefined || child === undefined || !this.#canGive(swarm, parent, parentPeer)) {
      swarm.idle.delete(parentPeer);
      return false;
    }
    const repeatBefore = parent.seed ? this.#pieces.repeatWithinBudget(swarm, now) : NO_REPEATS;
    const piece = this.#useful(swarm, parentPeer, childPeer, repeatBefore);
    if (piece === NO_PIECE) return false;
    // To the end of the line, so that others are looked at first the next time.
    swarm.idle.delete(parentPeer);
    swarm.idle.add(parentPeer);
    return this.#transfers.begin({ swarm, parent, child, parentPeer, childPeer, piece }, now);
  }

  #canGive(swarm: Swarm, parent: Host, peer: number): boolean {
    return swarm.serves(peer) && parent.hasUpRoom(swarm.pieceSize, this.#core.limits);
  }

  /** Fills `#idle` with at most `looks` of the swarm's idle hosts, and after them its idle seeds. */
  #someIdle(swarm: Swarm, looks: number): void {
    const some = this.#idle;
    some.length = 0;
    for (let peer = swarm.idle.first; peer >= 0 && some.length < looks; peer = swarm.idle.after(peer)) {
      if (swarm.hosts[peer]?.seed === false) some.push(peer);
    }
    for (const seed of swarm.seeds) if (swarm.idle.has(seed)) some.push(seed);
  }

  #exchange(child: Host, now: Millis): void {
    if (child.downs > 0 || child.silent || this.#core.fresh.length === 0) return;
    for (const swarm of this.#core.swarmsOf.of(child).active) {
      if (swarm.wantsMore(swarm.peerOf(child)) && this.#rematch.try(swarm, child, now)) return;
    }
  }

  #useful(swarm: Swarm, parent: number, child: number, repeatBefore: Millis): number {
    const { pairs } = this.#core;
    if (pairs.size > 0) {
      const giver = swarm.hosts[parent];
      const taker = swarm.hosts[child];
      if (giver === undefined || taker === undefined || !pairs.mayMeet(giver, taker)) return NO_PIECE;
    }
    return this.#pieces.choose(swarm, parent, child, repeatBefore);
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
        if (parent === undefined) continue;
        const terms = { swarm, parent, child, parentPeer: swarm.peerOf(parent), childPeer: peer, piece };
        this.#transfers.begin(terms, now);
      }
    }
  }
}
