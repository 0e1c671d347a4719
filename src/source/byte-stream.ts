/** How the bytes of a source are taken: pulled into the reader's own memory, or one after another as they come. */

export interface ByteStream extends AsyncIterable<Uint8Array> {
  /**
   * Reads until `least` bytes (all of `into`, if not said) are there or the stream ends: less than that is the end. `into` is not
   * written to after the promise has settled. One call at a time. Throws the Faults of the source.
   */
  fill(into: Uint8Array, least?: number): Promise<number>;
  /** Nobody wants the rest. Harmless after the end. */
  close(): void;
}

/** Any iteration of bytes as a stream; closing it ends the iteration. */
export class IteratedBytes implements ByteStream {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  async fill(into: Uint8Array, least = into.length): Promise<number> {
    let filled = 0;
    while (filled < least) {
      if (this.#rest.length === 0) {
        const next = await this.#iterator.next();
        if (next.done === true) break;
        this.#rest = next.value;
      }
      const taken = Math.min(this.#rest.length, into.length - filled);
      into.set(this.#rest.subarray(0, taken), filled);
      this.#rest = this.#rest.subarray(taken);
      filled += taken;
    }
    return filled;
  }

  close(): void {
    void this.#iterator.return?.().catch(() => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      if (this.#rest.length > 0) yield this.#rest;
      for (let next = await this.#iterator.next(); next.done !== true; next = await this.#iterator.next()) {
        yield next.value;
      }
    } finally {
      await this.#iterator.return?.();
    }
  }
}
