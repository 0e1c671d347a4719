/**
 * The hosts that are here. What every decision reads of them are numbers, in `HostRows` and `Lines`, by the host's index; the object of a host
 * has what is asked seldom, and a name for each of the numbers. Room belongs to the host, not to the swarm: that is what makes several tasks
 * share one uplink.
 */
import type { Millis } from '../base/clock.ts';
import type { Site } from '../protocol/host.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import { HostRows, SEED, SILENT, WATCHED } from './host-rows.ts';
import type { Limits } from './limits.ts';
import { asksNear, childWindow, fedBytes, parentWindow } from './line-windows.ts';
import { downLine, Lines, upLine } from './lines.ts';
import { Place } from './site-distance.ts';
import type { Trust } from './trust.ts';
import { TrustBook } from './trust-book.ts';

const NOWHERE: Site = { idc: '', location: '', machine: '' };
const NO_ID = '' as HostId;

export class Host {
  readonly id: HostId;
  readonly index: number;
  readonly trust: Trust;
  readonly #rows: HostRows;
  #site = NOWHERE;
  place = new Place(NOWHERE);
  uploads = true;
  /** Still in the table: the row of a host that has left may be another's. */
  live = true;

  constructor(id: HostId, index: number, trust: Trust, rows: HostRows) {
    this.id = id;
    this.index = index;
    this.trust = trust;
    this.#rows = rows;
  }

  get site(): Site {
    return this.#site;
  }

  set site(site: Site) {
    this.#site = site;
    this.place = new Place(site);
  }

  /** Number of the IDC; hosts of one number feed each other. */
  get idc(): number {
    return this.#rows.idc(this.index);
  }

  get seed(): boolean {
    return this.#rows.is(this.index, SEED);
  }

  set seed(seed: boolean) {
    this.#rows.set(this.index, SEED, seed);
  }

  get silent(): boolean {
    return this.#rows.is(this.index, SILENT);
  }

  set silent(silent: boolean) {
    this.#rows.set(this.index, SILENT, silent);
  }

  /** Gives pieces at all: the copies of others are no source for anybody. */
  get serves(): boolean {
    return this.uploads && this.live && !this.trust.isolated;
  }

  servesIn(content: ContentId): boolean {
    return this.serves && (this.trust.excluded.size === 0 || !this.trust.excluded.has(content));
  }

  /** Something may be held against it from now on: its trust is asked until it is clean again. */
  watch(): void {
    if (this.live) this.#rows.set(this.index, WATCHED, true);
  }

  get watched(): boolean {
    return this.#rows.is(this.index, WATCHED);
  }
}

