/**
 * What went out to a client before anybody had proved it, as checksums (CRC-32): an answer that goes on straight from the source is of the
 * same content only if the source sends those parts again. What was proved by its digest needs no such look, and a part of a
 * content, or one without a digest, is never looked at: their bytes are spared a quarter of what it costs to send them.
 */
import { crc32 } from '../io/hash.ts';

/** Bytes `from` to `to` of the content. */
export type SentPart = { readonly from: number; readonly to: number; readonly crc: number };

export class SentParts {
  #parts: SentPart[] = [];

  get all(): readonly SentPart[] {
    return this.#parts;
  }

  /** In the order of the content. */
  add(at: number, bytes: Uint8Array): void {
    const last = this.#parts.at(-1);
    const before = last?.to === at ? this.#parts.pop() : undefined;
    const crc = crc32(bytes, before?.crc ?? 0);
    this.#parts.push({ from: before?.from ?? at, to: at + bytes.length, crc });
  }
}

/** Compares them with what comes now, from the first byte of the content on. */
export class SentCheck {
  readonly #parts: readonly SentPart[];
  readonly #found: number[];

  constructor(parts: readonly SentPart[]) {
    // As of now: what is compared is sent on, too.
    this.#parts = [...parts];
    this.#found = parts.map(() => 0);
  }

  take(at: number, bytes: Uint8Array): void {
    for (const [index, { from, to }] of this.#parts.entries()) {
      const part = bytes.subarray(clamp(from - at, bytes.length), clamp(to - at, bytes.length));
      if (part.length > 0) this.#found[index] = crc32(part, this.#found[index] ?? 0);
    }
  }

  /** When all of them have come. */
  get same(): boolean {
    return this.#parts.every(({ crc }, index) => this.#found[index] === crc);
  }
}

function clamp(offset: number, most: number): number {
  return Math.min(most, Math.max(0, offset));
}
