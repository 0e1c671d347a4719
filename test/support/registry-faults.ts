/**
 * How a registry can misbehave with one blob, and the sending of a body that does. Faults are set per blob and may be
 * combined; those with `times` happen that often and then no more.
 */
import type { ServerResponse } from 'node:http';

const PART_BYTES = 256 * 1024;
const FOR_EVER = Number.POSITIVE_INFINITY;

export type BlobFaults = {
  /** No byte of an answer, headers included, before this is resolved. */
  readonly late?: Promise<void>;
  /** Answers so instead; Retry-After in seconds or as a date one second ahead. */
  readonly refuse?: { readonly status: number; readonly retryAfter?: 'seconds' | 'date'; readonly times?: number };
  /** Ends the connection so many bytes into a body. */
  readonly cut?: { readonly how: 'rst' | 'fin'; readonly afterBytes: number; readonly times?: number };
  /** Sends nothing more after so many bytes of a body, and leaves the connection open. */
  readonly hang?: { readonly afterBytes: number; readonly times?: number };
  /** Flips one byte of the blob. */
  readonly corrupt?: { readonly atByte: number; readonly times?: number };
  /** 307 to a signed URL that serves so many requests and answers 403 to the rest. */
  readonly redirect?: { readonly uses: number };
  /** No Content-Length. */
  readonly chunked?: boolean;
  /** Answers 200 with everything to a range. */
  readonly noRanges?: boolean;
  /** Another ETag at every request. */
  readonly changingEtag?: boolean;
  /** Content-Length says so many bytes more than are sent (or fewer, when negative). */
  readonly lie?: { readonly bytes: number; readonly times?: number };
};

/** A blob in memory, or one that is made as it is read. */
export type BlobContent = { readonly length: number; read(start: number, end: number): Buffer };

export function contentOf(bytes: Buffer): BlobContent {
  return { length: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

const COUNTED = ['refuse', 'cut', 'hang', 'corrupt', 'lie'] as const;
type Counted = (typeof COUNTED)[number];

/** What is left of a fault that happens a number of times. */
export class FaultCounts {
  readonly #left = new Map<Counted, number>();

  constructor(faults: BlobFaults) {
    for (const name of COUNTED) if (faults[name] !== undefined) this.#left.set(name, faults[name].times ?? FOR_EVER);
  }

  /** True when the fault happens once more, and counts it. */
  take(name: Counted): boolean {
    const left = this.#left.get(name) ?? 0;
    if (left > 0) this.#left.set(name, left - 1);
    return left > 0;
  }
}

export type Sending = {
  readonly content: BlobContent;
  readonly faults: BlobFaults;
  readonly counts: FaultCounts;
  readonly start: number;
  readonly end: number;
  /** By how much Content-Length is wrong. */
  readonly lieBytes: number;
  readonly onBytes: (count: number) => void;
};

/** Sends the bytes from `start` to `end`, less what the faults make of it. The headers have been written. */
export async function sendBlob(response: ServerResponse, sending: Sending): Promise<void> {
  const { content, faults, counts, start, end, lieBytes } = sending;
  const total = end - start;
  const cutAt = faults.cut !== undefined && faults.cut.afterBytes < total ? faults.cut.afterBytes : FOR_EVER;
  const hangAt = faults.hang !== undefined && faults.hang.afterBytes < total ? faults.hang.afterBytes : FOR_EVER;
  const flipAt = faults.corrupt?.atByte ?? -1;
  const flips = flipAt >= start && flipAt < end && counts.take('corrupt');
  const cuts = cutAt < FOR_EVER && counts.take('cut');
  const hangs = hangAt < FOR_EVER && counts.take('hang');
  const stop = Math.min(cuts ? cutAt : total, hangs ? hangAt : total);
  response.flushHeaders();
  for (let sent = 0; sent < stop && !response.destroyed; ) {
    const size = Math.min(PART_BYTES, stop - sent);
    const part = Buffer.from(content.read(start + sent, start + sent + size));
    if (flips && flipAt >= start + sent && flipAt < start + sent + size) {
      const at = flipAt - start - sent;
      part[at] = (part[at] ?? 0) ^ 0xff;
    }
    await write(response, part);
    sending.onBytes(part.length);
    sent += size;
  }
  if (response.destroyed) return;
  if (cuts && stop === cutAt) hangUp(response, faults.cut?.how ?? 'fin');
  else if (hangs) return;
  else if (lieBytes !== 0) hangUp(response, 'fin');
  else response.end();
}

async function write(response: ServerResponse, part: Buffer): Promise<void> {
  if (response.write(part)) return;
  await new Promise<void>((done) => {
    const over = () => {
      response.off('drain', over).off('close', over);
      done();
    };
    response.on('drain', over).on('close', over);
  });
}

/** RST throws away what is still on its way; FIN lets it arrive. */
function hangUp(response: ServerResponse, how: 'rst' | 'fin'): void {
  if (how === 'rst') response.socket?.resetAndDestroy();
  else response.socket?.end();
}

export function retryAfterOf(kind: 'seconds' | 'date'): string {
  return kind === 'seconds' ? '1' : new Date(Date.now() + 1000).toUTCString();
}
