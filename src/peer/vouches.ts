/**
 * The piece digests that this host knows by itself, from a supernode or from the source, in the order in which it learnt them: what it says to
 * other hosts when they have lost their supernode before there was a manifest. Bounded: of the contents touched last only.
 */
import { SHA256_BYTES } from '../io/hash.ts';
import type { ContentId, PieceIndex } from '../protocol/ids.ts';
import type { Vouched } from '../transfer/claims.ts';

/** Index, big-endian, and digest. */
const RECORD_BYTES = 4 + SHA256_BYTES;
/** In one answer. */
const MAX_RECORDS = 4096;
const MAX_CONTENTS = 64;
const FIRST_RECORDS = 64;

type Log = { bytes: Buffer; count: number };

/** `vouched`: base64 of the records; `next`: where those begin that are not in it. */
export type VouchedPart = { readonly vouched: string; readonly next: number };

export class Vouches {
  /** The one touched last is the last. */
  readonly #logs = new Map<ContentId, Log>();

  add(content: ContentId, piece: PieceIndex, digest: Uint8Array): void {
    const log = this.#logs.get(content) ?? { bytes: Buffer.alloc(FIRST_RECORDS * RECORD_BYTES), count: 0 };
    this.#logs.delete(content);
    this.#logs.set(content, log);
    const [oldest] = this.#logs.keys();
    if (this.#logs.size > MAX_CONTENTS && oldest !== undefined) this.#logs.delete(oldest);
    const at = log.count * RECORD_BYTES;
    if (at === log.bytes.length) log.bytes = Buffer.concat([log.bytes, Buffer.alloc(at)]);
    log.bytes.writeUInt32BE(piece, at);
    log.bytes.set(digest, at + 4);
    log.count++;
  }

  /** From that record on; a number that was never given begins anew. */
  since(content: ContentId, from: number): VouchedPart {
    const { bytes, count } = this.#logs.get(content) ?? { bytes: Buffer.alloc(0), count: 0 };
    const first = from <= count ? from : 0;
    const next = Math.min(count, first + MAX_RECORDS);
    return { vouched: bytes.toString('base64', first * RECORD_BYTES, next * RECORD_BYTES), next };
  }

  drop(content: ContentId): void {
    this.#logs.delete(content);
  }
}

/** What another host vouches for; undefined when it is nothing of the kind: it may say anything. */
export function parseVouched(
  part: { readonly vouched?: unknown; readonly next?: unknown },
  pieces: number,
): { readonly vouched: readonly Vouched[]; readonly next: number } | undefined {
  const { vouched: text, next } = part;
  if (typeof text !== 'string' || !Number.isSafeInteger(next) || (next as number) < 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % RECORD_BYTES !== 0 || bytes.length > MAX_RECORDS * RECORD_BYTES) return undefined;
  const vouched: Vouched[] = [];
  for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
    const piece = bytes.readUInt32BE(at);
    if (piece < pieces) vouched.push([piece, bytes.toString('base64', at + 4, at + RECORD_BYTES)]);
  }
  return { vouched, next: next as number };
}
