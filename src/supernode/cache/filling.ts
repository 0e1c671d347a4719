/**
 * The reading of one entry from its source to its end. Where another supernode had begun, the first part is not read again:
 * hosts have it, its digests are known, and only the rest comes from the source. That rest is what everybody waits for, so it has the link
 * for itself: what hosts have and give to each other is brought when it is here.
 */
import { assert } from '../../base/assert.ts';
import type { BufferPool } from '../../io/buffers.ts';
import { DigestBuilder, digestAlgorithmOf } from '../../io/hash.ts';
import { Fault } from '../../protocol/faults.ts';
import type { PieceIndex } from '../../protocol/ids.ts';
import { type ContentShape, pieceCount } from '../../protocol/piece.ts';
import type { Digest, TaskSpec } from '../../protocol/task.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import type { StoredContent } from '../../store/store.ts';
import type { Entry } from './entry.ts';
import type { CacheEvents } from './events.ts';
import { type BodyAnswer, Fill, type FillParts } from './fill.ts';
import { requireSame } from './refill.ts';

/** How often it is looked whether hosts still have the first part. */
const LOOK_AGAIN_MS = 500;

export type FillingParts = Omit<FillParts, 'reopen'> & {
  readonly ask: (spec: TaskSpec, more: Partial<SourceRequest>) => Promise<SourceAnswer>;
  readonly events: CacheEvents;
  /** Brings pieces of known digests that lie before what is read: all, or those that no host has. */
  readonly bring: (pieces: readonly PieceIndex[], which: 'all' | 'no host has') => Promise<void>;
};

export type Filled = {
  /** Of the whole, where one was asked for. */
  readonly digest: Digest | undefined;
  /** Resolves when all pieces are on the disk. Rejects with a fault of the store. */
  readonly written: () => Promise<void>;
};

/** Resolves when the digests of all pieces are known, and are right. Faults as of Fill and pull. */
export async function fillEntry(entry: Entry, answer: BodyAnswer, parts: FillingParts): Promise<Filled> {
  const { stored, facts, spec } = entry;
  const { ask, events } = parts;
  const lacking = lackingBefore(stored, answer.start);
  const begun = lacking.length > 0;
  const fill = new Fill(
    stored,
    {
      ...parts,
      reopen: async (start) => {
        const more = await ask(spec, start === 0 ? {} : { range: { start }, ifRange: facts });
        if (more.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a range');
        requireSame(entry, more);
        return more;
      },
    },
    {
      facts,
      digest: begun ? undefined : spec.digest,
      onPiece: (piece) => {
        entry.judging = !begun && spec.digest !== undefined && isLast(stored.shape, piece);
        events.pieceHeld(entry, piece);
      },
      onLength: () => events.shaped(entry),
    },
  );
  if (begun) fill.from(answer.start / stored.shape.pieceSize);
  else if (answer.start > 0) await fill.resume();
  const filling = fill.run(answer);
  const [filled, brought] = await Promise.allSettled([
    filling,
    begun ? bringMeanwhile(filling, lacking, parts) : undefined,
  ]);
  if (filled.status === 'rejected') throw filled.reason;
  if (brought.status === 'rejected') throw brought.reason;
  if (begun) await parts.bring(lacking, 'all');
  const { shape, digest } = filled.value;
  const written = () => fill.written();
  if (stored.shape.length === null) {
    await written();
    await stored.reshape(shape);
    events.shaped(entry);
  }
  return { digest: begun ? await checkWhole(stored, spec.digest, parts) : digest, written };
}

function isLast(shape: ContentShape, piece: PieceIndex): boolean {
  return shape.length !== null && piece + 1 === pieceCount(shape);
}

/** Until the rest is here: hosts that had the first part may go. */
async function bringMeanwhile(
  filling: Promise<unknown>,
  lacking: readonly PieceIndex[],
  { bring, delay }: Pick<FillingParts, 'bring' | 'delay'>,
): Promise<void> {
  const ended = filling.then(
    () => true,
    () => true,
  );
  do await bring(lacking, 'no host has');
  while (!(await Promise.race([ended, delay(LOOK_AGAIN_MS)])));
}

/** Pieces before that byte which are not here. */
function lackingBefore({ held, shape }: StoredContent, start: number): PieceIndex[] {
  const lacking: PieceIndex[] = [];
  for (let piece = 0; piece * shape.pieceSize < start; piece++) if (!held.has(piece)) lacking.push(piece);
  return lacking;
}

const READ_BYTES = 1024 * 1024;

/** What came in two parts is hashed from the disk. Fault digest-mismatch. */
async function checkWhole(
  stored: StoredContent,
  expected: Digest | undefined,
  { pool, signal }: { readonly pool: BufferPool; readonly signal: AbortSignal },
): Promise<Digest | undefined> {
  const algorithm = expected === undefined ? undefined : digestAlgorithmOf(expected);
  if (algorithm === undefined) return undefined;
  const whole = new DigestBuilder(algorithm);
  const { length } = stored.shape;
  assert(length !== null, 'a content that was begun by another has a length');
  const buffer = await pool.acquire(Math.min(READ_BYTES, length), signal);
  try {
    for (let at = 0; at < length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, length - at));
      await stored.read(at, part);
      whole.update(part);
    }
  } finally {
    pool.release(buffer);
  }
  const digest = whole.digest();
  if (digest !== expected) throw new Fault('digest-mismatch', `the source's content has ${digest}, not ${expected}`);
  return digest;
}
