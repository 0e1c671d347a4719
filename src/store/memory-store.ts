/**
 * The twin of the disk store for tests: the same bookkeeping over buffers. What it hands over is a copy. `lose` plays the
 * user who spoils a file.
 */
import { assert } from '../base/assert.ts';
import type { Bitfield } from '../base/bitfield.ts';
import type { Clock } from '../base/clock.ts';
import { saveAtomically } from '../io/whole-file.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, PieceIndex, TaskId } from '../protocol/ids.ts';
import { type ContentShape, piecesOf } from '../protocol/piece.ts';
import { ContentIndex } from './content-index.ts';
import type { Resident } from './eviction.ts';
import { PieceTable } from './piece-table.ts';
import { lacks } from './proof.ts';
import { Reservation } from './reservation.ts';
import { Space, type Tenant } from './space.ts';
import type { ContentMeta, ContentStore, HandOver, StoredContent } from './store.ts';
import { Usage } from './usage.ts';
import { DEFAULT_MARKS, type Marks } from './watermarks.ts';

export type MemoryStoreOptions = {
  readonly clock: Clock;
  /** Size of the disk that it plays; absent = without limit. */
  readonly capacityBytes?: number;
  /** Its disk has no marks of its own unless they are given here. */
  readonly marks?: Partial<Marks>;
  readonly onEvicted?: (id: ContentId) => void;
};

