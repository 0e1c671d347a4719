/**
 * Where cache, hosts and scheduler meet: what happens to a content or a host becomes events of the scheduler, in one place, so that a
 * host is in a swarm exactly when the scheduler thinks so.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { Clock } from '../base/clock.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { Site } from '../protocol/host.ts';
import type { ContentId, HostId, PieceIndex, TaskId } from '../protocol/ids.ts';
import type { HostMessage, InventoryEntry, PieceWindow, SupernodeMessage } from '../protocol/messages.ts';
import type { Manifest, TaskSpec } from '../protocol/task.ts';
import type { Wants } from '../scheduler/events.ts';
import { AskedManifests } from './asked-manifests.ts';
import type { Cache } from './cache/cache.ts';
import type { Entry, Opened } from './cache/entry.ts';
import type { CacheEvents } from './cache/events.ts';
import type { Holding } from './cluster/host-tier.ts';
import { type HostRecord, type Hosts, heldOf, heldWords } from './hosts.ts';
import type { PieceDigests } from './outbox.ts';
import type { PieceProof } from './piece-checks.ts';
import { SeedPeer } from './seed-peer.ts';
import { Swarm } from './swarm.ts';
import type { SwarmLoop } from './swarm-loop.ts';

export type SwarmsParts = {
  readonly hosts: Hosts;
  readonly loop: SwarmLoop;
  readonly clock: Clock;
  readonly seedSite: Site;
  readonly seedUpBytesPerSecond: number | undefined;
};

/** How much of the content a host opens it for. */
type Reader = { readonly window?: PieceWindow; readonly only?: 'window'; readonly give?: number };
export type ReportMessage = Extract<HostMessage, { type: 'report' }>;

export class Swarms implements CacheEvents {
  readonly #parts: SwarmsParts;
  readonly #swarms = new Map<ContentId, Swarm>();
  readonly #manifests: AskedManifests;
  #cache: Cache | undefined;

  constructor(parts: SwarmsParts) {
    this.#parts = parts;
    this.#manifests = new AskedManifests(parts.hosts);
  }

  /** The cache and the swarms know each other; this closes the circle, once, before the first session. */
  start(cache: Cache): void {
    this.#cache = cache;
    const { hosts, loop, seedSite, seedUpBytesPerSecond: rate } = this.#parts;
    loop.handle({
      type: 'host-joined',
      host: hosts.seed.id,
      site: seedSite,
      seed: true,
      uploads: true,
      ...(rate === undefined ? {} : { upBytesPerSecond: rate }),
    });
  }

