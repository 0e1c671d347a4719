/**
 * One piece from one parent: buffer, GET, one hash, compare, store. Invariant: no byte is written, served or shown
 * before its digest was compared. Memory is bounded twice: a request is sent only with a buffer of the host's one pool
 * in hand, and only while fewer pieces than `queue` of this download wait for the disk. So a slow disk stops the reading.
 */
import type { Clock } from '../base/clock.ts';
import type { BufferPool } from '../io/buffers.ts';
import { sameBytes, sha256 } from '../io/hash.ts';
import { inTurns } from '../io/pacer.ts';
import type { PieceClient } from '../io/piece-client.ts';
import { nextTurn } from '../io/turn.ts';
import { Fault } from '../protocol/faults.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { pieceSpan } from '../protocol/piece.ts';
import { contentPath } from '../protocol/piece-path.ts';
import type { StoredContent } from '../store/store.ts';
import type { Bandwidth } from './bandwidth.ts';

/**
 * Pieces that are being taken or written, over those that may wait for the disk. So many that requests to slow parents do not
 * keep those to fast ones waiting: with 4 the fast half of a mixed swarm ran at the pace of the slow half. Memory is the pool's.
 */
const OPEN_PER_QUEUED = 16;

export type PieceJob = {
  readonly content: StoredContent;
  readonly piece: PieceIndex;
  readonly parent: ParentAddress;
  readonly digest: Buffer;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  /** Called once when most of it is here. */
  readonly near?: (() => void) | undefined;
  /** What came with the assignment. */
  readonly given?: Uint8Array | undefined;
};

export type PieceFetchParts = {
  readonly client: PieceClient;
  readonly pool: BufferPool;
  readonly bandwidth: Bandwidth;
  readonly clock: Clock;
};

export type FetchListener = {
  /** A piece can be read from now on. */
  onFresh(content: StoredContent, piece: PieceIndex): void;
  /** Its bytes, in a later turn: who reads it has them by then. Good until this returns. Absent = nobody wants them. */
  onBytes?(content: StoredContent, piece: PieceIndex, bytes: Uint8Array): void;
};

export class PieceFetch {
  readonly #parts: PieceFetchParts;
  readonly #key: string;
  readonly #queue: number;
  readonly #listener: FetchListener | undefined;
  #open = 0;
  #writing = 0;
  #waiting: (() => void)[] = [];

  /** `key` names the task among the host's rates; `queue` in pieces. */
  constructor(parts: PieceFetchParts, key: string, queue: number, listener?: FetchListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.#key = key;
    this.#queue = queue;
  }

  /** Resolves with the milliseconds from the request to the last byte, the piece being on disk. Throws Faults. */
  async run(job: PieceJob): Promise<number> {
    const { pool } = this.#parts;
    const { content, piece, signal } = job;
    const span = pieceSpan(content.shape, piece);
    const size = span.end - span.start;
    // What was given is memory beside the pool's: where it would have to wait it is dropped, and asked for as any other.
    let { given } = job;
    while (this.#writing >= this.#queue || this.#open >= this.#queue * OPEN_PER_QUEUED) {
      given = undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#open++;
    try {
      if (!pool.hasRoom(size)) given = undefined;
      return await this.#take({ ...job, given }, await pool.acquire(size, signal));
    } finally {
      this.#open--;
      this.#wake();
    }
  }

  /** Takes the buffer over. */
  async #take(job: PieceJob, buffer: Buffer): Promise<number> {
    const { pool } = this.#parts;
    const { piece, parent } = job;
    try {
      const millis = job.given === undefined ? await this.#ask(job, buffer) : await this.#copy(job, job.given, buffer);
      if (!sameBytes(sha256(buffer), job.digest)) {
        throw new Fault('peer-corrupt', `piece ${piece} from ${parent.ip}:${parent.port} is not what was assigned`);
      }
      await this.#write(job, buffer);
      return millis;
    } finally {
      pool.release(buffer);
    }
  }

  async #ask({ content, piece, parent, stallMs, signal, near }: PieceJob, buffer: Buffer): Promise<number> {
    const { client, clock, bandwidth } = this.#parts;
    const since = clock.now();
    const options = { stallMs, signal, near, pace: bandwidth.taking(this.#key) };
    await client.fetch(parent, contentPath(content.id), pieceSpan(content.shape, piece), buffer, options);
    return clock.now() - since;
  }

  /** Nothing is known of how long it was on its way. A limit that has been set meanwhile counts it like all others. */
  async #copy({ piece, parent, signal }: PieceJob, given: Uint8Array, buffer: Buffer): Promise<number> {
    const { bandwidth } = this.#parts;
    if (given.length !== buffer.length)
      throw new Fault('peer-corrupt', `piece ${piece} from ${parent.ip}:${parent.port} is not as long as it must be`);
    buffer.set(given);
    if (bandwidth.taking(this.#key) !== undefined) await inTurns(given.length, bandwidth.taken(this.#key), signal);
    return 0;
  }

  async #write({ content, piece, digest }: PieceJob, buffer: Uint8Array): Promise<void> {
    this.#writing++;
    try {
      const written = content.put(piece, digest, buffer);
      this.#listener?.onFresh(content, piece);
      await Promise.all([written, this.#pass(content, piece, buffer)]);
    } finally {
      this.#writing--;
      this.#wake();
    }
  }

  async #pass(content: StoredContent, piece: PieceIndex, buffer: Uint8Array): Promise<void> {
    if (this.#listener?.onBytes === undefined) return;
    await nextTurn();
    this.#listener.onBytes(content, piece, buffer);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
