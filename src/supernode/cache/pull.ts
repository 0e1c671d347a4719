/**
 * Pieces whose digests are known and whose bytes are not here, brought from where they lie: hosts, other supernodes' caches, a
 * store behind, and the source where nobody else has them. Invariant: nothing is stored that is not what its digest
 * says, whoever gave it.
 */
import type { BufferPool } from '../../io/buffers.ts';
import { sameBytes, sha256 } from '../../io/hash.ts';
import type { Log } from '../../io/log.ts';
import { type AwaitTurn, inTurns } from '../../io/pacer.ts';
import { sleep } from '../../io/sleep.ts';
import { Fault } from '../../protocol/faults.ts';
import type { PieceIndex } from '../../protocol/ids.ts';
import { pieceSpan } from '../../protocol/piece.ts';
import type { ContentTier } from '../cluster/content-tier.ts';
import type { Entry } from './entry.ts';

export type PullParts = {
  /** In the order in which they are asked. */
  readonly tiers: readonly ContentTier[];
  /** Where a piece is read that no tier has. */
  readonly source: ContentTier;
  readonly pool: BufferPool;
  readonly log: Log;
  /** undefined = there is no limit. */
  readonly turn: AwaitTurn | undefined;
  readonly signal: AbortSignal;
  readonly held: (piece: PieceIndex) => void;
};

export type PullPlan = {
  readonly pieces: readonly PieceIndex[];
  /** So long others may yet come who have what nobody has now, before the source is read. Milliseconds. */
  readonly graceMs: number;
  /** Need not come here, because somebody has it who gives it to the others. */
  readonly elsewhere: (piece: PieceIndex) => boolean;
};

/** How often it is looked whether somebody has come. */
const LOOK_AGAIN_MS = 100;

/** Resolves when each piece is here or elsewhere. Faults: those of the source and the store; cancelled. */
export async function pull(entry: Entry, plan: PullPlan, parts: PullParts): Promise<void> {
  const sourceAt = performance.now() + plan.graceMs;
  let missing = plan.pieces;
  for (;;) {
    missing = missing.filter((piece) => !entry.stored.held.has(piece) && !plan.elsewhere(piece));
    if (missing.length === 0) return;
    const late = performance.now() >= sourceAt;
    const tiers = late ? [...parts.tiers, parts.source] : parts.tiers;
    await new Round(entry, { tiers, elsewhere: plan.elsewhere }, parts).run(missing);
    const left = missing.filter((piece) => !entry.stored.held.has(piece));
    if (parts.signal.aborted) throw new Fault('cancelled', 'the cache is being closed');
    if (left.length > 0) await sleep(LOOK_AGAIN_MS, parts.signal);
  }
}

/** Keeps the pieces of one read, one after the other, as they come. */
class Keeping {
  readonly #run: readonly PieceIndex[];
  readonly #keep: (piece: PieceIndex) => Promise<boolean>;
  #next = 0;
  /** Ends at the first fault of the store. */
  #chain = Promise.resolve();
  /** One that was not what it should be. */
  wrong: PieceIndex | undefined;

  /** `keep` resolves with false for a wrong piece. */
  constructor(run: readonly PieceIndex[], keep: (piece: PieceIndex) => Promise<boolean>) {
    this.#run = run;
    this.#keep = keep;
  }

  /** Those of which all bytes are there. */
  upTo(isThere: (piece: PieceIndex) => boolean): void {
    for (let piece = this.#run[this.#next]; piece !== undefined && isThere(piece); piece = this.#run[this.#next]) {
      this.#next++;
      const one = piece;
      this.#chain = this.#chain.then(async () => {
        if (!(await this.#keep(one))) this.wrong = one;
      });
    }
    // It is looked at when the read is over.
    this.#chain.catch(() => undefined);
  }

  /** Resolves when nothing is being kept any more. Rejects with the store's fault. */
  settled(): Promise<void> {
    return this.#chain;
  }
}

/** One pass over the missing pieces, in order, by a few lanes. */
class Round {
  readonly #entry: Entry;
  readonly #tiers: readonly ContentTier[];
  readonly #elsewhere: PullPlan['elsewhere'];
  readonly #parts: PullParts;
  #queue: PieceIndex[] = [];

