/**
 * Gives work to the hosts that an event has made ready: parents with room choose a child, children that still need
 * something look at the parents that had found nobody. In small swarms the parents with the fewest pieces choose
 * first, because they have the least choice.
 */
import type { Millis } from '../base/clock.ts';
import { ChildChooser } from './child-choice.ts';
import type { Core } from './core.ts';
import { HUNGRY, READY, SILENT } from './host-rows.ts';
import { downLine, upLine } from './lines.ts';
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
  readonly #order: PoorestFirst;
  /** Reused by `#feed`. */
  readonly #idle: number[] = [];
  /** The lists that `settle` works on, while those of the core fill again. */
  #turnParents: number[] = [];
  #turnChildren: number[] = [];

  constructor(core: Core, transfers: Transfers) {
    this.#core = core;
    this.#transfers = transfers;
    this.#pieces = new PieceChooser(core);
    this.#children = new ChildChooser(core, this.#pieces);
    this.#parents = new ParentChooser(core, this.#pieces);
    this.#order = new PoorestFirst(core.hosts.rows, core.swarmsOf);
    this.#rematch = new Rematch(core, transfers, (swarm, parent, child) =>
      this.#useful(swarm, parent, child, NO_REPEATS),
    );
  }

  settle(): void {
    const { ready, hosts, fresh } = this.#core;
    fresh.length = 0;
    this.#rematch.begin();
    while (!ready.empty) {
      const { children, parents } = ready;
      ready.children = this.#turnChildren;
      ready.parents = this.#turnParents;
      for (const child of children) hosts.rows.set(child, HUNGRY, false);
      for (const parent of parents) hosts.rows.set(parent, READY, false);
      for (const child of children) this.#read(child);
      for (const parent of this.#order.sort(parents)) this.#serve(parent);
      for (const child of children) this.#feed(child);
      for (const child of children) this.#exchange(child);
      children.length = 0;
      parents.length = 0;
      this.#turnChildren = children;
      this.#turnParents = parents;
    }
  }

  /**
   * Feeds a child that the samples have missed: every parent with room is in the swarm's idle list. Looks at `looks` of
   * them at most and returns how many it has looked at.
   */
  rescue(swarm: Swarm, childPeer: number, looks: number): number {
    let looked = 0;
    for (let peer = swarm.idle.first; peer >= 0 && looked < looks; peer = swarm.idle.after(peer)) {
      looked++;
      if (peer === childPeer || !this.#canGive(swarm, peer)) continue;
      const piece = this.#useful(swarm, peer, childPeer, this.#pieces.repeatBefore(swarm));
      if (piece === NO_PIECE) continue;
      this.#transfers.begin(swarm, peer, childPeer, piece);
      break;
    }
    return looked;
  }

  /** A second parent for a piece that is late; NOBODY = there is none. */
  parentFor(swarm: Swarm, childPeer: number, piece: number): number {
    return this.#parents.choose(swarm, childPeer, piece);
  }

  /** Gives until the window is full or nobody wants anything. Tasks take turns by bytes. */
  #serve(parent: number): void {
    const { swarmsOf, hosts } = this.#core;
    for (let misses = 0; misses < swarmsOf.activeCount(parent); ) {
      const swarm = swarmsOf.current(parent);
      if (swarm === undefined) return;
      const parentPeer = swarm.peerOf(parent);
      if (!swarm.serves(parentPeer)) {
        misses++;
        swarmsOf.pass(parent);
        continue;
      }
      if (!hosts.hasUpRoom(parent, swarm.pieceSize)) {
        hosts.lines.filled(upLine(parent));
        return;
      }
      const choice = this.#children.choose(swarm, parentPeer);
      if (choice === undefined) {
        // Who holds nothing is woken by its first piece.
        if (swarm.heldCount(parentPeer) > 0) swarm.idle.add(parentPeer);
        misses++;
        swarmsOf.pass(parent);
        continue;
      }
      misses = 0;
      const { child, piece } = choice;
      if (!this.#transfers.begin(swarm, parentPeer, child, piece)) return;
      if (swarm.full(child)) hosts.lines.filled(downLine(swarm.hostOf(child)));
      swarmsOf.gave(parent, swarm.pieceSize);
    }
  }

  /** Idle parents get another look when a child needs something; the seed, which may repeat a piece here, is the last. */
  #feed(child: number): void {
    const { limits, swarmsOf } = this.#core;
    for (let i = 0; i < swarmsOf.activeCount(child); i++) {
      const swarm = swarmsOf.active(child, i);
      if (swarm === undefined || swarm.idle.size === 0) continue;
      const peer = swarm.peerOf(child);
      if (!swarm.isNeedy(peer)) continue;
      this.#someIdle(swarm, swarm.size <= limits.poorestFirstHosts ? limits.poorestFirstHosts : IDLE_LOOKS);
      for (let gave = true; gave; ) {
        gave = false;
        for (const parent of this.#idle) {
          if (swarm.full(peer)) return;
          if (parent !== peer && this.#give(swarm, parent, peer)) gave = true;
        }
      }
    }
  }

  /** One piece from an idle parent. */
  #give(swarm: Swarm, parentPeer: number, childPeer: number): boolean {
    if (!this.#canGive(swarm, parentPeer)) {
      swarm.idle.delete(parentPeer);
      return false;
    }
    const repeatBefore = swarm.isSeed(parentPeer) ? this.#pieces.repeatWithinBudget(swarm) : NO_REPEATS;
    const piece = this.#useful(swarm, parentPeer, childPeer, repeatBefore);
    if (piece === NO_PIECE) return false;
    // To the end of the line, so that others are looked at first the next time.
    swarm.idle.delete(parentPeer);
    swarm.idle.add(parentPeer);
    return this.#transfers.begin(swarm, parentPeer, childPeer, piece);
  }

  #canGive(swarm: Swarm, peer: number): boolean {
    return swarm.serves(peer) && this.#core.hosts.hasUpRoom(swarm.hostOf(peer), swarm.pieceSize);
  }

  /** Fills `#idle` with at most `looks` of the swarm's idle hosts, and after them its idle seeds. */
  #someIdle(swarm: Swarm, looks: number): void {
    const some = this.#idle;
    some.length = 0;
    for (let peer = swarm.idle.first; peer >= 0 && some.length < looks; peer = swarm.idle.after(peer)) {
      if (!swarm.isSeed(peer)) some.push(peer);
    }
    for (const seed of swarm.seeds) if (swarm.idle.has(seed)) some.push(seed);
  }

  #exchange(child: number): void {
    const { swarmsOf, hosts, fresh } = this.#core;
    if (fresh.length === 0 || hosts.lines.count(downLine(child)) > 0 || hosts.rows.is(child, SILENT)) return;
    for (let i = 0; i < swarmsOf.activeCount(child); i++) {
      const swarm = swarmsOf.active(child, i);
      if (swarm === undefined) continue;
      const peer = swarm.peerOf(child);
      if (swarm.wantsMore(peer) && this.#rematch.try(swarm, peer)) return;
    }
  }

  #useful(swarm: Swarm, parent: number, child: number, repeatBefore: Millis): number {
    const { pairs } = this.#core;
    if (pairs.size > 0 && !pairs.mayMeet(swarm.hostOf(parent), swarm.hostOf(child))) return NO_PIECE;
    return this.#pieces.choose(swarm, parent, child, repeatBefore);
  }

  /** A reader's window goes first: its missing pieces in order, each from the parent that is done first. */
  #read(child: number): void {
    const { swarmsOf, hosts } = this.#core;
    for (let i = 0; i < swarmsOf.activeCount(child); i++) {
      const swarm = swarmsOf.active(child, i);
      if (swarm === undefined || swarm.windows.size === 0) continue;
      const peer = swarm.peerOf(child);
      const window = swarm.windows.of(peer);
      if (window === undefined || !swarm.wantsMore(peer)) continue;
      const end = Math.min(window.from + window.count, swarm.pieces);
      for (let piece = window.from; piece < end && hosts.hasDownRoom(child, swarm.pieceSize); piece++) {
        if (swarm.rows.taken(peer, piece) || swarm.copies.holders(piece) === 0) continue;
        const parent = this.#parents.choose(swarm, peer, piece);
        if (parent >= 0) this.#transfers.begin(swarm, parent, peer, piece);
      }
    }
  }
}
