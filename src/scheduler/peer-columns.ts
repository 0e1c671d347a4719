/** What a swarm counts of each peer, as columns: a decision looks at a dozen peers, and ten thousand fit into the processor's cache. */

const FIRST_PEERS = 8;
/** In `needyAt`: stands in no list. */
export const NOWHERE = -1;

/** Flags of a peer; swarm.ts says what they mean. */
export const WANTS_ALL = 1;
export const WANTS_WINDOW = 2;
export const SERVES = 4;
export const FULL = 8;
export const UNMET = 16;
export const WINDOWED = 32;
/** Unmet, and wants the whole content. */
export const UNMET_WHOLE = 64;
/** Its host is a seed. */
export const SEED = 128;
export const FED = 256;

export class PeerColumns {
  held = new Int32Array(FIRST_PEERS);
  taken = new Int32Array(FIRST_PEERS);
  /** Place in the group's list of needy peers. */
  needyAt = new Int32Array(FIRST_PEERS).fill(NOWHERE);
  /** Index of the peer's host; NOWHERE = the slot is free. */
  host = new Int32Array(FIRST_PEERS).fill(NOWHERE);
  /** Number of the host's IDC. */
  idc = new Uint16Array(FIRST_PEERS);
  flags = new Uint16Array(FIRST_PEERS);
  /** Failures in a row. */
  woes = new Uint8Array(FIRST_PEERS);

  get bytes(): number {
    return this.held.length * (4 + 4 + 4 + 4 + 2 + 2 + 1);
  }

  is(peer: number, flag: number): boolean {
    return ((this.flags[peer] ?? 0) & flag) !== 0;
  }

  /** True when it was otherwise before. */
  setFlag(peer: number, flag: number, value: boolean): boolean {
    const flags = this.flags[peer] ?? 0;
    if (value === ((flags & flag) !== 0)) return false;
    this.flags[peer] = flags ^ flag;
    return true;
  }

  reserve(peers: number): void {
    if (peers <= this.held.length) return;
    const size = Math.max(peers, Math.ceil(this.held.length * 1.5));
    this.held = into(new Int32Array(size), this.held);
    this.taken = into(new Int32Array(size), this.taken);
    this.needyAt = into(new Int32Array(size).fill(NOWHERE), this.needyAt);
    this.host = into(new Int32Array(size).fill(NOWHERE), this.host);
    this.idc = into(new Uint16Array(size), this.idc);
    this.flags = into(new Uint16Array(size), this.flags);
    this.woes = into(new Uint8Array(size), this.woes);
  }
}

function into<A extends Int32Array | Uint16Array | Uint8Array>(wide: A, old: A): A {
  wide.set(old);
  return wide;
}
