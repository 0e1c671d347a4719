/**
 * One content on disk: the data file, the journal that says which pieces of it are there, and the meta beside them.
 * Invariants: a piece is held only when its bytes were written first and its record after them; a piece is proved when
 * this process wrote or hashed it and the data file has not changed since; only proved bytes leave.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Bitfield } from '../base/bitfield.ts';
import { nextTurn } from '../io/turn.ts';
import { saveJson, saveNewJson } from '../io/whole-file.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, PieceIndex } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import { ArrivingPieces } from './arriving.ts';
import type { ContentHome, ContentParts } from './content-home.ts';
import { DataFile } from './data-file.ts';
import type { Resident } from './eviction.ts';
import type { Journal } from './journal.ts';
import type { JournalRecord } from './journal-format.ts';
import { Making } from './making.ts';
import type { PieceTable } from './piece-table.ts';
import { lacks, Proof } from './proof.ts';
import { Reservation } from './reservation.ts';
import type { Tenant } from './space.ts';
import type { ContentMeta, HandOver, StoredContent } from './store.ts';
import { Usage } from './usage.ts';

const MAX_ATTEMPTS = 4;
/** The use of a content is saved when what is saved is older than this. */
const SAVE_USE_MS = 60_000;

export class DiskContent implements StoredContent, Tenant {
  readonly id: ContentId;
  readonly usage: Usage;
  readonly #home: ContentHome;
  readonly #table: PieceTable;
  readonly #journal: Journal;
  readonly #data: DataFile;
  readonly #proof: Proof;
  readonly #reservation: Reservation;
  readonly #arriving = new ArrivingPieces();
  readonly #listeners: ((pieces: readonly PieceIndex[]) => void)[] = [];
  #folder: string;
  #meta: ContentMeta;
  #bootId: string;
  #savedUse: number;
  /** The meta on disk, as JSON. */
  #savedMeta: string;
  #saving: Promise<void> = Promise.resolve();
  #making = new Making();

  constructor(home: ContentHome, parts: ContentParts) {
    this.id = parts.id;
    this.#home = home;
    this.#folder = parts.folder;
    this.#meta = parts.meta;
    this.#table = parts.table;
    this.#journal = parts.journal;
    this.#bootId = parts.bootId;
    this.#savedUse = parts.usedAt;
    this.#savedMeta = JSON.stringify(parts.meta);
    this.#data = new DataFile(home.files, join(parts.folder, DATA_NAME), () => this.#table.doubt());
    this.usage = new Usage(home.clock, parts.usedAt, () => this.#rested());
    this.#reservation = new Reservation(home.space, this.usage);
    this.#proof = new Proof(parts.id, {
      table: parts.table,
      data: this.#data,
      scratch: home.scratch,
      lose: (pieces) => this.#lose(pieces),
      onError: home.onError,
    });
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

  /** Written before the last start of the machine and not proved since: what it claims to hold may not be there. */
  get doubtful(): boolean {
    return this.#bootId !== this.#home.bootId && !this.#proof.whole;
  }

  /** Whether its shape may be, or become, this one. */
  allows(shape: ContentShape): boolean {
    return this.#table.allows(shape);
  }

  /** Once, at start: whether somebody has the data file under another name. */
  lookAtLinks(): Promise<void> {
    return this.#data.lookAtLinks();
  }

  /** Folder and files are there, or it is known why not. Rejects with local-io. */
  get made(): Promise<void> {
    return this.#making.made;
  }

  /** Once, for a new content: `work` makes the folder and the journal. The meta follows. */
  make(work: () => Promise<void>): void {
    this.#making = new Making(() => work().then(() => this.#saveMeta(saveNewJson)));
    this.made.catch((error: unknown) => this.usage.spoil(Fault.of(error, 'local-io')));
  }

  /** As `made`, and does not wait for anybody else to begin. */
  begin(): Promise<void> {
    return this.#making.begin();
  }

  get folder(): string {
    return this.#folder;
  }

  get heldBytes(): number {
    return this.#table.heldBytes;
  }

