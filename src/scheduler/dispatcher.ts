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
import { choosePiece, NO_PIECE } from './piece-choice.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

/** Idle parents looked at when a child needs something. */
const IDLE_LOOKS = 8;

export class Dispatcher {
  readonly #core: Core;
  readonly #transfers: Transfers;
  readonly #children: ChildChooser;
  readonly #parents: ParentChooser;

  constructor(core: Core, transfers: Transfers) {
    this.#core = core;
    this.#transfers = transfers;
    const mayMeet = (parent: Host, child: Host): boolean => core.pairs.mayMeet(parent, child);
    this.#children = new ChildChooser(core.limits, core.random, mayMeet);
    this.#parents = new ParentChooser(core.limits, core.random, mayMeet);
  }

  settle(now: Millis): void {
    const { ready, hosts, limits } = this.#core;
    while (!ready.empty) {
      const children = ready.children;
      const parents = ready.parents;
      ready.children = [];
      ready.parents = [];
      for (const child of children) child.hungry = false;
      for (const parent of parents) parent.ready = false;
      for (const child of children) this.#read(child, now);
      if (parents.length > 1 && hosts.size <= limits.poorestFirstHosts) parents.sort((a, b) => wealth(a) - wealth(b));
      for (const parent of parents) this.#serve(parent, now);
      for (const child of children) this.#feed(child, now);
    }
  }

  /** Feeds a child that the samples have missed, looking at every peer; true when something was found. */
  rescue(swarm: Swarm, child: Host, now: Millis): boolean {
    const peer = swarm.peerOf(child);
    const { rows, rarity } = swarm;
    for (let i = rarity.firstWith(1); i < rarity.size; i++) {
      const piece = rarity.order[i] ?? 0;
      if (rows.taken(peer, piece) || swarm.holders(piece) === 0) continue;
      const parent = this.#parents.choose(swarm, child, piece, true);
      if (parent !== undefined) return this.#transfers.begin(swarm, parent, child, piece, now);
    }
    return false;
  }

  /** A second parent for a piece that is late. */
  parentFor(swarm: Swarm, child: Host, piece: number): Host | undefined {
    return this.#parents.choose(swarm, child, piece, false);
  }

  /** Gives until the window is full or nobody wants anything. Tasks take turns by bytes. */
  #serve(parent: Host, now: Millis): void {
    if (!parent.serves) return;
    const { limits } = this.#core;
    for (let misses = 0; misses < parent.active.length; ) {
      if (parent.turn >= parent.active.length) parent.turn = 0;
      const swarm = parent.active[parent.turn];
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
        this.#nextTurn(parent);
        continue;
      }
      misses = 0;
      if (!this.#transfers.begin(swarm, parent, child, choice.piece, now)) return;
      if (!child.hasDownRoom(swarm.pieceSize, limits)) child.down.filled();
      parent.turnBytes += swarm.pieceSize;
      const quantum = parent.active.length > 1 ? largestPiece(parent) : 0;
      if (parent.turnBytes >= quantum) this.#nextTurn(parent);
    }
  }

  #nextTurn(parent: Host): void {
    parent.turn++;
    parent.turnBytes = 0;
  }

  /** Idle parents get another look when a child needs something. */
  #feed(child: Host, now: Millis): void {
    const { limits, random } = this.#core;
    for (const swarm of child.swarms) {
      if (swarm.idle.size === 0) continue;
      const peer = swarm.peerOf(child);
      if (!swarm.wants(peer) || swarm.takenCount(peer) === swarm.pieces) continue;
      let looks = swarm.size <= limits.poorestFirstHosts ? limits.poorestFirstHosts : IDLE_LOOKS;
      for (const parent of swarm.idle) {
        if (looks-- === 0 || !child.hasDownRoom(swarm.pieceSize, limits)) break;
        swarm.idle.delete(parent);
        if (!parent.serves || !parent.hasUpRoom(swarm.pieceSize, limits)) continue;
        if (parent === child || !this.#core.pairs.mayMeet(parent, child)) continue;
        const parentPeer = swarm.peerOf(parent);
        if (parentPeer < 0) continue;
        const foreign = parent.idc !== child.idc && swarm.woes(peer) < limits.desperateFailures;
        const query = {
          swarm,
          parent: parentPeer,
          child: peer,
          importInto: foreign ? swarm.groupOf(child) : undefined,
        };
        const piece = choosePiece(query, limits.walkPieces, random);
        swarm.idle.add(parent);
        if (piece !== NO_PIECE) this.#transfers.begin(swarm, parent, child, piece, now);
      }
    }
  }

  /** A reader's window goes first: its missing pieces in order, each from the parent that is done first. */
  #read(child: Host, now: Millis): void {
    const { limits } = this.#core;
    for (const swarm of child.swarms) {
      if (swarm.windows.size === 0) continue;
      const peer = swarm.peerOf(child);
      const window = swarm.windows.get(peer);
      if (window === undefined || !swarm.wants(peer)) continue;
      const end = Math.min(window.from + window.count, swarm.pieces);
      for (let piece = window.from; piece < end && child.hasDownRoom(swarm.pieceSize, limits); piece++) {
        if (swarm.rows.taken(peer, piece) || swarm.holders(piece) === 0) continue;
        const parent = this.#parents.choose(swarm, child, piece, false);
        if (parent !== undefined) this.#transfers.begin(swarm, parent, child, piece, now);
      }
    }
  }
}

function wealth(host: Host): number {
  let held = 0;
  for (const swarm of host.active) held += swarm.heldCount(swarm.peerOf(host));
  return held;
}

function largestPiece(host: Host): number {
  let largest = 0;
  for (const swarm of host.active) largest = Math.max(largest, swarm.pieceSize);
  return largest;
}