export class HostTable {
  readonly #byId = new Map<HostId, Host>();
  readonly #slots: (Host | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #idcs = new Map<string, { number: number; hosts: number }>();
  readonly #freeIdcs: number[] = [];
  readonly #limits: Limits;
  readonly #ids: HostId[] = [];
  readonly rows = new HostRows();
  readonly lines = new Lines();
  /** What is remembered of hosts that are not here. */
  readonly book: TrustBook;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.book = new TrustBook(limits);
    for (let number = limits.maxIdcs - 1; number > 0; number--) this.#freeIdcs.push(number);
  }

  get size(): number {
    return this.#byId.size;
  }

  values(): IterableIterator<Host> {
    return this.#byId.values();
  }

  get(id: HostId): Host | undefined {
    return this.#byId.get(id);
  }

  at(index: number): Host | undefined {
    return this.#slots[index];
  }

  /** '' when there is none. */
  idOf(index: number): HostId {
    return this.#ids[index] ?? NO_ID;
  }

  add(id: HostId, site: Site): Host {
    const index = this.#free.pop() ?? this.#slots.length;
    this.rows.open(index);
    for (const line of [upLine(index), downLine(index)]) this.lines.open(line);
    const host = new Host(id, index, this.book.take(id), this.rows);
    host.site = site;
    this.rows.setIdc(index, this.#enter(site.idc));
    this.#slots[index] = host;
    this.#ids[index] = id;
    this.#byId.set(id, host);
    return host;
  }

  remove(host: Host): void {
    host.live = false;
    this.#leave(host.site.idc);
    this.#slots[host.index] = undefined;
    this.#ids[host.index] = NO_ID;
    this.rows.clear(host.index);
    this.#free.push(host.index);
    this.#byId.delete(host.id);
    this.book.keep(host.id, host.trust);
  }

  // Room.

  hasUpRoom(host: number, pieceSize: number): boolean {
    const { rows, lines } = this;
    if (rows.is(host, SILENT)) return false;
    const line = upLine(host);
    if (lines.count(line) === 0) return true;
    let window = this.#upWindow(host, pieceSize);
    if (rows.is(host, WATCHED)) {
      const trust = this.#slots[host]?.trust;
      if (trust?.probation === true) return false;
      if (trust?.limited === true) window *= this.#limits.limitedShare;
    }
    return lines.bytes(line) + pieceSize <= window;
  }

  hasDownRoom(host: number, pieceSize: number): boolean {
    const { lines } = this;
    if (this.rows.is(host, SILENT)) return false;
    const line = downLine(host);
    if (lines.count(line) === 0) return true;
    return lines.bytes(line) + pieceSize <= childWindow(lines, line, pieceSize, this.#limits);
  }

  /** Its downlink is busy for a while. */
  isFed(host: number, pieceSize: number): boolean {
    const line = downLine(host);
    return this.lines.bytes(line) >= fedBytes(this.lines, line, pieceSize, this.#limits);
  }

  /** Whether children should say when what this host gives them is near its end. */
  asksNear(host: number, pieceSize: number): boolean {
    return asksNear(this.lines, upLine(host), pieceSize, this.#limits);
  }

  /** As much is on its way to it, near its end or not, as two windows hold: more than an honest child ever has. */
  isOverfed(host: number, pieceSize: number): boolean {
    const line = downLine(host);
    return this.lines.count(line) * pieceSize >= 2 * childWindow(this.lines, line, pieceSize, this.#limits);
  }

  /** When the last byte of what is outstanding on the line, and of `bytes` more, is expected; from now on. */
  expectedMs(line: number, bytes: number): Millis {
    return ((this.lines.bytes(line) + bytes) * 1000) / this.#rate(line);
  }

  /**
   * When a piece of `bytes` is through at the latest, if all goes well: transfers that begin later share both links with this one,
   * so the whole windows count, not only what is outstanding now.
   */
  latestMs(parent: number, child: number, bytes: number): Millis {
    const { lines } = this;
    const [from, to] = [upLine(parent), downLine(child)];
    const up = Math.max(lines.bytes(from) + bytes, this.#upWindow(parent, bytes));
    const down = Math.max(lines.bytes(to) + bytes, childWindow(lines, to, bytes, this.#limits));
    return Math.max(up / this.#rate(from), down / this.#rate(to)) * 1000;
  }

  #upWindow(host: number, pieceSize: number): number {
    return parentWindow(this.lines, upLine(host), pieceSize, this.#limits);
  }

  #rate(line: number): number {
    return this.lines.rate(line) || this.#limits.assumedBytesPerSecond;
  }

  /** Number 0 is "no data centre said", and all those for which there was no number left. */
  #enter(idc: string): number {
    if (idc === '') return 0;
    const known = this.#idcs.get(idc);
    if (known !== undefined) {
      known.hosts++;
      return known.number;
    }
    const number = this.#freeIdcs.pop();
    if (number === undefined) return 0;
    this.#idcs.set(idc, { number, hosts: 1 });
    return number;
  }

  #leave(idc: string): void {
    const known = this.#idcs.get(idc);
    if (known === undefined) return;
    known.hosts--;
    if (known.hosts > 0) return;
    this.#idcs.delete(idc);
    this.#freeIdcs.push(known.number);
  }
}
