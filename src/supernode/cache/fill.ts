/**
 * One content on its way from the source into the cache. Bytes are cut into pieces; each piece is hashed once and given to the store,
 * and can be scheduled from then on (`onPiece`), while it is still being written. A cut is mended by a ranged read that the validator guards; without ranges
 * the source is read again, and what is held already must come out the same.
 */
import { backoffMs } from '../../base/backoff.ts';
import { restMs } from '../../io/attempts.ts';
import type { BufferPool } from '../../io/buffers.ts';
import { DigestBuilder, digestAlgorithmOf, sameBytes, sha256 } from '../../io/hash.ts';
import type { AwaitTurn } from '../../io/pacer.ts';
import { Fault } from '../../protocol/faults.ts';
import { type ContentShape, pieceCount } from '../../protocol/piece.ts';
import type { Digest, SourceFacts } from '../../protocol/task.ts';
import type { ByteStream } from '../../source/byte-stream.ts';
import type { SourceAnswer } from '../../source/source.ts';
import { canResume } from '../../source/validators.ts';
import type { StoredContent } from '../../store/store.ts';
import { FILL_QUEUE_BYTES, FILL_QUEUE_PIECES, SOURCE_BACKOFF, SOURCE_MAX_REST_MS, SOURCE_RETRIES } from '../limits.ts';

export type BodyAnswer = Extract<SourceAnswer, { type: 'body' }>;

export type FillParts = {
  readonly pool: BufferPool;
  /** Reads from this byte on, if the content is still the one of the facts. */
  readonly reopen: (start: number, facts: SourceFacts) => Promise<BodyAnswer>;
  /** undefined = there is no limit. */
  readonly turn: AwaitTurn | undefined;
  readonly delay: (ms: number) => Promise<void>;
  readonly random: () => number;
  readonly signal: AbortSignal;
};

export class Fill {
  readonly #content: StoredContent;
  readonly #parts: FillParts;
  readonly #facts: SourceFacts;
  readonly #onPiece: (piece: number) => void;
  readonly #onLength: () => void;
  readonly #expected: Digest | undefined;
  #whole: DigestBuilder | undefined;
  /** The next piece in order; all before it are held. */
  #next = 0;
  #writes = new Set<Promise<void>>();
  #writeFault: Fault | undefined;

  constructor(
    content: StoredContent,
    parts: FillParts,
    told: {
      readonly facts: SourceFacts;
      readonly digest: Digest | undefined;
      readonly onPiece: (piece: number) => void;
      /** A length that nobody knew is known, and the piece that ends with it is not yet told. */
      readonly onLength: () => void;
    },
  ) {
    this.#content = content;
    this.#parts = parts;
    this.#facts = told.facts;
    this.#onPiece = told.onPiece;
    this.#onLength = told.onLength;
    this.#expected = told.digest;
  }