  constructor(entry: Entry, from: Pick<PullParts, 'tiers'> & Pick<PullPlan, 'elsewhere'>, parts: PullParts) {
    this.#entry = entry;
    this.#tiers = from.tiers;
    this.#elsewhere = from.elsewhere;
    this.#parts = parts;
  }

  async run(pieces: readonly PieceIndex[]): Promise<void> {
    for (const tier of this.#tiers) {
      this.#queue = pieces.filter((piece) => !this.#entry.stored.held.has(piece));
      // What another read of this content brings, it brings for this one too.
      const lanes = Array.from({ length: Math.min(tier.lanes, this.#queue.length) }, () => this.#lane(tier));
      const ended = await Promise.allSettled(lanes);
      const failed = ended.find((each) => each.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  }

  async #lane(tier: ContentTier): Promise<void> {
    for (let run = this.#next(tier); run.length > 0; run = this.#next(tier)) {
      if (this.#parts.signal.aborted) throw new Fault('cancelled', 'the cache is being closed');
      for (const piece of run) this.#entry.reading.add(piece);
      try {
        await this.#read(tier, run);
      } catch (error) {
        await this.#failed(tier, run, Fault.of(error));
      } finally {
        for (const piece of run) this.#entry.reading.delete(piece);
      }
    }
  }

  /** Pieces in a row, as many as the tier gives at once. Who has some of them may have come since the round began. */
  #next(tier: ContentTier): PieceIndex[] {
    const { shape, reading } = this.#entry;
    const most = Math.max(1, Math.floor(tier.readBytes / shape.pieceSize));
    const run: PieceIndex[] = [];
    for (let piece = this.#queue[0]; piece !== undefined && run.length < most; piece = this.#queue[0]) {
      const last = run.at(-1);
      if (last !== undefined && piece !== last + 1) break;
      this.#queue.shift();
      if (!reading.has(piece) && !this.#elsewhere(piece)) run.push(piece);
    }
    return run;
  }

  async #read(tier: ContentTier, run: readonly PieceIndex[]): Promise<void> {
    const { shape } = this.#entry;
    const { start } = pieceSpan(shape, run[0] ?? 0);
    const { end } = pieceSpan(shape, run.at(-1) ?? 0);
    const { pool, signal, turn } = this.#parts;
    const buffer = await pool.acquire(end - start, signal);
    try {
      const keeping = new Keeping(run, (piece) => {
        const span = pieceSpan(shape, piece);
        return this.#keep(piece, buffer.subarray(span.start - start, span.end - start));
      });
      const arrived = (bytes: number): void => keeping.upTo((piece) => pieceSpan(shape, piece).end <= start + bytes);
      try {
        await tier.read(this.#entry, { start, end }, buffer, { signal, arrived });
        if (turn !== undefined) await inTurns(end - start, turn, signal);
        arrived(end - start);
      } finally {
        // The buffer is theirs until then, and what came before a read broke is of use.
        await keeping.settled();
      }
      if (keeping.wrong !== undefined)
        throw new Fault('peer-corrupt', `piece ${keeping.wrong} is not what its digest says`);
    } finally {
      pool.release(buffer);
    }
  }

  /** False when it is not what it should be. */
  async #keep(piece: PieceIndex, data: Uint8Array): Promise<boolean> {
    const { stored } = this.#entry;
    const digest = this.#entry.digestOf(piece);
    if (digest === undefined || !sameBytes(sha256(data), digest)) return false;
    await stored.put(piece, digest, data);
    this.#parts.held(piece);
    return true;
  }

  /** The next tier is asked; only the source is the last word. */
  async #failed(tier: ContentTier, run: readonly PieceIndex[], fault: Fault): Promise<void> {
    const { log, source, signal } = this.#parts;
    // A request that was given up because the ones before it got no answer is cancelled too, and no reason to end here.
    if (fault.code === 'no-space' || fault.code === 'local-io' || signal.aborted) throw fault;
    if (tier === source) {
      const said = fault.code === 'peer-corrupt' ? 'source-changed' : fault.code;
      throw new Fault(said, fault.message, { cause: fault });
    }
    log.debug({ content: this.#entry.id, tier: tier.name, pieces: run, fault }, 'a tier could not give pieces');
  }
}
