/**
 * A set of piece indexes. Invariant: `count` equals the number of set bits, and no bit at or beyond `size` is set.
 * Wire form: bytes, lowest index in the highest bit of the first byte, spare bits zero.
 */
export class Bitfield {
  #words: Uint32Array;
  #size: number;
  #count = 0;

  constructor(size = 0) {
    this.#size = size;
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size);
    for (let i = 0; i < size; i++) field.set(i);
    return field;
  }

  /** Throws RangeError when the bytes do not fit the size or a spare bit is set: such input was not made by us. */
  static fromBytes(bytes: Uint8Array, size: number): Bitfield {
    if (bytes.length !== (size + 7) >>> 3) throw new RangeError(`bitfield of ${bytes.length} bytes for ${size} pieces`);
    const field = new Bitfield(size);
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      for (let bit = 0; bit < 8; bit++) {
        if ((byte & (0x80 >>> bit)) === 0) continue;
        if (i * 8 + bit >= size) throw new RangeError('bitfield has spare bits set');
        field.set(i * 8 + bit);
      }
    }
    return field;
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array((this.#size + 7) >>> 3);
    for (const index of this) bytes[index >>> 3] = (bytes[index >>> 3] ?? 0) | (0x80 >>> (index & 7));
    return bytes;
  }

  get size(): number {
    return this.#size;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#size;
  }

  has(index: number): boolean {
    return index < this.#size && ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** True when the bit was not set before. */
  set(index: number): boolean {
    if (index < 0 || index >= this.#size) throw new RangeError(`piece ${index} of ${this.#size}`);
    if (this.has(index)) return false;
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) | (1 << (index & 31));
    this.#count++;
    return true;
  }

  /** True when the bit was set before. */
  clear(index: number): boolean {
    if (!this.has(index)) return false;
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) & ~(1 << (index & 31));
    this.#count--;
    return true;
  }

  /** Makes room for more pieces (a content of unknown length grows) or cuts the spare room off; held bits must fit. */
  resize(size: number): void {
    const words = new Uint32Array((size + 31) >>> 5);
    for (const index of this) if (index >= size) throw new RangeError(`piece ${index} held beyond ${size}`);
    words.set(this.#words.subarray(0, words.length));
    this.#words = words;
    this.#size = size;
  }

  /** First index at or after `from` that is not set, or -1. */
  nextClear(from = 0): number {
    for (let i = from; i < this.#size; i++) {
      if ((i & 31) === 0 && this.#words[i >>> 5] === 0xffffffff) i += 31;
      else if (!this.has(i)) return i;
    }
    return -1;
  }

  copy(): Bitfield {
    const field = new Bitfield(this.#size);
    field.#words.set(this.#words);
    field.#count = this.#count;
    return field;
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let w = 0; w < this.#words.length; w++) {
      let word = this.#words[w] ?? 0;
      while (word !== 0) {
        const low = word & -word;
        yield (w << 5) + (31 - Math.clz32(low));
        word ^= low;
      }
    }
  }
}
