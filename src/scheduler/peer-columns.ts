/** What a swarm counts of each peer, as columns: a decision looks at a dozen peers, and ten thousand fit into the processor's cache. */

const FIRST_PEERS = 8;
/** In `needyAt`: stands in no list. */
export const NOWHERE = -1;

export class PeerColumns {
  held = new Int32Array(FIRST_PEERS);
  taken = new Int32Array(FIRST_PEERS);
  /** Place in the group's list of needy peers. */
  needyAt = new Int32Array(FIRST_PEERS).fill(NOWHERE);
  flags = new Uint8Array(FIRST_PEERS);
  /** Failures in a row. */
  woes = new Uint8Array(FIRST_PEERS);

  get bytes(): number {
    return this.held.length * (4 + 4 + 4 + 1 + 1);
  }

  reserve(peers: number): void {
    if (peers <= this.held.length) return;
    const size = Math.max(peers, Math.ceil(this.held.length * 1.5));
    this.held = into(new Int32Array(size), this.held);
    this.taken = into(new Int32Array(size), this.taken);
    this.needyAt = into(new Int32Array(size).fill(NOWHERE), this.needyAt);
    this.flags = into(new Uint8Array(size), this.flags);
    this.woes = into(new Uint8Array(size), this.woes);
  }
}

function into<A extends Int32Array | Uint8Array>(wide: A, old: A): A {
  wide.set(old);
  return wide;
}
