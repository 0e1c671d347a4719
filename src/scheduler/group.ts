/**
 * The peers of one swarm in one IDC: which pieces are already there or on their way in, and who still needs something.
 * A piece with a copy here is not imported again. Only copies that others can get count: those of serving hosts, and
 * never the seed's, which is a group of its own; so an importer that dies leaves the piece free to be imported anew.
 */
export class Group {
  readonly idc: number;
  #copies: Uint32Array;
  /** Pieces without a copy here. */
  absent: number;
  /** Peers with pieces that they want and nobody brings; unordered. */
  readonly needy: number[] = [];
  peers = 0;

  constructor(idc: number, pieces: number) {
    this.idc = idc;
    this.#copies = new Uint32Array(pieces);
    this.absent = pieces;
  }

  has(piece: number): boolean {
    return (this.#copies[piece] ?? 0) > 0;
  }

  copies(piece: number): number {
    return this.#copies[piece] ?? 0;
  }

  /** Returns its place in the list. */
  addNeedy(peer: number): number {
    return this.needy.push(peer) - 1;
  }

  /** Returns the peer that has the place now; `peer` itself when nobody has. */
  removeNeedy(peer: number, at: number): number {
    const last = this.needy.pop() ?? peer;
    if (last !== peer) this.needy[at] = last;
    return last;
  }

  raise(piece: number): void {
    const copies = this.#copies[piece] ?? 0;
    if (copies === 0) this.absent--;
    this.#copies[piece] = copies + 1;
  }

  lower(piece: number): void {
    const copies = this.#copies[piece] ?? 0;
    if (copies === 0) return;
    if (copies === 1) this.absent++;
    this.#copies[piece] = copies - 1;
  }

  grow(pieces: number): void {
    this.absent += pieces - this.#copies.length;
    const copies = new Uint32Array(pieces);
    copies.set(this.#copies);
    this.#copies = copies;
  }
}

/** The groups of one swarm: those in which somebody is, in the order in which they came. */
export class Groups {
  readonly #byIdc: (Group | undefined)[] = [];
  readonly #all: Group[] = [];

  get size(): number {
    return this.#all.length;
  }

  get all(): readonly Group[] {
    return this.#all;
  }

  get needy(): number {
    let needy = 0;
    for (const group of this.#all) needy += group.needy.length;
    return needy;
  }

  get(idc: number): Group | undefined {
    return this.#byIdc[idc];
  }

  /** Makes it when it is not there. */
  of(idc: number, pieces: number): Group {
    return this.#byIdc[idc] ?? this.#add(new Group(idc, pieces));
  }

  delete(group: Group): void {
    this.#byIdc[group.idc] = undefined;
    this.#all.splice(this.#all.indexOf(group), 1);
  }

  #add(group: Group): Group {
    this.#byIdc[group.idc] = group;
    this.#all.push(group);
    return group;
  }
}
