/**
 * The parents of one swarm that have room and found nobody to give to, in the order in which they came: a linked list over the numbers of
 * the peers, because hosts enter and leave it with every second decision. `first` and `after` walk it; who leaves it during a walk
 * ends the walk.
 */
const NONE = -1;
/** Stands for "is not in the list", because NONE is the end of it. */
const OUT = -2;

export class IdleParents {
  #next = new Int32Array(8).fill(OUT);
  #prev = new Int32Array(8).fill(OUT);
  #first = NONE;
  #last = NONE;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#next.length * 8;
  }

  /** The one that waits longest; -1 = nobody. */
  get first(): number {
    return this.#first;
  }

  /** The next one; -1 = that was the last. */
  after(peer: number): number {
    return this.#next[peer] ?? NONE;
  }

  has(peer: number): boolean {
    return (this.#next[peer] ?? OUT) !== OUT;
  }

  /** To the end of the line, unless it stands in it. */
  add(peer: number): void {
    if (this.has(peer)) return;
    if (peer >= this.#next.length) this.#grow(peer + 1);
    this.#next[peer] = NONE;
    this.#prev[peer] = this.#last;
    if (this.#last === NONE) this.#first = peer;
    else this.#next[this.#last] = peer;
    this.#last = peer;
    this.#size++;
  }

  delete(peer: number): void {
    if (!this.has(peer)) return;
    const next = this.#next[peer] ?? NONE;
    const prev = this.#prev[peer] ?? NONE;
    if (prev === NONE) this.#first = next;
    else this.#next[prev] = next;
    if (next === NONE) this.#last = prev;
    else this.#prev[next] = prev;
    this.#next[peer] = OUT;
    this.#size--;
  }

  clear(): void {
    this.#next.fill(OUT);
    this.#first = NONE;
    this.#last = NONE;
    this.#size = 0;
  }

  #grow(peers: number): void {
    const room = Math.max(peers, this.#next.length * 2);
    const next = new Int32Array(room).fill(OUT);
    next.set(this.#next);
    this.#next = next;
    const prev = new Int32Array(room).fill(OUT);
    prev.set(this.#prev);
    this.#prev = prev;
  }
}
