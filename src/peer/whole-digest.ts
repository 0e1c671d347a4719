/**
 * The user's digest over the whole content. It takes pieces that come in order as they come, and follows those that are held
 * without a gap by reading them back while the download runs, so that at the end only the tail remains.
 */
import type { BufferPool } from '../io/buffers.ts';
import { DigestBuilder, digestAlgorithmOf } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import type { Digest } from '../protocol/task.ts';
import type { StoredContent } from '../store/store.ts';

const READ_BYTES = 1024 * 1024;

export class WholeDigest {
  readonly #content: StoredContent;
  readonly #pool: BufferPool;
  readonly #builder: DigestBuilder;
  #hashed = 0;
  /** The run that goes on; at most one. */
  #running: Promise<void> | undefined;
  #failed = false;
  #result: Digest | undefined;

  /** Fault usage for a digest that is none. */
  constructor(content: StoredContent, digest: Digest, pool: BufferPool) {
    const algorithm = digestAlgorithmOf(digest);
    if (algorithm === undefined) throw new Fault('usage', `digest ${JSON.stringify(digest)}: must be algorithm:hex`);
    this.#content = content;
    this.#pool = pool;
    this.#builder = new DigestBuilder(algorithm);
  }

  /** A piece is at hand before it is held: hashes on if it is the next one. */
  take(piece: PieceIndex, bytes: Uint8Array): void {
    if (this.#running !== undefined || this.#hashed !== piece * this.#content.shape.pieceSize) return;
    this.#builder.update(bytes);
    this.#hashed += bytes.length;
  }

  /** A piece is held: hashes on if it closes the gap. */
  follow(): void {
    this.#running ??= this.#hashOn()
      .catch(() => {
        // A piece was lost while it was read; `finish` says so if it matters.
        this.#failed = true;
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Of the whole content, all of which must be held. Faults: peer-lacks, local-io. */
  async finish(): Promise<Digest> {
    await this.#running;
    if (this.#result !== undefined) return this.#result;
    if (this.#failed) throw new Fault('peer-lacks', 'the content changed on disk while it was checked');
    await this.#hashOn();
    if (this.#hashed !== this.#content.shape.length) throw new Fault('peer-lacks', 'a piece is not held any more');
    this.#result = this.#builder.digest();
    return this.#result;
  }

  async #hashOn(): Promise<void> {
    if (this.#ready() === 0) return;
    const buffer = await this.#pool.acquire(READ_BYTES);
    try {
      for (let bytes = this.#ready(); bytes > 0; bytes = this.#ready()) {
        const part = buffer.subarray(0, bytes);
        await this.#content.read(this.#hashed, part);
        this.#builder.update(part);
        this.#hashed += bytes;
      }
    } finally {
      this.#pool.release(buffer);
    }
  }

  /** Bytes that can be hashed next. */
  #ready(): number {
    const { shape, held } = this.#content;
    const piece = Math.floor(this.#hashed / shape.pieceSize);
    if (!held.has(piece)) return 0;
    const end = Math.min((piece + 1) * shape.pieceSize, shape.length ?? Number.POSITIVE_INFINITY);
    return Math.min(READ_BYTES, end - this.#hashed);
  }
}
