/**
 * Proves by hashing that what is on disk is what was put there, before a byte of it leaves. Each piece once for all who
 * ask at the same time, and again only after the file changed. What fails the proof is lost at once.
 */
import type { BufferPool } from '../io/buffers.ts';
import { errnoOf } from '../io/disk.ts';
import { PieceHash } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, PieceIndex } from '../protocol/ids.ts';
import { piecesOf } from '../protocol/piece.ts';
import type { DataFile } from './data-file.ts';
import type { PieceTable } from './piece-table.ts';

const MAX_ATTEMPTS = 4;
/** Bytes hashed at a time: the event loop is free in between. */
const HASH_SLICE_BYTES = 1024 * 1024;

export type ProofParts = {
  readonly table: PieceTable;
  readonly data: DataFile;
  readonly scratch: BufferPool;
  /** Drops the pieces and tells of it. */
  readonly lose: (pieces: readonly PieceIndex[]) => void;
  readonly onError: (fault: Fault) => void;
};

export class Proof {
  readonly #id: ContentId;
  readonly #parts: ProofParts;
  readonly #running = new Map<PieceIndex, Promise<boolean>>();

  constructor(id: ContentId, parts: ProofParts) {
    this.#id = id;
    this.#parts = parts;
  }

  /** Every held piece is proved. */
  get whole(): boolean {
    return this.#parts.table.unproved().length === 0;
  }

  /** Reads proved bytes. Fault peer-lacks. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const { table, data } = this.#parts;
    const { first, last } = piecesOf(table.shape, { start: offset, end: offset + into.length });
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const epoch = data.epoch;
      for (let piece = first; piece <= last; piece++) {
        if (!(await this.#prove(piece))) throw lacks(this.#id, piece);
      }
      const read = await this.#tolerant(first, last, () => data.read(offset, into, epoch));
      if (read === into.length) return;
      // Proved, but short: the reader asks for bytes behind a short last piece.
      if (read !== undefined && table.proved(last)) break;
    }
    throw lacks(this.#id, last);
  }

  /** Proves all that is held; drops the rest. */
  async all(): Promise<void> {
    const { table, data } = this.#parts;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await data.look();
      const pieces = table.unproved();
      if (pieces.length === 0) return;
      for (const piece of pieces) await this.#tryProve(piece);
    }
  }

  async #tryProve(piece: PieceIndex): Promise<void> {
    try {
      await this.#prove(piece);
    } catch (error) {
      // A bad sector: the piece is dropped and told already, the others are still to be proved.
      if (!(error instanceof Fault) || error.code !== 'peer-lacks') throw error;
    }
  }

  async #prove(piece: PieceIndex): Promise<boolean> {
    if (this.#parts.table.proved(piece)) return true;
    const running = this.#running.get(piece);
    if (running !== undefined) return running;
    const run = this.#hash(piece).finally(() => this.#running.delete(piece));
    this.#running.set(piece, run);
    return run;
  }

  async #hash(piece: PieceIndex): Promise<boolean> {
    const { table, data, lose } = this.#parts;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const digest = table.digestOf(piece);
      if (digest === undefined) return false;
      const epoch = data.epoch;
      const matches = await this.#tolerant(piece, piece, () => this.#matches(piece, digest, epoch));
      if (matches === undefined || epoch !== data.epoch) continue;
      if (matches) table.prove(piece);
      else lose([piece]);
      return matches;
    }
    lose([piece]);
    return false;
  }

  /** Undefined when the file changed under the hash. */
  async #matches(piece: PieceIndex, digest: Uint8Array, epoch: number): Promise<boolean | undefined> {
    const { table, data, scratch } = this.#parts;
    const size = table.sizeOf(piece);
    const start = piece * table.shape.pieceSize;
    const hash = new PieceHash();
    const buffer = await scratch.acquire(Math.min(size, HASH_SLICE_BYTES));
    try {
      for (let at = 0; at < size; at += buffer.length) {
        const slice = buffer.subarray(0, Math.min(buffer.length, size - at));
        const read = await data.read(start + at, slice, epoch);
        if (read === undefined) return undefined;
        if (read < slice.length) return false;
        hash.update(slice);
      }
      return hash.matches(digest);
    } finally {
      scratch.release(buffer);
    }
  }

  /** A sector that cannot be read is a lost piece, not a failing store. */
  async #tolerant<T>(first: PieceIndex, last: PieceIndex, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (errnoOf(error) !== 'EIO') throw error;
      this.#parts.onError(Fault.of(error));
      this.#parts.lose(Array.from({ length: last - first + 1 }, (_, index) => first + index));
      throw lacks(this.#id, first);
    }
  }
}

export function lacks(id: ContentId, piece: PieceIndex): Fault {
  return new Fault('peer-lacks', `piece ${piece} of ${id} is not here`);
}
