/**
 * A content of any length that is made as it is read: no memory, no disk, the same bytes for the same seed, and no two
 * pages alike, so that a piece at a wrong place is a wrong piece.
 */
import { createHash } from 'node:crypto';

const BASE_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
const STAMP_BYTES = 8;

export class Sample {
  readonly length: number;
  readonly seed: number;
  readonly #base: Buffer;

  constructor(length: number, seed = 1) {
    this.length = length;
    this.seed = seed;
    this.#base = Buffer.allocUnsafe(BASE_BYTES);
    // xorshift32: quick, and its state must not be 0.
    let state = (seed * 2654435761) >>> 0 || 1;
    for (let at = 0; at < BASE_BYTES; at += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.#base.writeInt32LE(state | 0, at);
    }
  }

  /** Bytes `start` to `end`, the end exclusive. */
  read(start: number, end: number): Buffer {
    const out = Buffer.allocUnsafe(end - start);
    for (let at = start; at < end; ) {
      const offset = at % BASE_BYTES;
      const size = Math.min(BASE_BYTES - offset, end - at);
      this.#base.copy(out, at - start, offset, offset + size);
      at += size;
    }
    // Every page begins with its own number, which a read may cut.
    const stamp = Buffer.allocUnsafe(STAMP_BYTES);
    for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      stamp.writeBigUInt64LE(BigInt(page));
      const from = page * PAGE_BYTES - start;
      const cut = Math.max(0, -from);
      if (cut < STAMP_BYTES) stamp.copy(out, from + cut, cut);
    }
    return out;
  }

  /** All of it in order, in reads of at most `step` bytes at page borders. */
  *parts(start = 0, end = this.length, step = 256 * 1024): Generator<Buffer> {
    for (let at = start; at < end; ) {
      const next = Math.min(end, (Math.floor(at / step) + 1) * step);
      yield this.read(at, next);
      at = next;
    }
  }

  digest(algorithm: 'sha256' | 'md5' = 'sha256'): string {
    const hash = createHash(algorithm);
    for (const part of this.parts()) hash.update(part);
    return hash.digest('hex');
  }
}
