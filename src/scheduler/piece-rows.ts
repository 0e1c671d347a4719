/**
 * Two rows of bits per peer: the pieces it holds, and those it holds or is getting ("taken"). A child may get what it
 * has not taken; a parent may give what it holds. Rows lie in slabs of 32 peers, so that growth copies nothing and
 * wastes at most one slab. Invariant: held is a subset of taken.
 */
const SLAB_PEERS = 32;
const SLAB_BITS = 5;

export class PieceRows {
  #slabs: Uint32Array[] = [];
  /** Of the two peers that have met last. */
  #useful = new Int32Array(0);
  /** Words per row; the held row of a peer is followed by its taken row. */
  words = 0;

  slab(peer: number): Uint32Array {
    return this.#slabs[peer >>> SLAB_BITS] ?? EMPTY;
  }

  /** Offset of the held row in the slab; the taken row starts `words` later. */
  base(peer: number): number {
    return (peer & (SLAB_PEERS - 1)) * 2 * this.words;
  }

  reserve(peers: number): void {
    while (this.#slabs.length * SLAB_PEERS < peers) this.#slabs.push(new Uint32Array(SLAB_PEERS * 2 * this.words));
  }

  /** Wider rows for more pieces; doubles while the content still grows, so that each bit is copied O(1) times. */
  widen(pieces: number, final: boolean): void {
    const needed = (pieces + 31) >>> 5;
    if (needed <= this.words) return;
    const words = final || this.words === 0 ? needed : Math.max(needed, this.words * 2);
    const old = this.words;
    this.#slabs = this.#slabs.map((slab) => {
      const wide = new Uint32Array(SLAB_PEERS * 2 * words);
      for (let row = 0; row < SLAB_PEERS * 2; row++) wide.set(slab.subarray(row * old, (row + 1) * old), row * words);
      return wide;
    });
    this.words = words;
    this.#useful = new Int32Array(words);
  }

  held(peer: number, piece: number): boolean {
    return this.#bit(peer, piece, 0);
  }

  taken(peer: number, piece: number): boolean {
    return this.#bit(peer, piece, this.words);
  }

  setHeld(peer: number, piece: number, value: boolean): void {
    this.#write(peer, piece, 0, value);
  }

  setTaken(peer: number, piece: number, value: boolean): void {
    this.#write(peer, piece, this.words, value);
  }

  /**
   * From now on it is about these two, until the next two meet: `useful` is what the parent holds and the child has not taken. Whether there
   * is anything.
   */
  meet(parent: number, child: number): boolean {
    const words = this.words;
    const useful = this.#useful;
    const held = this.slab(parent);
    const taken = this.slab(child);
    const heldAt = this.base(parent);
    const takenAt = this.base(child) + words;
    let any = 0;
    for (let w = 0; w < words; w++) {
      const word = (held[heldAt + w] ?? 0) & ~(taken[takenAt + w] ?? 0);
      useful[w] = word;
      any |= word;
    }
    return any !== 0;
  }

  useful(piece: number): boolean {
    return ((this.#useful[piece >>> 5] ?? 0) & (1 << (piece & 31))) !== 0;
  }

  /** Pieces 32 * word and the 31 after it. */
  usefulWord(word: number): number {
    return this.#useful[word] ?? 0;
  }

  clear(peer: number): void {
    const base = this.base(peer);
    this.slab(peer).fill(0, base, base + 2 * this.words);
  }

  *bits(peer: number, row: 'held' | 'taken'): IterableIterator<number> {
    const base = this.base(peer) + (row === 'taken' ? this.words : 0);
    for (let w = 0; w < this.words; w++) {
      for (let word = this.slab(peer)[base + w] ?? 0; word !== 0; word &= word - 1) {
        yield (w << 5) + 31 - Math.clz32(word & -word);
      }
    }
  }

  /** Bytes of all rows. */
  get bytes(): number {
    return this.#slabs.length * SLAB_PEERS * 2 * this.words * 4;
  }

  #bit(peer: number, piece: number, row: number): boolean {
    const word = this.slab(peer)[this.base(peer) + row + (piece >>> 5)] ?? 0;
    return (word & (1 << (piece & 31))) !== 0;
  }

  #write(peer: number, piece: number, row: number, value: boolean): void {
    const slab = this.slab(peer);
    const at = this.base(peer) + row + (piece >>> 5);
    const bit = 1 << (piece & 31);
    slab[at] = value ? (slab[at] ?? 0) | bit : (slab[at] ?? 0) & ~bit;
  }
}

const EMPTY = new Uint32Array(0);
