/**
 * What pieces are without a manifest: what the supernode still told this host, and what other hosts say that know it by themselves, from
 * a supernode or from the source. Two of these that agree prove a piece; what somebody has only taken from others he does not vouch for, so
 * the two are independent. One host, by whatever names, is one word, and its first one counts: no liar alone makes anybody take wrong bytes.
 */
import type { ParentAddress } from '../protocol/host.ts';
import type { HostId, PieceIndex } from '../protocol/ids.ts';

/** Words that prove a piece. */
const ENOUGH = 2;
/** Words that are kept of one piece. */
const MAX_WORDS = 8;

type Word = { readonly id: HostId; readonly ip: string; readonly digest: string };

export type Vouched = readonly [piece: PieceIndex, digest: string];

export type Proof = {
  /** base64 sha256 */
  readonly digest: string;
  /** Others say so: this host does not know it by itself. */
  readonly hearsay: boolean;
};

export class Claims {
  readonly #words = new Map<PieceIndex, Word[]>();
  readonly #proofs = new Map<PieceIndex, Proof>();

  /** The supernode's own word. */
  tell(piece: PieceIndex, digest: string): void {
    this.#proofs.set(piece, { digest, hearsay: false });
    this.#words.delete(piece);
  }

  hear({ id, ip }: ParentAddress, [piece, digest]: Vouched): void {
    if (this.#proofs.has(piece)) return;
    const words = this.#words.get(piece) ?? [];
    if (words.length >= MAX_WORDS || words.some((word) => word.id === id || word.ip === ip)) return;
    words.push({ id, ip, digest });
    this.#words.set(piece, words);
    if (agreeing(words) < ENOUGH) return;
    const proved = words.find((word) => words.filter((other) => other.digest === word.digest).length >= ENOUGH);
    if (proved !== undefined) this.#proofs.set(piece, { digest: proved.digest, hearsay: true });
    this.#words.delete(piece);
  }

  proofOf(piece: PieceIndex): Proof | undefined {
    return this.#proofs.get(piece);
  }

  /** How many more have to read it from the source, before others can take it from them. */
  wanting(piece: PieceIndex): number {
    return this.#proofs.has(piece) ? 0 : ENOUGH - agreeing(this.#words.get(piece) ?? []);
  }

  /** It has said what the piece is, right or wrong: its reading it again would tell nothing new. */
  spoke(piece: PieceIndex, host: HostId): boolean {
    return this.#words.get(piece)?.some(({ id }) => id === host) === true;
  }

  /** It is held: nothing more need be known. */
  drop(piece: PieceIndex): void {
    this.#words.delete(piece);
    this.#proofs.delete(piece);
  }

  clear(): void {
    this.#words.clear();
    this.#proofs.clear();
  }
}

/** Of those that say the same, the most. */
function agreeing(words: readonly Word[]): number {
  let most = 0;
  for (const { digest } of words) most = Math.max(most, words.filter((other) => other.digest === digest).length);
  return most;
}
