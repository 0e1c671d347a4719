/**
 * Complete contents on their way to the store behind. Nothing waits for it and nothing fails by it: what could not be written is
 * told to the log and left. Invariant: a record is written only after all bytes of its content are there.
 */
import type { Backoff } from '../../base/backoff.ts';
import { withAttempts } from '../../io/attempts.ts';
import type { BufferPool } from '../../io/buffers.ts';
import type { Log } from '../../io/log.ts';
import { type AwaitTurn, inTurns } from '../../io/pacer.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId } from '../../protocol/ids.ts';
import type { S3Bucket, S3Part } from '../../source/s3-bucket.ts';
import type { StoredContent } from '../../store/store.ts';
import type { Entry } from '../cache/entry.ts';
import { type CacheEvents, IGNORED_EVENTS } from '../cache/events.ts';
import { dataKey, type S3Store } from './s3-store.ts';
import { sharedOf } from './sharing.ts';

export type WriteBehindParts = {
  readonly store: S3Store;
  readonly bucket: S3Bucket;
  readonly pool: BufferPool;
  readonly log: Log;
  readonly random: () => number;
  /** Milliseconds to wait after so many bytes. */
  readonly turn: AwaitTurn;
  readonly partBytes?: number;
  readonly backoff?: Backoff;
};

/** Contents that wait for their turn; what comes on top is left out. */
const MAX_WAITING = 10_000;
/** Contents that are being written at once, and parts of each. */
const WRITERS = 2;
const LANES = 2;
/** Parts of one object, as S3 has it; their numbers begin with 1. */
const MAX_S3_PARTS = 10_000;
const PART_BYTES = 8 * 1024 * 1024;
/** A part has to fit into memory, so a content of more parts than the protocol has is left out (312 GiB). */
const MAX_PART_BYTES = 32 * 1024 * 1024;
const BACKOFF: Backoff = { firstMs: 500, maxMs: 30_000 };
const ATTEMPTS = { attempts: 6, maxRestMs: 60_000, patienceMs: 5 * 60_000 } as const;
const PROMPT_MS = 10_000;

export class WriteBehind implements CacheEvents {
  readonly #parts: WriteBehindParts;
  readonly #waiting = new Map<ContentId, Entry>();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: WriteBehindParts) {
    this.#parts = parts;
  }

  readonly shaped = IGNORED_EVENTS.shaped;
  readonly pieceHeld = IGNORED_EVENTS.pieceHeld;
  readonly spoilt = IGNORED_EVENTS.spoilt;

  /** Contents that are not written yet. */
  get count(): number {
    return this.#waiting.size + this.#running.size;
  }

  completed(entry: Entry): void {
    if (!entry.stored.complete || this.#stop.signal.aborted) return;
    if (this.#waiting.size >= MAX_WAITING) {
      this.#parts.log.warn({ content: entry.id }, 'too many contents wait for the S3 store; this one is left out');
      return;
    }
    this.#waiting.set(entry.id, entry);
    this.#startMore();
  }

  /** Another generation took its place, or it is gone. */
  dropped(entry: Entry): void {
    this.#waiting.delete(entry.id);
  }

  broken(entry: Entry): void {
    this.#waiting.delete(entry.id);
  }

  /** What is not written by then is left. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #startMore(): void {
    while (this.#running.size < WRITERS) {
      const [next] = this.#waiting.values();
      if (next === undefined) return;
      this.#waiting.delete(next.id);
      const running = this.#write(next).finally(() => {
        this.#running.delete(running);
        this.#startMore();
      });
      this.#running.add(running);
    }
  }

  /** Never rejects. */
  async #write(entry: Entry): Promise<void> {
    const { store, log } = this.#parts;
    const { signal } = this.#stop;
    entry.stored.acquire();
    try {
      // Another supernode may have written it, or an earlier life of this one.
      if ((await store.find(entry.task))?.content === entry.id) return;
      await this.#putAll(entry.stored);
      // The store outlives supernodes: it names none of them.
      const shared = { ...sharedOf(entry, NOBODY), holders: [] };
      await this.#again(() => store.putRecord(shared, signal));
      log.debug({ content: entry.id }, 'a content was written to the S3 store');
    } catch (error) {
      const fault = Fault.of(error);
      if (!signal.aborted) log.warn({ content: entry.id, fault }, 'a content could not be written to the S3 store');
    } finally {
      entry.stored.release();
    }
  }

  async #putAll(stored: StoredContent): Promise<void> {
    const { bucket, partBytes = PART_BYTES } = this.#parts;
    const { signal } = this.#stop;
    const length = stored.shape.length ?? 0;
    const key = dataKey(stored.id);
    if (length <= partBytes) {
      await this.#withBytes(stored, 0, length, (data) => bucket.put(key, data, signal));
      return;
    }
    const size = partSizeFor(length, partBytes);
    const upload = await this.#again(() => bucket.begin(key, signal));
    try {
      const parts: S3Part[] = [];
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next * size < length) {
          const part = next++;
          const put = (data: Uint8Array) => bucket.putPart(key, upload, part + 1, data, signal);
          parts[part] = await this.#withBytes(stored, part * size, Math.min(length, (part + 1) * size), put);
        }
      };
      const ended = await Promise.allSettled(Array.from({ length: LANES }, lane));
      const failed = ended.find((each) => each.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await this.#again(() => bucket.finish(key, upload, parts, signal));
    } catch (error) {
      // Parts that nobody puts together would be paid for for ever.
      await bucket.abandon(key, upload, AbortSignal.timeout(PROMPT_MS)).catch(() => undefined);
      throw error;
    }
  }

  /** One buffer, as often as it takes. */
  async #withBytes<T>(
    stored: StoredContent,
    from: number,
    to: number,
    put: (data: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const { pool, turn } = this.#parts;
    const { signal } = this.#stop;
    if (from === to) return this.#again(() => put(new Uint8Array(0)));
    const buffer = await pool.acquire(to - from, signal);
    try {
      await stored.read(from, buffer);
      return await this.#again(async () => {
        await inTurns(buffer.length, turn, signal);
        return put(buffer);
      });
    } finally {
      pool.release(buffer);
    }
  }

  #again<T>(work: () => Promise<T>): Promise<T> {
    const { random, backoff = BACKOFF } = this.#parts;
    return withAttempts({ ...ATTEMPTS, backoff, random, signal: this.#stop.signal }, work);
  }
}

const NOBODY = { ip: '', port: 0 };

/** Fault usage for a content that would need more or larger parts than there may be. */
export function partSizeFor(length: number, partBytes: number): number {
  let size = partBytes;
  while (size * MAX_S3_PARTS < length) size *= 2;
  if (size > MAX_PART_BYTES) throw new Fault('usage', `a content of ${length} bytes is too long for the S3 store`);
  return size;
}
