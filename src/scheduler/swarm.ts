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
import { Group } from './group.ts';
import type { Host } from './host-table.ts';
import { IdleParents } from './idle-parents.ts';
import { NOWHERE, PeerColumns } from './peer-columns.ts';
import { PieceRows } from './piece-rows.ts';
import { Places } from './site-distance.ts';
import { Windows } from './windows.ts';

const WANTS_ALL = 1;
const WANTS_WINDOW = 2;
const SERVES = 4;
const FULL = 8;
const UNMET = 16;
const WINDOWED = 32;
/** Unmet, and wants the whole content. */
const UNMET_WHOLE = 64;

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
  readonly copies = new Copies();
  readonly groups = new Map<number, Group>();
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
  #peerOf = new Map<number, number>();
  #free: number[] = [];
  readonly #columns = new PeerColumns();

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
    const { rows, places, idle, copies } = this;
    return rows.bytes + this.#columns.bytes + places.bytes + idle.bytes + copies.bytes + this.size * 64;
  }

  peerOf(host: Host): number {
    if (host.lastSwarm === this) return host.lastPeer;
    const peer = this.#peerOf.get(host.index);
    if (peer === undefined) return NOWHERE;
    host.lastSwarm = this;
    host.lastPeer = peer;
    return peer;
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
    return ((this.#columns.flags[peer] ?? 0) & UNMET) !== 0;
  }

  wantsPiece(peer: number, piece: number): boolean {
    const wants = this.wants(peer);
    return wants === 'all' || (wants === 'window' && this.windows.includes(peer, piece));
  }

  /** It wants something that is neither there nor on its way. */
  wantsMore(peer: number): boolean {
    const flags = this.#columns.flags[peer] ?? 0;
    if ((flags & WANTS_ALL) !== 0) return (this.#columns.taken[peer] ?? 0) < this.pieces;
    return (flags & WANTS_WINDOW) !== 0 && this.windows.untaken(peer) > 0;
  }

  serves(peer: number): boolean {
    return ((this.#columns.flags[peer] ?? 0) & SERVES) !== 0;
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
    if (pieces > this.pieces) {
      this.rows.widen(pieces, final);
      this.rows.reserve(this.hosts.length);
      this.copies.grow(pieces);
      this.pieces = pieces;
      for (const group of this.groups.values()) group.grow(pieces);
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
    this.#columns.flags[peer] = host.servesIn(this.content) ? SERVES : 0;
    if (host.seed) this.seeds.push(peer);
    this.groupOf(host).peers++;
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
    this.#setFlag(peer, WINDOWED, window !== undefined);
    this.#update(peer);
  }

  /** Its leases must have ended. */
  leave(peer: number): void {
    const host = this.hosts[peer];
    if (host === undefined) return;
    this.setWindow(peer, undefined);
    this.setWants(peer, 'nothing');
    this.setServes(peer, false);
    const group = this.groupOf(host);
    group.peers--;
    if (group.peers === 0) this.groups.delete(host.idc);
    this.rows.clear(peer);
    this.#columns.held[peer] = 0;
    this.#columns.taken[peer] = 0;
    this.#columns.woes[peer] = 0;
    if (host.seed) this.seeds.splice(this.seeds.indexOf(peer), 1);
    this.hosts[peer] = undefined;
    this.#peerOf.delete(host.index);
    if (host.lastSwarm === this) host.lastSwarm = undefined;
    this.#free.push(peer);
  }

  /** Whether its downlink has as much to do as it may. */
  setFull(peer: number, full: boolean): void {
    if (this.#setFlag(peer, FULL, full)) this.#updateNeedy(peer);
  }

  /** Whether its copies are there for others. */
  setServes(peer: number, serves: boolean): void {
    if (serves === this.serves(peer)) return;
    for (const piece of this.rows.bits(peer, 'taken')) {
      const held = this.rows.held(peer, piece);
      if (serves) this.#raise(peer, piece, held);
      else this.#lower(peer, piece, held);
    }
    this.#setFlag(peer, SERVES, serves);
  }

  /** True when it did not hold the piece before. */
  hold(peer: number, piece: number): boolean {
    if (this.rows.held(peer, piece)) return false;
    const taken = this.rows.taken(peer, piece);
    this.rows.setHeld(peer, piece, true);
    this.#columns.held[peer] = (this.#columns.held[peer] ?? 0) + 1;
    if (this.#windowed(peer)) this.windows.held(peer, piece, 1);
    if (!taken) this.take(peer, piece);
    if (this.serves(peer)) this.copies.addHolder(piece);
    this.#updateUnmet(peer);
    return true;
  }

  take(peer: number, piece: number): void {
    this.rows.setTaken(peer, piece, true);
    this.#columns.taken[peer] = (this.#columns.taken[peer] ?? 0) + 1;
    if (this.#windowed(peer)) this.windows.took(peer, piece, 1);
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
    if (this.#windowed(peer)) {
      this.windows.took(peer, piece, -1);
      if (held) this.windows.held(peer, piece, -1);
    }
    this.#update(peer);
  }

  #raise(peer: number, piece: number, held: boolean): void {
    const host = this.hosts[peer];
    if (host !== undefined && !host.seed) {
      this.copies.rarity.raise(piece);
      this.groupOf(host).raise(piece);
    }
    if (held) this.copies.addHolder(piece);
  }

  #lower(peer: number, piece: number, held: boolean): void {
    const host = this.hosts[peer];
    if (host !== undefined && !host.seed) {
      this.copies.rarity.lower(piece);
      this.groupOf(host).lower(piece);
    }
    if (held) this.copies.removeHolder(piece);
  }

  #windowed(peer: number): boolean {
    return ((this.#columns.flags[peer] ?? 0) & WINDOWED) !== 0;
  }

  /** True when it was otherwise before. */
  #setFlag(peer: number, flag: number, value: boolean): boolean {
    const flags = this.#columns.flags[peer] ?? 0;
    if (value === ((flags & flag) !== 0)) return false;
    this.#columns.flags[peer] = flags ^ flag;
    return true;
  }

  #update(peer: number): void {
    this.#updateUnmet(peer);
    this.#updateNeedy(peer);
  }

  #updateUnmet(peer: number): void {
    const wants = this.wants(peer);
    const unmet = wants === 'all' ? !this.complete(peer) : wants === 'window' && this.windows.unheld(peer) > 0;
    if (this.#setFlag(peer, UNMET, unmet)) this.wanting += unmet ? 1 : -1;
    const whole = unmet && wants === 'all';
    if (this.#setFlag(peer, UNMET_WHOLE, whole)) this.wantingAll += whole ? 1 : -1;
  }

  #updateNeedy(peer: number): void {
    const host = this.hosts[peer];
    if (host === undefined) return;
    const needs = ((this.#columns.flags[peer] ?? 0) & FULL) === 0 && this.wantsMore(peer);
    const at = this.#columns.needyAt[peer] ?? NOWHERE;
    if (needs === at >= 0) return;
    const needy = this.groupOf(host).needy;
    if (needs) {
      this.#columns.needyAt[peer] = needy.length;
      needy.push(peer);
      return;
    }
    const last = needy.pop() ?? peer;
    if (last !== peer) {
      needy[at] = last;
      this.#columns.needyAt[last] = at;
    }
    this.#columns.needyAt[peer] = NOWHERE;
  }
}