export class MemoryStore implements ContentStore {
  readonly #options: MemoryStoreOptions;
  readonly #contents = new ContentIndex<MemoryContent>();
  readonly #condemned = new Set<MemoryContent>();
  readonly #space: Space;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    const tenants = () => [...this.#contents.values(), ...this.#condemned];
    const used = () => tenants().reduce((total, content) => total + content.resident.bytes, 0);
    const capacity = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
    this.#space = new Space({
      free: async () => ({ bavail: capacity - used(), bsize: 1 }),
      minFreeBytes: 0,
      marks: { ...DEFAULT_MARKS, youngBytes: 0, fullBytes: 0, ...options.marks },
      wall: () => options.clock.wall(),
      tenants,
      evict: async (ids) => this.#evict(ids),
      onError: (error) => {
        throw error;
      },
    });
  }

  find(id: ContentId): MemoryContent | undefined {
    return this.#contents.get(id);
  }

  list(): readonly MemoryContent[] {
    return [...this.#contents.values()];
  }

  ofTask(task: TaskId): readonly MemoryContent[] {
    return this.#contents.ofTask(task);
  }

  async create(id: ContentId, shape: ContentShape, meta: ContentMeta): Promise<MemoryContent> {
    if (this.#closed) throw new Fault('cancelled', 'the store is closed');
    let content = this.#contents.get(id);
    if (content !== undefined && !content.allows(shape)) {
      this.#condemn(content);
      content = undefined;
    }
    content ??= new MemoryContent(this.#options.clock, this.#space, { id, shape, meta });
    this.#contents.add(content);
    content.usage.expect();
    try {
      await content.reshape(shape);
      await content.reserve();
    } catch (error) {
      content.usage.unexpect();
      if (content.held.count === 0 && content.usage.idle) this.#condemn(content);
      throw error;
    }
    return content;
  }

  async remove(id: ContentId): Promise<void> {
    const content = this.#contents.get(id);
    if (content !== undefined) this.#condemn(content);
  }

  keep(more?: Partial<Marks>): Promise<readonly ContentId[]> {
    return this.#space.keep(more);
  }

  async handOverBytes(bytes: Uint8Array, path: string): Promise<HandOver> {
    await saveAtomically(path, bytes);
    return 'copy';
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const content of this.#contents.values()) await content.usage.drained('kept');
  }

  #evict(ids: readonly ContentId[]): readonly ContentId[] {
    const gone: ContentId[] = [];
    for (const id of ids) {
      const content = this.#contents.get(id);
      if (!content?.resident.idle) continue;
      this.#condemn(content);
      gone.push(id);
      this.#options.onEvicted?.(id);
    }
    return gone;
  }

  #condemn(content: MemoryContent): void {
    this.#contents.delete(content.id);
    this.#condemned.add(content);
    void content.usage
      .left()
      .then(() => content.close())
      .then(() => this.#condemned.delete(content));
  }
}

type MemoryParts = { readonly id: ContentId; readonly shape: ContentShape; readonly meta: ContentMeta };

export class MemoryContent implements StoredContent, Tenant {
  readonly id: ContentId;
  readonly usage: Usage;
  readonly #table: PieceTable;
  readonly #reservation: Reservation;
  readonly #pieces = new Map<PieceIndex, Uint8Array>();
  readonly #listeners: ((pieces: readonly PieceIndex[]) => void)[] = [];
  #meta: ContentMeta;

  constructor(clock: Clock, space: Space, parts: MemoryParts) {
    this.id = parts.id;
    this.#meta = parts.meta;
    this.#table = new PieceTable(parts.shape);
    this.usage = new Usage(clock, clock.wall(), () => this.#reservation.lower(0));
    this.#reservation = new Reservation(space, this.usage);
  }

  get shape(): ContentShape {
    return this.#table.shape;
  }

  get meta(): ContentMeta {
    return this.#meta;
  }

  get held(): Bitfield {
    return this.#table.held;
  }

  get complete(): boolean {
    return this.#table.complete;
  }

  get usedAt(): number {
    return this.usage.usedAt;
  }

  get heldBytes(): number {
    return this.#table.heldBytes;
  }

  get resident(): Resident {
    const bytes = this.#table.heldBytes;
    return {
      id: this.id,
      bytes,
      frees: bytes,
      usedAt: this.usedAt,
      idle: this.usage.idle && this.#meta.pinned !== true,
    };
  }

  allows(shape: ContentShape): boolean {
    return this.#table.allows(shape);
  }

  async refresh(): Promise<void> {
    // Nobody else can have a link to memory.
  }

  reserve(): Promise<void> {
    return this.#reservation.raise(() => this.#table.missingBytes);
  }

  async reshape(shape: ContentShape): Promise<void> {
    const { length } = shape;
    assert(this.#table.allows(shape), `another shape for ${this.id}`);
    if (length === null || this.shape.length !== null) return;
    await this.#reservation.raise(() => Math.max(0, length - this.#table.heldBytes));
    this.#tellLost(this.#table.reshape(shape));
    this.#reservation.lower(this.#table.missingBytes);
  }

  async annotate(change: Partial<ContentMeta>): Promise<void> {
    this.#meta = { ...this.#meta, ...change };
  }

  async put(piece: PieceIndex, digest: Uint8Array, data: Uint8Array): Promise<void> {
    if (this.held.has(piece)) return;
    assert(this.#table.fits(piece, data.length), `piece ${piece} of ${data.length} bytes in ${this.id}`);
    await this.usage.during(async () => {
      if (this.shape.length === null) await this.#reservation.raiseAhead(data.length);
      if (this.held.has(piece) || !this.#table.fits(piece, data.length)) return;
      this.#pieces.set(piece, Uint8Array.from(data));
      this.#table.hold(piece, data.length, digest, true);
      this.#reservation.spend(data.length);
    });
  }

  has(piece: PieceIndex): boolean {
    return this.held.has(piece);
  }

  atHand(piece: PieceIndex): Uint8Array | undefined {
    return this.#pieces.get(piece);
  }

  digestOf(piece: PieceIndex): Uint8Array | undefined {
    return this.#table.digestOf(piece);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (into.length === 0) return;
    this.usage.touch();
    await this.usage.during(async () => {
      const end = offset + into.length;
      const { first, last } = piecesOf(this.shape, { start: offset, end });
      for (let piece = first; piece <= last; piece++) {
        const start = piece * this.shape.pieceSize;
        const data = this.held.has(piece) ? this.#pieces.get(piece) : undefined;
        const upTo = Math.min(end, start + this.shape.pieceSize);
        if (data === undefined || start + data.length < upTo) throw lacks(this.id, piece);
        const from = Math.max(offset, start);
        into.set(data.subarray(from - start, upTo - start), from - offset);
      }
    });
  }

  async flush(): Promise<void> {}

  async verify(): Promise<void> {
    // Nobody can change memory behind our back.
  }

  async handOver(path: string, _options: { readonly copy?: boolean; readonly sync?: boolean }): Promise<HandOver> {
    const { length } = this.shape;
    if (length === null || !this.complete) throw lacks(this.id, Math.max(0, this.held.nextClear()));
    const whole = new Uint8Array(length);
    await this.read(0, whole);
    await saveAtomically(path, whole);
    return 'copy';
  }

  acquire(): void {
    this.usage.acquire();
  }

  release(): void {
    this.usage.release();
  }

  onLost(listener: (pieces: readonly PieceIndex[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Takes no more work, and needs no more room. */
  async close(): Promise<void> {
    await this.usage.drained('removed');
    this.#reservation.lower(0);
  }

  /** For tests: the pieces turn out to be changed from outside. */
  lose(pieces: readonly PieceIndex[]): void {
    const lost = pieces.filter((piece) => this.held.has(piece));
    for (const piece of lost) this.#table.drop(piece);
    this.#tellLost(lost);
  }

  #tellLost(pieces: readonly PieceIndex[]): void {
    if (pieces.length === 0) return;
    for (const listener of this.#listeners) listener(pieces);
  }
}