  /** What must not grow for ever. */
  get counts(): { readonly swarms: number; readonly awaitedManifests: number } {
    return { swarms: this.#swarms.size, awaitedManifests: this.#manifests.count };
  }

  /** The entry is the one that its swarm is about. */
  has(entry: Entry): boolean {
    return this.#swarms.get(entry.id)?.entry === entry;
  }

  hostsOf(content: ContentId): readonly HostRecord[] {
    return [...(this.#swarms.get(content)?.hosts ?? [])];
  }

  hostCount(content: ContentId): number {
    return this.#swarms.get(content)?.hosts.size ?? 0;
  }

  async open(task: TaskId, spec: TaskSpec): Promise<Opened> {
    if (this.#cache === undefined) throw new Error('swarms were not started');
    const opened = await this.#cache.open(task, spec);
    const swarm = this.#swarms.get(opened.entry.id);
    if (swarm !== undefined) swarm.usedAt = this.#parts.clock.now();
    return opened;
  }

  // What hosts say.

  hostJoined(record: HostRecord): void {
    const { id, site, uploads, upBytesPerSecond, downBytesPerSecond } = record.description;
    this.#parts.loop.handle({
      type: 'host-joined',
      host: id,
      site,
      seed: false,
      uploads,
      ...(upBytesPerSecond === undefined ? {} : { upBytesPerSecond }),
      ...(downBytesPerSecond === undefined ? {} : { downBytesPerSecond }),
    });
  }

  hostLeft(record: HostRecord): void {
    const swarms = [...record.swarms.keys()].map((content) => this.#swarms.get(content));
    for (const swarm of swarms) swarm?.leave(record);
    this.#parts.loop.handle({ type: 'host-left', host: record.description.id });
    for (const swarm of swarms) this.#endRetired(swarm);
  }

  offered(record: HostRecord, entry: InventoryEntry): void {
    const swarm = this.#swarms.get(entry.content);
    if (swarm === undefined) this.#parts.hosts.offer(record, entry);
    else if (!record.swarms.has(entry.content)) this.#holds(record, swarm, entry);
    // It opened before its inventory was through, or has heard of the end since.
    else if (entry.hasManifest) record.manifests.add(entry.content);
  }

  joined(record: HostRecord, entry: Entry, held: Bitfield, reader: Reader): void {
    const swarm = this.#swarms.get(entry.id);
    if (swarm === undefined) return;
    swarm.usedAt = this.#parts.clock.now();
    this.#parts.hosts.withdraw(record, entry.id);
    const { window, only, give } = reader;
    if (give !== undefined) record.gives.set(entry.id, give);
    this.#enter(record, swarm, { held, wants: only ?? 'all', ...(window === undefined ? {} : { window }) });
  }

  left(record: HostRecord, content: ContentId): void {
    const swarm = this.#swarms.get(content);
    if (swarm === undefined || !record.swarms.has(content)) return;
    swarm.enter(record, false);
    swarm.usedAt = this.#parts.clock.now();
    this.#parts.loop.handle({ type: 'peer-left', host: record.description.id, content, keeps: true });
    this.#endRetired(swarm);
  }

  /** `whole` = from now on it wants all of the content. */
  windowMoved(record: HostRecord, content: ContentId, window: PieceWindow | null, whole: boolean): void {
    if (record.swarms.has(content)) {
      this.#parts.loop.handle({
        type: 'window-moved',
        host: record.description.id,
        content,
        window,
        ...(whole ? { wants: 'all' } : {}),
      });
    }
  }

  /** What a host says of pieces: thousands of these come in one turn, so that what they share is looked up once. */
  reported(record: HostRecord, { content: of, held, failed, near = [] }: ReportMessage): void {
    // Our own text of the name: the scheduler compares it with itself.
    const content = record.swarms.has(of) ? this.#swarms.get(of)?.entry.id : undefined;
    if (content === undefined) return;
    const { loop } = this.#parts;
    const host = record.description.id;
    for (const [piece, lease, millis] of held) loop.handle({ type: 'piece-held', host, content, piece, lease, millis });
    for (const [piece, lease] of near) loop.handle({ type: 'piece-near', host, content, piece, lease });
    for (const [piece, lease, fault] of failed) {
      loop.handle({ type: 'piece-failed', host, content, piece, lease, fault });
    }
  }

  lost(record: HostRecord, content: ContentId, pieces: readonly PieceIndex[] | 'all'): void {
    const { hosts, loop } = this.#parts;
    const host = record.description.id;
    hosts.withdraw(record, content);
    if (!record.swarms.has(content)) return;
    if (pieces === 'all' && record.swarms.get(content) === false) {
      // It neither has it nor wants it: nothing is left to remember.
      this.#swarms.get(content)?.leave(record);
      loop.handle({ type: 'peer-left', host, content, keeps: false });
    } else loop.handle({ type: 'pieces-lost', host, content, pieces });
  }

  manifestCame(manifest: Manifest): void {
    this.#manifests.came(manifest);
  }

  manifestFromHosts(task: TaskId): Promise<Manifest | undefined> {
    return this.#manifests.find(task);
  }

  /** Some host holds pieces of it, and has not heard of its end. */
  unfinishedAtHosts(content: ContentId): boolean {
    return this.#parts.hosts.offersOfContent(content).some(({ entry }) => !entry.hasManifest);
  }

  // What the cache says.

  shaped(entry: Entry): void {
    const { shape, stored } = entry;
    const known = this.#swarms.get(entry.id);
    if (known !== undefined) {
      known.seed.shaped(shape, stored.held.size);
      if (known.entry !== entry) known.renew(entry);
      for (const record of known.hosts) record.session.send({ type: 'shape', content: entry.id, shape });
      return;
    }
    const { loop, hosts, clock } = this.#parts;
    const seed = new SeedPeer(shape, { loop, host: hosts.seed.id, content: entry.id });
    seed.shaped(shape, stored.held.size);
    const swarm = new Swarm(entry, seed, clock.now());
    this.#swarms.set(entry.id, swarm);
    for (const { record, entry: offer } of hosts.offersOfContent(entry.id)) this.#holds(record, swarm, offer);
  }

  pieceHeld(entry: Entry, piece: PieceIndex): void {
    this.#swarms.get(entry.id)?.seed.holds(piece);
  }

  /** Hosts that have left keep it too: with it a successor needs no source. */
  completed(entry: Entry): void {
    const { manifest } = entry;
    if (manifest === undefined) return;
    const text = JSON.stringify({ type: 'manifest', manifest } satisfies SupernodeMessage);
    for (const { manifests, session } of this.#swarms.get(entry.id)?.hosts ?? []) {
      if (!manifests.has(entry.id)) session.sendText(text);
      manifests.add(entry.id);
    }
  }

  broken(entry: Entry, fault: { toValue(): { code: FaultCode; message: string } }): void {
    for (const record of this.#swarms.get(entry.id)?.hosts ?? []) {
      if (record.swarms.get(entry.id) === true) {
        record.session.send({ type: 'failed', content: entry.id, fault: fault.toValue() });
      }
    }
    const swarm = this.#swarms.get(entry.id);
    if (swarm?.entry === entry) this.#close(swarm);
  }

  /** It goes on for those who are downloading it: nobody has told them to stop. */
  dropped(entry: Entry): void {
    const swarm = this.#swarms.get(entry.id);
    if (swarm?.entry !== entry) return;
    swarm.retired = true;
    this.#endRetired(swarm);
  }

  /** The cache's own copy turned out to be spoilt there. */
  spoilt(entry: Entry, pieces: readonly PieceIndex[]): void {
    const swarm = this.#swarms.get(entry.id);
    if (swarm?.entry === entry) swarm.seed.lost(pieces);
  }

  /** What the child must check pieces against, unless it has the manifest. */
  digestsFor(host: HostId, content: ContentId): PieceDigests | undefined {
    if (this.#parts.hosts.find(host)?.manifests.has(content)) return undefined;
    return this.#swarms.get(content)?.digestText;
  }

  /** What the hosts of its swarm hold, those that are trusted and give. */
  *holdings(content: ContentId): Generator<Holding> {
    for (const record of this.#swarms.get(content)?.hosts ?? []) {
      const { id, ip, port, uploads } = record.description;
      const held = uploads && record.isolated === undefined ? this.#parts.loop.heldBy(id, content) : undefined;
      if (held !== undefined) yield { place: { ip, port }, held };
    }
  }

  /** What a piece must be; undefined when that is not known here. */
  proofOf(content: ContentId, piece: PieceIndex): PieceProof | undefined {
    return this.#swarms.get(content)?.proofOf(piece);
  }

  starved(content: ContentId, pieces: readonly PieceIndex[]): void {
    const entry = this.#swarms.get(content)?.entry;
    if (entry !== undefined) this.#cache?.refill(entry, pieces);
  }

  #holds(record: HostRecord, swarm: Swarm, offer: InventoryEntry): void {
    this.#parts.hosts.withdraw(record, offer.content);
    const held = heldOf(offer.held, offer.shape, swarm.entry.shape);
    if (held === undefined || held.count === 0) return;
    const { manifest } = swarm.entry;
    if (offer.hasManifest || manifest !== undefined) record.manifests.add(offer.content);
    if (!offer.hasManifest && manifest !== undefined) record.session.send({ type: 'manifest', manifest });
    this.#enter(record, swarm, { held, wants: 'nothing' });
  }

  #enter(
    record: HostRecord,
    swarm: Swarm,
    peer: { readonly held: Bitfield; readonly wants: Wants; readonly window?: PieceWindow },
  ): void {
    const { id: content } = swarm.entry;
    swarm.seed.join();
    swarm.enter(record, peer.wants !== 'nothing');
    // What a child could not check it is not told of: it would have to take the parent's word.
    const held = swarm.entry.provable(peer.held);
    this.#parts.loop.handle({ type: 'peer-joined', host: record.description.id, content, ...peer, held });
  }

  /** Contents that nobody downloads, and that were not asked for since `before`. */
  idleSince(before: number): readonly ContentId[] {
    const idle: ContentId[] = [];
    for (const { entry, wanted, usedAt } of this.#swarms.values()) {
      if (!wanted && usedAt < before && entry.settled) idle.push(entry.id);
    }
    return idle;
  }

  #endRetired(swarm: Swarm | undefined): void {
    if (swarm?.retired === true && !swarm.wanted) this.#close(swarm);
  }

  /** Who holds it offers it again, as after an inventory: the next one who asks finds it with them. */
  #close(swarm: Swarm): void {
    const { entry, hosts: members } = swarm;
    const { hosts, loop } = this.#parts;
    if (this.#swarms.get(entry.id) !== swarm) return;
    this.#swarms.delete(entry.id);
    for (const record of [...members]) {
      const held = loop.heldBy(record.description.id, entry.id);
      const hasManifest = record.manifests.has(entry.id);
      swarm.leave(record);
      if (held === undefined || held.count === 0 || entry.shape.length === null) continue;
      hosts.offer(record, { content: entry.id, shape: entry.shape, held: heldWords(held), hasManifest });
    }
    swarm.seed.close();
  }
}
