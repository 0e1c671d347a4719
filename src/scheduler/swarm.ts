/**
 * All peers of one content: what they hold, and what they still need. This class alone writes the rows, the copy counts
 * and the lists of needy peers, and keeps them true to each other.
 *
 * A peer is *unmet* while it wants something that it does not hold; it is *needy*, and stands in its group's list, while
 * something that it wants is not on its way either and its downlink has room.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import { Copies } from './copies.ts';
import type { Wants } from './events.ts';
import { type Group, Groups } from './group.ts';
import type { HostRows } from './host-rows.ts';
import type { Host } from './host-table.ts';
import { IdleParents } from './idle-parents.ts';
import {
  FED,
  FULL,
  NOWHERE,
  PeerColumns,
  SEED,
  SERVES,
  UNMET,
  UNMET_WHOLE,
  WANTS_ALL,
  WANTS_WINDOW,
  WINDOWED,
} from './peer-columns.ts';
import { PieceRows } from './piece-rows.ts';
import { Places } from './site-distance.ts';
import { Windows } from './windows.ts';

export class Swarm {
  readonly content: ContentId;
  /** Its place in the table of swarms. */
  readonly number: number;
  pieceSize = 0;
  pieces = 0;
  lastPieceSize = 0;
  final = false;
  live = true;
  /** Its hosts have it in their list of swarms that want something. */
  active = false;
  readonly rows = new PieceRows();
  readonly copies = new Copies();
  readonly groups = new Groups();
  /** Host of each peer; undefined = the slot is free. */
  readonly hosts: (Host | undefined)[] = [];
  /** Peers whose host is a seed. */
  readonly seeds: number[] = [];
  /** Readers that need pieces in order. */
  readonly windows = new Windows();
  /** Parents with room that found nobody to give to; looked at when a child needs something. */
  readonly idle = new IdleParents();
  readonly places = new Places();
  /** Peers that are unmet, and those of them that want the whole content. */
  wanting = 0;
  wantingAll = 0;
  /** Running median of the transfers' duration; 0 = none yet. */
  medianMs = 0;
  delivered = 0;
  hedged = 0;
  /** Pieces that the seed gave although hosts had them. */
  repeated = 0;
  readonly #hostRows: HostRows;
  readonly #peerOf = new Map<number, number>();
  readonly #free: number[] = [];
  readonly #columns = new PeerColumns();

  constructor(content: ContentId, number: number, hostRows: HostRows) {
    this.content = content;
    this.number = number;
    this.#hostRows = hostRows;
  }

  get size(): number {
    return this.#peerOf.size;
  }

  get needy(): number {
    return this.groups.needy;
  }

  /** Rows and columns, and 64 bytes for a peer's entries in maps, sets and lists. */
  get bytes(): number {
    const { rows, places, idle, copies } = this;
    return rows.bytes + this.#columns.bytes + places.bytes + idle.bytes + copies.bytes + this.size * 64;
  }

  /** NOWHERE = that host is not in it. */
  peerOf(host: number): number {
    const last = this.#hostRows.peerIn(this.number, host);
    if (last !== NOWHERE) return last;
    const peer = this.#peerOf.get(host);
    if (peer === undefined) return NOWHERE;
    this.#hostRows.setPeerIn(this.number, host, peer);
    return peer;
  }

  /** Index of the peer's host; NOWHERE = the slot is free. */
  hostOf(peer: number): number {
    return this.#columns.host[peer] ?? NOWHERE;
  }

  idcOf(peer: number): number {
    return this.#columns.idc[peer] ?? 0;
  }

  isSeed(peer: number): boolean {
    return this.#columns.is(peer, SEED);
  }

  peers(): IterableIterator<number> {
    return this.#peerOf.values();
  }

  heldCount(peer: number): number {
    return this.#columns.held[peer] ?? 0;
  }

  takenCount(peer: number): number {
    return this.#columns.taken[peer] ?? 0;
  }

  wants(peer: number): Wants {
    const flags = this.#columns.flags[peer] ?? 0;
    return (flags & WANTS_ALL) !== 0 ? 'all' : (flags & WANTS_WINDOW) !== 0 ? 'window' : 'nothing';
  }

  unmet(peer: number): boolean {
    return this.#columns.is(peer, UNMET);
  }

  wantsPiece(peer: number, piece: number): boolean {
    return this.wants(peer) === 'all' || (this.wants(peer) === 'window' && this.windows.includes(peer, piece));
  }

  /** It wants something that is neither there nor on its way. */
  wantsMore(peer: number): boolean {
    const flags = this.#columns.flags[peer] ?? 0;
    if ((flags & WANTS_ALL) !== 0) return (this.#columns.taken[peer] ?? 0) < this.pieces;
    return (flags & WANTS_WINDOW) !== 0 && this.windows.untaken(peer) > 0;
  }

  isNeedy(peer: number): boolean {
    return (this.#columns.needyAt[peer] ?? NOWHERE) !== NOWHERE;
  }

  serves(peer: number): boolean {
    return this.#columns.is(peer, SERVES);
  }

  complete(peer: number): boolean {
    return this.final && (this.#columns.held[peer] ?? 0) === this.pieces;
  }

  /** Failures in a row of this child. */
  woes(peer: number): number {
    return this.#columns.woes[peer] ?? 0;
  }

  setWoes(peer: number, woes: number): void {
    this.#columns.woes[peer] = Math.min(woes, 255);
  }

  bytesOf(piece: number): number {
    return piece === this.pieces - 1 ? this.lastPieceSize : this.pieceSize;
  }

  /** The group of a peer that is here. */
  groupOf(peer: number): Group {
    return this.groups.of(this.#columns.idc[peer] ?? 0, this.pieces);
  }

  /** Never shrinks. */
  shape(pieces: number, lastPieceSize: number, final: boolean): void {
    this.lastPieceSize = lastPieceSize;
    if (pieces > this.pieces) {
      this.rows.widen(pieces, final);
      this.rows.reserve(this.hosts.length);
      this.copies.grow(pieces);
      this.pieces = pieces;
      for (const group of this.groups.all) group.grow(pieces);
      this.windows.recount(this.rows, pieces);
    }
    this.final = final;
    for (const peer of this.#peerOf.values()) this.#update(peer);
  }

  join(host: Host, held: Bitfield, wants: Wants): number {
    const peer = this.#free.pop() ?? this.hosts.length;
    this.rows.reserve(peer + 1);
    this.#columns.reserve(peer + 1);
    this.hosts[peer] = host;
    this.#peerOf.set(host.index, peer);
    this.places.set(peer, host.place);
    this.#columns.host[peer] = host.index;
    this.#columns.idc[peer] = host.idc;
    this.#columns.flags[peer] = (host.servesIn(this.content) ? SERVES : 0) | (host.seed ? SEED : 0);
    if (host.seed) this.seeds.push(peer);
    this.groupOf(peer).peers++;
    for (const piece of held) if (piece < this.pieces) this.hold(peer, piece);
    this.setWants(peer, wants);
    return peer;
  }

  setWants(peer: number, wants: Wants): void {
    const flags = (this.#columns.flags[peer] ?? 0) & ~(WANTS_ALL | WANTS_WINDOW);
    this.#columns.flags[peer] = flags | (wants === 'all' ? WANTS_ALL : wants === 'window' ? WANTS_WINDOW : 0);
    this.#update(peer);
  }

  setWindow(peer: number, window: PieceWindow | undefined): void {
    if (window === undefined) this.windows.delete(peer);
    else this.windows.set(peer, window, this.rows, this.pieces);
    this.#columns.setFlag(peer, WINDOWED, window !== undefined);
    this.#update(peer);
  }

  /** Its leases must have ended. */
  leave(peer: number): void {
    const host = this.hosts[peer];
    if (host === undefined) return;
    this.setWindow(peer, undefined);
    this.setWants(peer, 'nothing');
    this.setServes(peer, false);
    const group = this.groupOf(peer);
    group.peers--;
    if (group.peers === 0) this.groups.delete(group);
    this.rows.clear(peer);
    this.#columns.held[peer] = 0;
    this.#columns.taken[peer] = 0;
    this.#columns.woes[peer] = 0;
    if (this.isSeed(peer)) this.seeds.splice(this.seeds.indexOf(peer), 1);
    this.hosts[peer] = undefined;
    this.#columns.host[peer] = NOWHERE;
    this.#peerOf.delete(host.index);
    if (this.#hostRows.peerIn(this.number, host.index) !== NOWHERE) {
      this.#hostRows.setPeerIn(NOWHERE, host.index, NOWHERE);
    }
    this.#free.push(peer);
  }

  /** Whether its downlink has as much to do as it may. */
  full(peer: number): boolean {
    return this.#columns.is(peer, FULL);
  }

  /** Whether it is busy for a while with less than that. */
  fed(peer: number): boolean {
    return this.#columns.is(peer, FED);
  }

  setRoom(peer: number, full: boolean, fed: boolean): void {
    this.#columns.setFlag(peer, FED, fed);
    if (this.#columns.setFlag(peer, FULL, full)) this.#updateNeedy(peer);
  }

  /** Whether its copies are there for others. */
  setServes(peer: number, serves: boolean): void {
    if (serves === this.serves(peer)) return;
    for (const piece of this.rows.bits(peer, 'taken')) {
      const held = this.rows.held(peer, piece);
      if (serves) this.#raise(peer, piece, held);
      else this.#lower(peer, piece, held);
    }
    this.#columns.setFlag(peer, SERVES, serves);
  }

  /** True when it did not hold the piece before. */
  hold(peer: number, piece: number): boolean {
    if (this.rows.held(peer, piece)) return false;
    const taken = this.rows.taken(peer, piece);
    this.rows.setHeld(peer, piece, true);
    this.#columns.held[peer] = (this.#columns.held[peer] ?? 0) + 1;
    if (this.#columns.is(peer, WINDOWED)) this.windows.held(peer, piece, 1);
    if (!taken) this.take(peer, piece);
    if (this.serves(peer)) this.copies.addHolder(piece);
    this.#updateUnmet(peer);
    return true;
  }

  take(peer: number, piece: number): void {
    this.rows.setTaken(peer, piece, true);
    this.#columns.taken[peer] = (this.#columns.taken[peer] ?? 0) + 1;
    if (this.#columns.is(peer, WINDOWED)) this.windows.took(peer, piece, 1);
    if (this.serves(peer)) this.#raise(peer, piece, false);
    this.#updateNeedy(peer);
  }

  /** The piece is on its way no more, or lost. */
  release(peer: number, piece: number): void {
    if (!this.rows.taken(peer, piece)) return;
    const held = this.rows.held(peer, piece);
    if (this.serves(peer)) this.#lower(peer, piece, held);
    this.rows.setTaken(peer, piece, false);
    this.#columns.taken[peer] = (this.#columns.taken[peer] ?? 0) - 1;
    if (held) {
      this.rows.setHeld(peer, piece, false);
      this.#columns.held[peer] = (this.#columns.held[peer] ?? 0) - 1;
    }
    if (this.#columns.is(peer, WINDOWED)) {
      this.windows.took(peer, piece, -1);
      if (held) this.windows.held(peer, piece, -1);
    }
    this.#update(peer);
  }

  #raise(peer: number, piece: number, held: boolean): void {
    if (!this.isSeed(peer)) {
      this.copies.rarity.raise(piece);
      this.groupOf(peer).raise(piece);
    }
    if (held) this.copies.addHolder(piece);
  }

  #lower(peer: number, piece: number, held: boolean): void {
    if (!this.isSeed(peer)) {
      this.copies.rarity.lower(piece);
      this.groupOf(peer).lower(piece);
    }
    if (held) this.copies.removeHolder(piece);
  }

  #update(peer: number): void {
    this.#updateUnmet(peer);
    this.#updateNeedy(peer);
  }

  #updateUnmet(peer: number): void {
    const flags = this.#columns.flags[peer] ?? 0;
    const all = (flags & WANTS_ALL) !== 0;
    const unmet = all ? !this.complete(peer) : (flags & WANTS_WINDOW) !== 0 && this.windows.unheld(peer) > 0;
    if (this.#columns.setFlag(peer, UNMET, unmet)) this.wanting += unmet ? 1 : -1;
    const whole = unmet && all;
    if (this.#columns.setFlag(peer, UNMET_WHOLE, whole)) this.wantingAll += whole ? 1 : -1;
  }

  #updateNeedy(peer: number): void {
    const needs = !this.#columns.is(peer, FULL) && this.wantsMore(peer);
    const at = this.#columns.needyAt[peer] ?? NOWHERE;
    if (needs === at >= 0) return;
    const group = this.groupOf(peer);
    if (!needs) this.#columns.needyAt[group.removeNeedy(peer, at)] = at;
    this.#columns.needyAt[peer] = needs ? group.addNeedy(peer) : NOWHERE;
  }
}
