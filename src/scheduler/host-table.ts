/**
 * The hosts that are here, each with what it has outstanding in all swarms together. Slots belong to the host, not to the
 * swarm: that is what makes several tasks share one uplink.
 */
import type { Millis } from '../base/clock.ts';
import type { Site } from '../protocol/host.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import type { Limits } from './limits.ts';
import { childWindow, Line, Mean, parentWindow, type RateMeter } from './rates.ts';
import { Place } from './site-distance.ts';
import type { Trust } from './trust.ts';
import { TrustBook } from './trust-book.ts';

const NOWHERE: Site = { idc: '', location: '', machine: '' };

export class Host {
  readonly id: HostId;
  readonly index: number;
  #site = NOWHERE;
  place = new Place(NOWHERE);
  /** Number of the IDC; hosts of one number feed each other. */
  idc = 0;
  seed = false;
  uploads = true;
  /** Still in the table: an object that outlives its host must not be scheduled. */
  live = true;
  /** What is outstanding, kept by Leases. */
  ups = 0;
  downs = 0;
  upBytes = 0;
  downBytes = 0;
  readonly upLine = new Line();
  readonly downLine = new Line();
  /** How long what it gets is on its way, as its parents' queues promise. */
  readonly flight = new Mean();
  readonly trust: Trust;
  /** When it last gave something whole. */
  deliveredAt: Millis = Number.NEGATIVE_INFINITY;
  /** Nothing is heard of it at the moment: nothing new begins at it, and what it holds counts. */
  silent = false;
  /** Its number in the swarm that was asked last; kept by Swarm. */
  lastSwarm: object | undefined = undefined;
  lastPeer = -1;
  /** In a queue of the dispatcher. */
  ready = false;
  hungry = false;

  get site(): Site {
    return this.#site;
  }

  set site(site: Site) {
    this.#site = site;
    this.place = new Place(site);
  }

  get up(): RateMeter {
    return this.upLine.rate;
  }

  get down(): RateMeter {
    return this.downLine.rate;
  }

  constructor(id: HostId, index: number, trust: Trust) {
    this.id = id;
    this.index = index;
    this.trust = trust;
  }

  /** Gives pieces at all: the copies of others are no source for anybody. */
  get serves(): boolean {
    return this.uploads && this.live && !this.trust.isolated;
  }

  servesIn(content: ContentId): boolean {
    return this.serves && (this.trust.excluded.size === 0 || !this.trust.excluded.has(content));
  }

  hasUpRoom(pieceSize: number, limits: Limits): boolean {
    if (this.silent) return false;
    if (this.ups === 0) return true;
    if (this.trust.probation) return false;
    const window = parentWindow(this.upLine, pieceSize, limits, this.seed);
    return this.upBytes + pieceSize <= (this.trust.limited ? window * limits.limitedShare : window);
  }

  hasDownRoom(pieceSize: number, limits: Limits): boolean {
    if (this.silent) return false;
    if (this.downs === 0) return true;
    return this.downBytes + pieceSize <= childWindow(this.downLine, this.flight, pieceSize, limits);
  }

  /** When the last byte of what is outstanding at it, and of `bytes` more, is expected; from now on. */
  expectedUpMs(bytes: number, limits: Limits): Millis {
    return ((this.upBytes + bytes) * 1000) / (this.up.rate || limits.assumedBytesPerSecond);
  }

  expectedDownMs(bytes: number, limits: Limits): Millis {
    return ((this.downBytes + bytes) * 1000) / (this.down.rate || limits.assumedBytesPerSecond);
  }
}

/**
 * When a piece of `bytes` is through at the latest, if all goes well: transfers that begin later share both links with this one,
 * so the whole windows count, not only what is outstanding now.
 */
export function latestMs(parent: Host, child: Host, bytes: number, limits: Limits): Millis {
  const up = Math.max(parent.upBytes + bytes, parentWindow(parent.upLine, bytes, limits, parent.seed));
  const down = Math.max(child.downBytes + bytes, childWindow(child.downLine, child.flight, bytes, limits));
  const upRate = parent.up.rate || limits.assumedBytesPerSecond;
  const downRate = child.down.rate || limits.assumedBytesPerSecond;
  return Math.max(up / upRate, down / downRate) * 1000;
}

export class HostTable {
  readonly #byId = new Map<HostId, Host>();
  readonly #slots: (Host | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #idcs = new Map<string, { number: number; hosts: number }>();
  readonly #freeIdcs: number[] = [];
  readonly #maxIdcs: number;
  /** What is remembered of hosts that are not here. */
  readonly book: TrustBook;

  constructor(limits: Limits) {
    const { maxIdcs } = limits;
    this.#maxIdcs = maxIdcs;
    this.book = new TrustBook(limits);
    for (let number = maxIdcs - 1; number > 0; number--) this.#freeIdcs.push(number);
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

  add(id: HostId, site: Site): Host {
    const index = this.#free.pop() ?? this.#slots.length;
    const host = new Host(id, index, this.book.take(id));
    host.site = site;
    host.idc = this.#enter(site.idc);
    this.#slots[index] = host;
    this.#byId.set(id, host);
    return host;
  }

  remove(host: Host): void {
    host.live = false;
    this.#leave(host.site.idc);
    this.#slots[host.index] = undefined;
    this.#free.push(host.index);
    this.#byId.delete(host.id);
    this.book.keep(host.id, host.trust);
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

  get idcLimit(): number {
    return this.#maxIdcs;
  }
}
