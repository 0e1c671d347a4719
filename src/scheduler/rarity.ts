/**
 * The pieces of a swarm from the rarest to the most common. One array holds all of them, sorted by copies; pieces with
 * equal copies are neighbours and `#start` knows where each run begins, so that one copy more or less is one swap at
 * the edge of a run: O(1), however many pieces or copies there are.
 */
export class RarityOrder {
  /** Pieces, rarest first. Read only; the walk of piece-choice.ts is the hot loop of the scheduler. */
  order = new Uint32Array(0);
  #position = new Uint32Array(0);
  #copies = new Uint32Array(0);
  /** `#start[c]`: the first position whose piece has at least c copies. */
  #start = new Uint32Array(4);
  size = 0;

  copies(piece: number): number {
    return this.#copies[piece] ?? 0;
  }

  /** First position in `order` of a piece with at least this many copies. */
  firstWith(copies: number): number {
    return copies < this.#start.length ? (this.#start[copies] ?? 0) : this.size;
  }

  raise(piece: number): void {
    const copies = this.#copies[piece] ?? 0;
    if (copies + 2 >= this.#start.length) this.#growRuns();
    const edge = (this.#start[copies + 1] ?? 0) - 1;
    this.#swap(piece, edge);
    this.#start[copies + 1] = edge;
    this.#copies[piece] = copies + 1;
  }

  lower(piece: number): void {
    const copies = this.#copies[piece] ?? 0;
    if (copies === 0) return;
    const edge = this.#start[copies] ?? 0;
    this.#swap(piece, edge);
    this.#start[copies] = edge + 1;
    this.#copies[piece] = copies - 1;
  }

  /** More pieces, without copies yet. */
  grow(size: number): void {
    const copies = new Uint32Array(size);
    copies.set(this.#copies);
    this.#copies = copies;
    this.size = size;
    this.order = new Uint32Array(size);
    this.#position = new Uint32Array(size);
    this.#sort();
  }

  /** Counting sort; only when the content grows. */
  #sort(): void {
    const start = this.#start;
    start.fill(0);
    for (let piece = 0; piece < this.size; piece++) {
      const run = (this.#copies[piece] ?? 0) + 1;
      start[run] = (start[run] ?? 0) + 1;
    }
    for (let run = 1; run < start.length; run++) start[run] = (start[run] ?? 0) + (start[run - 1] ?? 0);
    const next = start.slice();
    for (let piece = 0; piece < this.size; piece++) {
      const run = this.#copies[piece] ?? 0;
      const at = next[run] ?? 0;
      next[run] = at + 1;
      this.order[at] = piece;
      this.#position[piece] = at;
    }
  }

  #growRuns(): void {
    const start = new Uint32Array(this.#start.length * 2);
    start.fill(this.size);
    start.set(this.#start);
    this.#start = start;
  }

  #swap(piece: number, at: number): void {
    const from = this.#position[piece] ?? 0;
    const other = this.order[at] ?? 0;
    this.order[at] = piece;
    this.order[from] = other;
    this.#position[piece] = at;
    this.#position[other] = from;
  }
}
