/**
 * Reads missing pieces from the source itself. The same rule as for parents: a piece is hashed, compared where its
 * digest is known, and only then stored. Two generations of a content never meet: an answer that is not provably the
 * content at hand ends with Fault source-changed.
 */
import type { BufferPool } from '../io/buffers.ts';
import { sameBytes, sha256 } from '../io/hash.ts';
import { turnOf } from '../io/pacer.ts';
import { Fault } from '../protocol/faults.ts';
import { namesBytes } from '../protocol/identity.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { pieceCount } from '../protocol/piece.ts';
import type { SourceFacts, TaskSpec } from '../protocol/task.ts';
import type { ByteStream } from '../source/byte-stream.ts';
import { placeOf, type SourceAnswer, type SourceBody, type SourceRequest } from '../source/source.ts';
import { canResume, type Likeness, likeness } from '../source/validators.ts';
import type { StoredContent } from '../store/store.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Proofs } from './proofs.ts';

const STALL_MS = 20_000;

export type SourceReadParts = {
  readonly sources: { open(request: SourceRequest): Promise<SourceAnswer> };
  readonly pool: BufferPool;
  readonly bandwidth: Bandwidth;
};

export type SourceJob = {
  /** Names the task among the host's rates. */
  readonly key: string;
  readonly spec: TaskSpec;
  readonly proofs: Proofs;
  readonly from: PieceIndex;
  /** Exclusive; null = to the last. */
  readonly end: PieceIndex | null;
  /** Found earlier, not yet known to be what the source has now. */
  readonly prior: StoredContent | undefined;
  /** What is being downloaded; undefined = the source has to tell. */
  readonly content: StoredContent | undefined;
  readonly signal: AbortSignal;
};

export type SourceSink = {
  /** The source's answer, while no content is known: decides which content it is. `unchanged` = the prior one. */
  place(answer: SourceBody | 'unchanged'): Promise<StoredContent>;
  onPiece(piece: PieceIndex, bytes: number): void;
  /** The length of a content of unknown length. */
  onLength(length: number): Promise<void>;
};

/** Resolves when the read came to its end. Throws Faults: those of the source, source-changed, no-space, local-io. */
export async function readSource(job: SourceJob, parts: SourceReadParts, sink: SourceSink): Promise<void> {
  // A digest that cannot be forged leaves nothing to ask.
  if (job.content === undefined && job.prior?.complete === true && namesBytes(job.spec.digest)) {
    await sink.place('unchanged');
    return;
  }
  const answer = await parts.sources.open(requestFor(job));
  if (answer.type === 'unchanged') {
    await sink.place('unchanged');
    return;
  }
  const { content: known, proofs } = job;
  const alike = known === undefined ? 'unknown' : likenessTo(answer, known);
  // What the validators leave open the bytes must show: from the first one on, or piece by piece against a manifest.
  const compared = proofs.manifest !== undefined || answer.start === 0;
  if (known !== undefined && (alike === 'other' || (alike === 'unknown' && !compared))) {
    throw new Fault('source-changed', 'the source has another content now');
  }
  const content = known ?? (await sink.place(answer));
  await new Pouring({ ...job, content, compareHeld: alike === 'unknown' }, parts, sink).run(answer);
}

function likenessTo(answer: SourceBody, content: StoredContent): Likeness {
  const { length } = content.shape;
  if (length !== null && answer.length !== null && length !== answer.length) return 'other';
  return likeness(answer.facts, content.meta.facts);
}

/** That two answers speak of the same bytes: by validator, or because every piece will be compared anyway. */
export function sameContent(
  answer: SourceBody,
  content: StoredContent,
  job: Pick<SourceJob, 'proofs' | 'spec'>,
): boolean {
  const alike = likenessTo(answer, content);
  if (alike !== 'unknown') return alike === 'same';
  return job.proofs.manifest !== undefined || job.spec.digest !== undefined || content.held.count === 0;
}

export function hasValidator(facts: SourceFacts): boolean {
  return facts.etag !== undefined || facts.lastModified !== undefined;
}

/** A part of it can be read with the certainty that it is a part of this content: a validator guards it, or a digest proves it. */
export function readableInRanges({ meta: { facts } }: StoredContent, { manifest }: Proofs): boolean {
  return canResume(facts) || (facts.ranges && manifest !== undefined);
}

function requestFor({ spec, content, prior, from, end, signal, proofs }: SourceJob): SourceRequest {
  const plain: SourceRequest = { ...placeOf(spec), stallMs: STALL_MS, signal };
  const known = content ?? prior;
  if (known === undefined) return plain;
  const { facts } = known.meta;
  const { pieceSize, length } = known.shape;
  const ifRange = hasValidator(facts) ? { ifRange: facts } : {};
  if (content === undefined) {
    if (!hasValidator(facts)) return plain;
    if (known.complete) return { ...plain, ifChanged: facts };
    const start = Math.max(0, known.held.nextClear()) * pieceSize;
    return start === 0 || !canResume(facts) ? plain : { ...plain, range: { start }, ...ifRange };
  }
  if (!readableInRanges(content, proofs)) return plain;
  const last = end === null || end * pieceSize >= (length ?? Number.POSITIVE_INFINITY) ? {} : { end: end * pieceSize };
  if (from === 0 && last.end === undefined) return plain;
  return { ...plain, range: { start: from * pieceSize, ...last }, ...ifRange };
}