  /**
   * Resolves with the shape and the whole digest, where one was asked for, when all digests are known; `written` tells of the disk. Faults of
   * the source, the store, and digest-mismatch.
   */
  async run(first: BodyAnswer): Promise<{ readonly shape: ContentShape; readonly digest?: Digest }> {
    let answer: BodyAnswer | undefined = first;
    let failures = 0;
    let shape: ContentShape | undefined;
    while (shape === undefined) {
      const before = this.#next;
      try {
        answer ??= await this.#parts.reopen(this.#resumeAt(), this.#facts);
        shape = await this.#pour(answer);
      } catch (error) {
        const fault = Fault.of(error);
        if (this.#next > before) failures = 0;
        if (!mendable(fault) || failures++ >= SOURCE_RETRIES) throw fault;
        const rest = restMs(fault, backoffMs(SOURCE_BACKOFF, failures, this.#parts.random()));
        if (rest > SOURCE_MAX_REST_MS) throw fault;
        await this.#parts.delay(rest);
      }
      answer = undefined;
    }
    // Not after the disk: a host that has taken all of it asks again as soon as it sees that it is wrong.
    const digest = this.#whole?.digest();
    if (this.#expected !== undefined && digest !== this.#expected) {
      throw new Fault('digest-mismatch', `the source's content has ${digest}, not ${this.#expected}`);
    }
    if (this.#writeFault !== undefined) throw this.#writeFault;
    return digest === undefined ? { shape } : { shape, digest };
  }

  /** Resolves when all pieces so far are on the disk. Rejects with the first fault of the store. */
  async written(): Promise<void> {
    await Promise.all(this.#writes);
    if (this.#writeFault !== undefined) throw this.#writeFault;
  }

  /** Without ranges, or a validator that guards them, a second read starts at the first byte again. */
  #resumeAt(): number {
    return canResume(this.#facts) ? this.#next * this.#content.shape.pieceSize : 0;
  }

  async #pour(answer: BodyAnswer): Promise<ContentShape> {
    const { body, start } = answer;
    const { pieceSize } = this.#content.shape;
    try {
      if (start % pieceSize !== 0 || start > this.#next * pieceSize) {
        throw new Fault('source-lied', 'the source sent another range than it was asked for');
      }
      let piece = start / pieceSize;
      if (piece < this.#next || piece === 0) await this.#rehash(0, piece);
      this.#next = piece;
      for (;;) {
        const size = this.#sizeOf(piece);
        if (size === 0) return this.#ended((this.#content.shape.length ?? 0) + (await body.fill(Buffer.alloc(1))));
        const buffer = await this.#parts.pool.acquire(size, this.#parts.signal);
        const filled = await this.#read(body, buffer).catch((error: unknown) => {
          this.#parts.pool.release(buffer);
          throw error;
        });
        if (filled < size) return await this.#ended(piece * pieceSize + filled, { piece, buffer });
        await this.#keep(piece++, buffer, filled);
      }
    } finally {
      body.close();
    }
  }

  /** Bytes of a piece as far as the length is known; 0 = past the end. */
  #sizeOf(piece: number): number {
    const { length, pieceSize } = this.#content.shape;
    return length === null ? pieceSize : Math.max(0, Math.min(pieceSize, length - piece * pieceSize));
  }

  /** Fills the buffer, in the turns that the limit gives where there is one; less than its length = the end. */
  async #read(body: ByteStream, buffer: Buffer): Promise<number> {
    const { turn, signal } = this.#parts;
    if (turn === undefined) return body.fill(buffer);
    for (let at = 0; ; ) {
      const portion = await turn(buffer.length - at, signal);
      const filled = await body.fill(buffer.subarray(at, at + portion));
      at += filled;
      if (filled < portion || at === buffer.length) return at;
    }
  }

  /** The body came to its proper end: the length is known now, if it was not. `rest` is what of a piece came last. */
  async #ended(length: number, rest?: { readonly piece: number; readonly buffer: Buffer }): Promise<ContentShape> {
    const { shape } = this.#content;
    const bytes = rest === undefined ? 0 : length - rest.piece * shape.pieceSize;
    if (rest !== undefined && (bytes === 0 || shape.length !== null)) this.#parts.pool.release(rest.buffer);
    else if (rest !== undefined) await this.#keep(rest.piece, rest.buffer, bytes);
    if (shape.length !== null && shape.length !== length) {
      throw new Fault('source-lied', `the source sent ${length} of the ${shape.length} bytes it had announced`);
    }
    return { length, pieceSize: shape.pieceSize };
  }

  /** Takes the buffer over. The last piece of an unknown length is kept when the length is known, which is the same moment. */
  async #keep(piece: number, buffer: Buffer, length: number): Promise<void> {
    const data = buffer.subarray(0, length);
    const digest = sha256(data);
    const known = this.#content.digestOf(piece);
    if (known !== undefined) {
      this.#follow(data);
      this.#parts.pool.release(buffer);
      if (!sameBytes(known, digest))
        throw new Fault('source-changed', `piece ${piece} is not what it was when it was read first`);
      this.#next = piece + 1;
      return;
    }
    try {
      await this.#prepare(piece, length);
    } catch (error) {
      this.#parts.pool.release(buffer);
      throw error;
    }
    this.#next = piece + 1;
    const write = this.#content
      .put(piece, digest, data)
      .catch((error: unknown) => {
        this.#writeFault ??= Fault.of(error);
      })
      .finally(() => {
        this.#parts.pool.release(buffer);
        this.#writes.delete(write);
      });
    this.#writes.add(write);
    // It can be read while it is written. Where that fails, the content breaks for all who were told.
    this.#onPiece(piece);
    this.#follow(data);
  }

  /** Resolves when a piece of so many bytes can be written: the length is known if it ends here, and few others wait for the disk. */
  async #prepare(piece: number, length: number): Promise<void> {
    const { shape } = this.#content;
    if (shape.length === null && length < shape.pieceSize) {
      await this.written();
      await this.#content.reshape({ length: piece * shape.pieceSize + length, pieceSize: shape.pieceSize });
      this.#onLength();
    }
    while (this.#isBehind) await Promise.race(this.#writes);
    if (this.#writeFault !== undefined) throw this.#writeFault;
  }

  /** The digest of the whole; who waits for the piece does not wait for this. */
  #follow(data: Uint8Array): void {
    if (this.#expected === undefined) return;
    this.#whole ??= this.#newBuilder();
    this.#whole?.update(data);
  }

  /** The disk is: small pieces would stand still for its files alone. */
  get #isBehind(): boolean {
    const { size } = this.#writes;
    return size >= FILL_QUEUE_PIECES && size * this.#content.shape.pieceSize >= FILL_QUEUE_BYTES;
  }

  #newBuilder(): DigestBuilder | undefined {
    const algorithm = this.#expected === undefined ? undefined : digestAlgorithmOf(this.#expected);
    return algorithm === undefined ? undefined : new DigestBuilder(algorithm);
  }

  /** The whole digest over pieces that are held already and are not read again. */
  async #rehash(from: number, to: number): Promise<void> {
    if (this.#expected === undefined) return;
    await this.written();
    this.#whole = this.#newBuilder();
    const { pieceSize } = this.#content.shape;
    for (let piece = from; piece < to; piece++) {
      const buffer = await this.#parts.pool.acquire(pieceSize, this.#parts.signal);
      try {
        await this.#content.read(piece * pieceSize, buffer);
        this.#whole?.update(buffer);
      } finally {
        this.#parts.pool.release(buffer);
      }
    }
  }

  /** For a fill that begins in the middle: what lies before is brought by others. Then there is no whole digest. */
  from(piece: number): void {
    this.#next = piece;
  }

  /** For a fill that takes up where an earlier life of the process stopped. */
  async resume(): Promise<number> {
    const held = this.#content.held.nextClear(0);
    const { shape } = this.#content;
    const count = held === -1 ? this.#content.held.size : held;
    const whole = shape.length === null ? count : Math.min(count, Math.max(0, pieceCount(shape) - 1));
    await this.#rehash(0, whole);
    this.#next = whole;
    return whole * shape.pieceSize;
  }
}

function mendable(fault: Fault): boolean {
  return fault.code === 'source-unreachable' || fault.code === 'source-lied';
}