  get resident(): Resident {
    const bytes = this.#table.heldBytes;
    const frees = this.#data.shared ? 0 : bytes;
    return { id: this.id, bytes, frees, usedAt: this.usedAt, idle: this.usage.idle && this.#meta.pinned !== true };
  }

  async refresh(): Promise<void> {
    if (this.#data.shared) await this.#data.lookAtLinks();
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

  has(piece: PieceIndex): boolean {
    return this.#table.held.has(piece) || this.#arriving.has(piece);
  }

  atHand(piece: PieceIndex): Uint8Array | undefined {
    return this.#arriving.dataOf(piece);
  }

  digestOf(piece: PieceIndex): Uint8Array | undefined {
    return this.#table.digestOf(piece) ?? this.#arriving.digestOf(piece);
  }

  /** Makes sure that all that is missing is promised. Fault no-space. */
  reserve(): Promise<void> {
    return this.#reservation.raise(() => this.#table.missingBytes);
  }

  async put(piece: PieceIndex, digest: Uint8Array, data: Uint8Array): Promise<void> {
    if (this.#table.held.has(piece)) return;
    assert(this.#table.fits(piece, data.length), `piece ${piece} of ${data.length} bytes in ${this.id}`);
    const write = () => this.usage.during(() => this.#write(piece, digest, data));
    await this.#arriving.during(piece, { digest, data }, write);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    if (into.length === 0) return Promise.resolve();
    assert(Number.isSafeInteger(offset) && offset >= 0, `offset ${offset}`);
    return this.usage.during(() => {
      this.usage.touch();
      return this.#arriving.read(this.shape, offset, into, (at, part) => this.#proof.read(at, part));
    });
  }

  verify(): Promise<void> {
    return this.usage.during(async () => {
      await this.begin();
      await this.#proof.all();
      if (this.#bootId !== this.#home.bootId && this.#proof.whole) await this.#rewrite();
    });
  }

  flush(): Promise<void> {
    return this.usage.during(() => this.#data.flush());
  }

  handOver(path: string, options: { readonly copy?: boolean; readonly sync?: boolean }): Promise<HandOver> {
    return this.usage.during(async () => {
      this.usage.touch();
      const ready = () => this.complete && this.#proof.whole;
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        await this.verify();
        const { length } = this.shape;
        if (length === null || !this.complete) throw lacks(this.id, Math.max(0, this.held.nextClear()));
        const { copy = false, sync = false } = options;
        const { fresh } = this.#home;
        const way = await this.#data.handOver(path, { fresh, length, copy, sync, ready });
        if (way !== undefined) return way;
      }
      throw new Fault(
        'local-io',
        `cannot hand over ${path}: other programs keep changing the stored content; stop them`,
      );
    });
  }

  reshape(shape: ContentShape): Promise<void> {
    return this.usage.during(async () => {
      const { length } = shape;
      assert(this.#table.allows(shape), `another shape for ${this.id}`);
      if (length === null || this.shape.length !== null) return;
      await this.begin();
      // Reserved before the shape is taken on: where there is no room, all stays as it was.
      await this.#reservation.raise(() => Math.max(0, length - this.#table.heldBytes));
      const dropped = this.#table.reshape(shape);
      this.#reservation.lower(this.#table.missingBytes);
      await this.#rewrite();
      await this.#data.resize(length);
      this.#tellLost(dropped);
    });
  }

  annotate(change: Partial<ContentMeta>): Promise<void> {
    return this.usage.during(async () => {
      this.#meta = { ...this.#meta, ...change };
      // What says nothing new costs no write: every small content would pay for one.
      const isNews = () => JSON.stringify(this.#meta) !== this.#savedMeta;
      if (!isNews()) return;
      // The first save may have it already.
      await this.begin();
      if (isNews()) await this.#saveMeta();
    });
  }

  #saveMeta(save = saveJson): Promise<void> {
    const run = this.#saving.then(async () => {
      const usedAt = this.usedAt;
      const meta = this.#meta;
      await save(join(this.#folder, META_NAME), { ...meta, usedAt });
      this.#savedMeta = JSON.stringify(meta);
      this.#savedUse = usedAt;
    });
    this.#saving = run.catch(() => undefined);
    return run;
  }

  /** Its folder was renamed. */
  moved(folder: string): void {
    this.#folder = folder;
    this.#data.moved(join(folder, DATA_NAME));
    this.#journal.moved(join(folder, JOURNAL_NAME));
  }

  /** Waits for all that is going on, then closes the files. */
  async close(fate: 'kept' | 'removed'): Promise<void> {
    await this.usage.drained(fate);
    this.#reservation.lower(0);
    await this.begin().catch(() => undefined);
    if (fate === 'kept' && this.usedAt !== this.#savedUse) await this.#saveMeta().catch(this.#report);
    await this.#saving;
    await this.#journal.close();
    await this.#data.close();
  }

  /** A user went and it was the last one. */
  #rested(): void {
    this.#reservation.lower(0);
    if (this.usedAt - this.#savedUse < SAVE_USE_MS) return;
    // A content that is closed already has saved its use, or needs it no more.
    if (!this.usage.closed) this.usage.during(() => this.begin().then(() => this.#saveMeta())).catch(this.#report);
  }

  readonly #report = (error: unknown): void => this.#home.onError(Fault.of(error));

  async #write(piece: PieceIndex, digest: Uint8Array, data: Uint8Array): Promise<void> {
    if (this.shape.length === null) await this.#reservation.raiseAhead(data.length);
    // The piece goes to who waits for it before files are made for it.
    if (this.#making.ahead) await nextTurn();
    await this.begin();
    const epoch = await this.#data.write(piece * this.shape.pieceSize, data);
    const record: JournalRecord = { type: 'held', piece, bytes: data.length, digest };
    await this.#journal.append(record, () => {
      // The length may have become known in between, and the piece be none of it.
      if (!this.#table.fits(piece, data.length)) return;
      this.#table.hold(piece, data.length, digest, epoch === this.#data.epoch);
      this.#reservation.spend(data.length);
    });
  }

  #lose(pieces: readonly PieceIndex[]): void {
    const lost = pieces.filter((piece) => this.held.has(piece));
    for (const piece of lost) {
      this.#table.drop(piece);
      this.usage.during(() => this.#journal.append({ type: 'dropped', piece }, () => undefined)).catch(this.#report);
    }
    this.#tellLost(lost);
  }

  #tellLost(pieces: readonly PieceIndex[]): void {
    if (pieces.length === 0) return;
    for (const listener of this.#listeners) listener(pieces);
  }

  async #rewrite(): Promise<void> {
    const { bootId } = this.#home;
    await this.#journal.rewrite({ shape: this.shape, bootId }, () => this.#records());
    this.#bootId = bootId;
  }

  #records(): readonly JournalRecord[] {
    const records: JournalRecord[] = [];
    for (const piece of this.held) {
      const digest = this.#table.digestOf(piece);
      if (digest !== undefined) records.push({ type: 'held', piece, bytes: this.#table.sizeOf(piece), digest });
    }
    return records;
  }
}

export const DATA_NAME = 'data';
export const JOURNAL_NAME = 'journal';
export const META_NAME = 'meta.json';