type PouringJob = SourceJob & {
  readonly content: StoredContent;
  /** Pieces that are held already are read all the same, and must be what they were. */
  readonly compareHeld: boolean;
};

/** One answer's bytes on their way into pieces. At most two buffers: one that fills, one that is being written. */
class Pouring {
  readonly #job: PouringJob;
  readonly #content: StoredContent;
  readonly #parts: SourceReadParts;
  readonly #sink: SourceSink;
  #position = 0;
  #buffer: Buffer | undefined;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(job: PouringJob, parts: SourceReadParts, sink: SourceSink) {
    this.#job = job;
    this.#content = job.content;
    this.#parts = parts;
    this.#sink = sink;
  }

  async run(answer: SourceBody): Promise<void> {
    const { pieceSize, length } = this.#content.shape;
    if (answer.start % pieceSize !== 0) throw new Fault('source-lied', 'the source began at another byte than asked');
    this.#position = answer.start;
    try {
      if (await this.#pour(answer)) return;
      if (length === null) await this.#endAt(this.#position);
      else if (this.#filled > 0) throw new Fault('source-lied', 'the source ended in the middle of a piece');
    } finally {
      // The writes themselves are awaited in any case: a buffer under a write must not go back to the pool.
      await this.#writing.catch(() => undefined);
      this.#drop();
    }
    await this.#writing;
  }

  /** True when it stopped before the body's end, having all that was wanted. */
  async #pour({ body }: SourceBody): Promise<boolean> {
    const { signal } = this.#job;
    try {
      for (;;) {
        if (signal.aborted) throw new Fault('cancelled', 'the read of the source was stopped');
        const { pieceSize, length } = this.#content.shape;
        const piece = Math.floor(this.#position / pieceSize);
        if (this.#job.end !== null && piece >= this.#job.end) return this.#enough();
        if (length !== null && this.#position >= length) {
          if ((await body.fill(Buffer.alloc(1))) === 0) return false;
          throw new Fault('source-lied', 'the source sends more than it said');
        }
        // The rest is read by ranges of its own; where there are none the read has to go on.
        const unwanted = this.#unwanted(piece);
        if (unwanted && readableInRanges(this.#content, this.#job.proofs)) return this.#enough();
        const size = Math.min((piece + 1) * pieceSize, length ?? Number.POSITIVE_INFINITY) - this.#position;
        this.#buffer = await this.#parts.pool.acquire(size, signal);
        await this.#read(body, this.#buffer);
        if (this.#filled < size) return false;
        if (unwanted) this.#drop();
        else await this.#hand(piece);
      }
    } finally {
      body.close();
    }
  }

  async #enough(): Promise<true> {
    await this.#writing;
    return true;
  }

  /** Fills the buffer, in the turns that limits give where there are any; less than its length = the end. */
  async #read(body: ByteStream, buffer: Buffer): Promise<void> {
    const { key, signal } = this.#job;
    const pace = this.#parts.bandwidth.taking(key);
    while (this.#filled < buffer.length) {
      const left = buffer.length - this.#filled;
      const portion = pace === undefined ? left : await turnOf(pace, left, signal);
      const filled = await body.fill(buffer.subarray(this.#filled, this.#filled + portion));
      this.#filled += filled;
      this.#position += filled;
      if (filled < portion) return;
    }
  }

  #unwanted(piece: PieceIndex): boolean {
    if (this.#job.compareHeld && this.#content.held.has(piece)) return false;
    return this.#content.held.has(piece) || piece < this.#job.from;
  }

  /** The piece is whole: hashes it now, and writes it while the next one fills. */
  async #hand(piece: PieceIndex): Promise<void> {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const data = buffer.subarray(0, this.#filled);
    const digest = sha256(data);
    const expected = this.#job.proofs.of(piece) ?? this.#content.digestOf(piece);
    if (expected !== undefined && !sameBytes(digest, expected)) {
      throw new Fault('source-changed', `piece ${piece} of the source is not what it was`);
    }
    await this.#writing;
    if (this.#content.held.has(piece)) {
      this.#drop();
      return;
    }
    this.#buffer = undefined;
    this.#filled = 0;
    this.#writing = this.#write(piece, digest, buffer, data);
    // Awaited before the next piece is handed; until then a failure must not count as unhandled.
    this.#writing.catch(() => undefined);
  }

  async #write(piece: PieceIndex, digest: Buffer, buffer: Buffer, data: Uint8Array): Promise<void> {
    try {
      await this.#content.put(piece, digest, data);
    } finally {
      this.#parts.pool.release(buffer);
    }
    this.#sink.onPiece(piece, data.length);
  }

  /** The end of a content whose length nobody had told. */
  async #endAt(length: number): Promise<void> {
    await this.#writing;
    await this.#sink.onLength(length);
    if (this.#filled > 0) await this.#hand(pieceCount(this.#content.shape) - 1);
  }

  #drop(): void {
    if (this.#buffer !== undefined) this.#parts.pool.release(this.#buffer);
    this.#buffer = undefined;
    this.#filled = 0;
  }
}
