/**
 * All peers of one content and what they hold. This class alone writes the rows, the copy counts and the lists of needy
 * peers, and keeps them true to each other:
 * copies(piece) = serving peers that hold it or are getting it; holders(piece) = serving peers that hold it.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import { Group } from './group.ts';
import type { Host } from './host-table.ts';
import { PieceRows } from './piece-rows.ts';
import { RarityOrder } from './rarity.ts';

const WANTS = 1;
const SERVES = 2;
const FULL = 4;
const NOWHERE = -1;
const FIRST_PEERS = 8;

export class Swarm {
  readonly content: ContentId;
  pieceSize = 0;
  pieces = 0;
  lastPieceSize = 0;
  final = false;
  live = true;
  /** Its hosts have it in their list of swarms that want something. */
  active = false;
  readonly rows = new PieceRows();
  readonly rarity = new RarityOrder();
  readonly groups = new Map<number, Group>();
  /** Host of each peer; undefined = the slot is free. */
  readonly hosts: (Host | undefined)[] = [];
  /** Peers whose host is a seed. */
  readonly seeds: number[] = [];
  /** Readers that need pieces in order. */
  readonly windows = new Map<number, PieceWindow>();
  /** Pieces that somebody held and nobody holds now; true = already told. */
  readonly orphans = new Map<number, boolean>();
  /** Parents with room that found nobody to give to; looked at when a child needs something. */
  readonly idle = new Set<Host>();
  /** Peers that want and are not complete. */
  wanting = 0;
  /** Running median of the transfers' duration; 0 = none yet. */
  medianMs = 0;
  delivered = 0;
  hedged = 0;
  #holders = new Uint32Array(0);
  /** When the seed last gave a piece that no host had. Milliseconds. */
  #seededAt = new Float64Array(0);
  #peerOf = new Map<number, number>();
  #free: number[] = [];
  #held = new Int32Array(FIRST_PEERS);
  #taken = new Int32Array(FIRST_PEERS);
  #needyAt = new Int32Array(FIRST_PEERS).fill(NOWHERE);
  #flags = new Uint8Array(FIRST_PEERS);
  #woes = new Uint8Array(FIRST_PEERS);

  constructor(content: ContentId) {
    this.content = content;
  }

  get size(): number {
    return this.#peerOf.size;
  }

  get needy(): number {
    let needy = 0;
    for (const group of this.groups.values()) needy += group.needy.length;
    return needy;
  }

  /** Rows and columns, and 64 bytes for a peer's entries in maps, sets and lists. */
  get bytes(): number {
    const column = this.#held.length;
    return this.rows.bytes + column * (4 + 4 + 4 + 1 + 1) + this.size * 64 + this.pieces * 32;
  }

  peerOf(host: Host): number {
    return this.#peerOf.get(host.index) ?? NOWHERE;
  }

  peers(): IterableIterator<number> {
    return this.#peerOf.values();
  }

  heldCount(peer: number): number {
    return this.#held[peer] ?? 0;
  }

  takenCount(peer: number): number {
    return this.#taken[peer] ?? 0;
  }

  wants(peer: number): boolean {
    return ((this.#flags[peer] ?? 0) & WANTS) !== 0;
  }

  serves(peer: number): boolean {
    return ((this.#flags[peer] ?? 0) & SERVES) !== 0;
  }

  complete(peer: number): boolean {
    return this.final && (this.#held[peer] ?? 0) === this.pieces;
  }

  seededAt(piece: number): number {
    return this.#seededAt[piece] ?? Number.POSITIVE_INFINITY;
  }

  seeded(piece: number, now: number): void {
    this.#seededAt[piece] = now;
  }

  holders(piece: number): number {
    return this.#holders[piece] ?? 0;
  }

  /** Failures in a row of this child. */
  woes(peer: number): number {
    return this.#woes[peer] ?? 0;
  }

  setWoes(peer: number, woes: number): void {
    this.#woes[peer] = Math.min(woes, 255);
  }

  bytesOf(piece: number): number {
    return piece === this.pieces - 1 ? this.lastPieceSize : this.pieceSize;
  }

  groupOf(host: Host): Group {
    const known = this.groups.get(host.idc);
    if (known !== undefined) return known;
    const group = new Group(host.idc, this.pieces);
    this.groups.set(host.idc, group);
    return group;
  }

  /** Never shrinks. */
  shape(pieces: number, lastPieceSize: number, final: boolean): void {
    this.lastPieceSize = lastPieceSize;
    const grew = pieces > this.pieces;
    if (grew) {
      this.rows.widen(pieces, final);
      this.rows.reserve(this.hosts.length);
      const holders = new Uint32Array(pieces);
      holders.set(this.#holders);
      this.#holders = holders;
      const seededAt = new Float64Array(pieces).fill(Number.POSITIVE_INFINITY);
      seededAt.set(this.#seededAt);
      this.#seededAt = seededAt;
      this.rarity.grow(pieces);
      this.pieces = pieces;
      for (const group of this.groups.values()) group.grow(pieces);
    }
    const ended = final && !this.final;
    this.final = final;
    for (const peer of this.#peerOf.values()) {
      if (ended && this.wants(peer) && this.complete(peer)) this.wanting--;
      this.#updateNeed(peer);
    }
  }

  join(host: Host, held: Bitfield, wants: boolean): number {
    const peer = this.#free.pop() ?? this.hosts.length;
    this.#reserve(peer + 1);
    this.hosts[peer] = host;
    this.#peerOf.set(host.index, peer);
    this.#flags[peer] = host.serves ? SERVES : 0;
    if (host.seed) this.seeds.push(peer);
    this.groupOf(host).peers++;
    for (const piece of held) if (piece < this.pieces) this.hold(peer, piece);
    this.setWants(peer, wants);
    return peer;
  }

  setWants(peer: number, wants: boolean): void {
    if (wants === this.wants(peer)) return;
    this.#flags[peer] = (this.#flags[peer] ?? 0) ^ WANTS;
    if (!this.complete(peer)) this.wanting += wants ? 1 : -1;
    this.#updateNeed(peer);
  }

  /** Its leases must have ended. */
  leave(peer: number): void {
    const host = this.hosts[peer];
    if (host === undefined) return;
    this.setWants(peer, false);
    this.setServes(peer, false);
    const group = this.groupOf(host);
    group.peers--;
    if (group.peers === 0) this.groups.delete(host.idc);
    this.rows.clear(peer);
    this.#held[peer] = 0;
    this.#taken[peer] = 0;
    this.#woes[peer] = 0;
    this.windows.delete(peer);
    if (host.seed) this.seeds.splice(this.seeds.indexOf(peer), 1);
    this.hosts[peer] = undefined;
    this.#peerOf.delete(host.index);
    this.#free.push(peer);
  }

  /** Whether its downlink has as much to do as it may. */
  setFull(peer: number, full: boolean): void {
    const flags = this.#flags[peer] ?? 0;
    if (full === ((flags & FULL) !== 0)) return;
    this.#flags[peer] = flags ^ FULL;
    this.#updateNeed(peer);
  }

  /** Whether its copies are there for others. */
  setServes(peer: number, serves: boolean): void {
    if (serves === this.serves(peer)) return;
    for (const piece of this.piecesTaken(peer)) {
      const held = this.rows.held(peer, piece);
      if (serves) this.#raise(peer, piece, held);
      else this.#lower(peer, piece, held);
    }
    this.#flags[peer] = serves ? (this.#flags[peer] ?? 0) | SERVES : (this.#flags[peer] ?? 0) & ~SERVES;
  }

  /** True when it did not hold the piece before. */
  hold(peer: number, piece: number): boolean {
    if (this.rows.held(peer, piece)) return false;
    const taken = this.rows.taken(peer, piece);
    this.rows.setHeld(peer, piece, true);
    this.#held[peer] = (this.#held[peer] ?? 0) + 1;
    if (!taken) this.take(peer, piece);
    if (this.serves(peer)) this.#addHolder(piece);
    if (this.wants(peer) && this.complete(peer)) this.wanting--;
    return true;
  }

  take(peer: number, piece: number): void {
    this.rows.setTaken(peer, piece, true);
    this.#taken[peer] = (this.#taken[peer] ?? 0) + 1;
    if (this.serves(peer)) this.#raise(peer, piece, false);
    this.#updateNeed(peer);
  }

  /** The piece is on its way no more, or lost. */
  release(peer: number, piece: number): void {
    if (!this.rows.taken(peer, piece)) return;
    const held = this.rows.held(peer, piece);
    if (held && this.wants(peer) && this.complete(peer)) this.wanting++;
    if (this.serves(peer)) this.#lower(peer, piece, held);
    this.rows.setTaken(peer, piece, false);
    this.#taken[peer] = (this.#taken[peer] ?? 0) - 1;
    if (held) {
      this.rows.setHeld(peer, piece, false);
      this.#held[peer] = (this.#held[peer] ?? 0) - 1;
    }
    this.#updateNeed(peer);
  }

  *piecesTaken(peer: number): IterableIterator<number> {
    yield* this.#bits(peer, this.rows.words);
  }

  *piecesHeld(peer: number): IterableIterator<number> {
    yield* this.#bits(peer, 0);
  }

  *#bits(peer: number, row: number): IterableIterator<number> {
    const base = this.rows.base(peer) + row;
    for (let w = 0; w < this.rows.words; w++) {
      for (let word = this.rows.slab(peer)[base + w] ?? 0; word !== 0; word &= word - 1) {
        yield (w << 5) + 31 - Math.clz32(word & -word);
      }
    }
  }

  #raise(peer: number, piece: number, held: boolean): void {
    this.rarity.raise(piece);
    const host = this.hosts[peer];
    if (host !== undefined && !host.seed) this.groupOf(host).raise(piece);
    if (held) this.#addHolder(piece);
  }

  #lower(peer: number, piece: number, held: boolean): void {
    this.rarity.lower(piece);
    const host = this.hosts[peer];
    if (host !== undefined && !host.seed) this.groupOf(host).lower(piece);
    if (!held) return;
    const holders = (this.#holders[piece] ?? 0) - 1;
    this.#holders[piece] = holders;
    if (holders === 0) this.orphans.set(piece, false);
  }

  #addHolder(piece: number): void {
    const holders = this.#holders[piece] ?? 0;
    if (holders === 0) this.orphans.delete(piece);
    this.#holders[piece] = holders + 1;
  }

  #updateNeed(peer: number): void {
    const host = this.hosts[peer];
    if (host === undefined) return;
    const idle = ((this.#flags[peer] ?? 0) & (WANTS | FULL)) === WANTS;
    const needs = idle && (this.#taken[peer] ?? 0) < this.pieces;
    const at = this.#needyAt[peer] ?? NOWHERE;
    if (needs === at >= 0) return;
    const needy = this.groupOf(host).needy;
    if (needs) {
      this.#needyAt[peer] = needy.length;
      needy.push(peer);
      return;
    }
    const last = needy.pop() ?? peer;
    if (last !== peer) {
      needy[at] = last;
      this.#needyAt[last] = at;
    }
    this.#needyAt[peer] = NOWHERE;
  }

  #reserve(peers: number): void {
    this.rows.reserve(peers);
    if (peers <= this.#held.length) return;
    const size = Math.max(peers, Math.ceil(this.#held.length * 1.5));
    const wide = <A extends Int32Array | Uint8Array>(array: A, old: A): A => {
      array.set(old);
      return array;
    };
    this.#held = wide(new Int32Array(size), this.#held);
    this.#taken = wide(new Int32Array(size), this.#taken);
    this.#needyAt = wide(new Int32Array(size).fill(NOWHERE), this.#needyAt);
    this.#flags = wide(new Uint8Array(size), this.#flags);
    this.#woes = wide(new Uint8Array(size), this.#woes);
  }
}
