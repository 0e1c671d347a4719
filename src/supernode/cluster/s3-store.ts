/**
 * An S3-compatible store behind all supernodes: complete contents as `<task>/<generation>`, and beside them `<task>/manifest.json`,
 * the signed record that makes them worth something. Whoever can write to the bucket can take contents away, but cannot put
 * others in their place.
 */
import type { Log } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import { type ContentId, type TaskId, taskOf } from '../../protocol/ids.ts';
import type { Span } from '../../protocol/piece.ts';
import type { S3Bucket } from '../../source/s3-bucket.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier, ReadWatch } from './content-tier.ts';
import { parseShared, printShared, type SharedContent } from './shared-state.ts';

export type S3StoreParts = {
  readonly bucket: S3Bucket;
  readonly secret: Uint8Array;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** As long as a host that asks for a content may wait for a store that does not answer. Milliseconds. */
  readonly patienceMs?: number | undefined;
};

const PATIENCE_MS = 2_000;
/** A store that did not answer is left alone for so long, by those who would wait for it. */
const REST_MS = 15_000;
const READ_BYTES = 4 * 1024 * 1024;
/** A store is far away: more reads at once than of a neighbour. */
const LANES = 8;

export class S3Store implements ContentTier {
  readonly name = 's3';
  readonly readBytes = READ_BYTES;
  readonly lanes = LANES;
  readonly #parts: S3StoreParts;
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(parts: S3StoreParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async find(task: TaskId): Promise<SharedContent | undefined> {
    if (this.#rests) return undefined;
    const { bucket, secret, log } = this.#parts;
    try {
      const record = await bucket.text(recordKey(task), this.#patience());
      if (record === undefined) return undefined;
      const shared = parseShared(secret, task, record);
      if (shared === undefined)
        log.warn({ task }, 'a record in the S3 store that no supernode of this cluster has signed');
      return shared;
    } catch (error) {
      this.#failed(Fault.of(error));
      return undefined;
    }
  }

  async read({ id }: Entry, span: Span, into: Uint8Array, watch: ReadWatch): Promise<void> {
    if (this.#rests) throw new Fault('source-unreachable', 'the S3 store did not answer a moment ago');
    try {
      await this.#parts.bucket.read(dataKey(id), span, into, watch);
    } catch (error) {
      throw this.#failed(Fault.of(error));
    }
  }

  /** After all bytes are there. Faults as of the bucket. */
  putRecord(shared: SharedContent, signal: AbortSignal): Promise<void> {
    const { bucket, secret } = this.#parts;
    return bucket.put(recordKey(taskOf(shared.content)), printShared(secret, shared), signal);
  }

  /** The operator wants it gone. Never rejects. */
  async forget(task: TaskId): Promise<void> {
    const { bucket, log } = this.#parts;
    try {
      const shared = await this.find(task);
      await bucket.delete(recordKey(task), this.#patience());
      if (shared !== undefined) await bucket.delete(dataKey(shared.content), this.#patience());
    } catch (error) {
      log.warn({ error, task }, 'a content could not be removed from the S3 store');
    }
  }

  #patience(): AbortSignal {
    return AbortSignal.timeout(this.#parts.patienceMs ?? PATIENCE_MS);
  }

  get #rests(): boolean {
    return this.#parts.now() < this.#restsUntil;
  }

  /** What is missing there is no trouble of the store's. */
  #failed(fault: Fault): Fault {
    const missing = fault.sourceStatus === 404 || fault.sourceStatus === 416;
    if (missing || fault.code === 'source-lied') return fault;
    if (!this.#rests) this.#parts.log.warn({ fault }, 'the S3 store cannot be read; sources are read instead');
    this.#restsUntil = this.#parts.now() + REST_MS;
    return fault;
  }
}

function recordKey(task: TaskId): string {
  return `${task}/manifest.json`;
}

export function dataKey(content: ContentId): string {
  return `${taskOf(content)}/${content.slice(content.indexOf('.') + 1)}`;
}
