/**
 * When and what this host reads from the source itself: one read at a time, of the longest run of missing pieces that
 * begins where a reader waits, after a jittered start where other hosts may do the same, and again after a failure for
 * as long as reads bring pieces.
 */
import type { Millis } from '../base/clock.ts';
import type { FaultValue } from '../protocol/faults.ts';
import type { ReadId, TransferCommand } from './events.ts';
import type { TransferLimits } from './limits.ts';
import type { Pieces } from './pieces.ts';
import { runInTurn, type Sharing, type SourceRun } from './source-turns.ts';
import type { Wants } from './wants.ts';

export class SourcePlan {
  readonly #limits: TransferLimits;
  /** The source answers ranges. */
  ranges = false;
  /** Why the supernode does not bring it. */
  why: FaultValue | undefined;
  #notBefore: Millis = 0;
  #startedAt: Millis = 0;
  /** The read that runs, or 0. */
  #read: ReadId = 0;
  #last: ReadId = 0;
  /** Pieces gained by the read that runs. */
  #gained = 0;
  /** Reads that failed since the last piece came. */
  #failures = 0;

  constructor(limits: TransferLimits) {
    this.#limits = limits;
  }

  /** When there is something to do without an event. */
  turnAt(now: Millis): Millis {
    return this.#read === 0 && this.#notBefore > now ? this.#notBefore : Number.POSITIVE_INFINITY;
  }

  startAt(time: Millis): void {
    this.#notBefore = time;
    this.#startedAt = time;
  }

  /** When this host may have begun to read. */
  get startedAt(): Millis {
    return this.#startedAt;
  }

  gained(): void {
    this.#gained++;
    this.#failures = 0;
  }

  /** The next read, if it is time; `sharing` = parents may bring some of the pieces. Undefined pieces = not known yet. */
  next(pieces: Pieces | undefined, wants: Wants, sharing: Sharing | undefined, now: Millis): TransferCommand[] {
    if (this.#read !== 0 || now < this.#notBefore) return [];
    const begin = { from: 0, end: wants.whole ? null : 0 };
    const run = pieces === undefined ? begin : this.#run(pieces, wants, sharing);
    if (run === undefined) return [];
    this.#gained = 0;
    this.#read = ++this.#last;
    return [{ type: 'read-source', read: this.#read, ...run, ...(this.why === undefined ? {} : { why: this.why }) }];
  }

  stop(): TransferCommand[] {
    const read = this.#read;
    this.#read = 0;
    return read === 0 ? [] : [{ type: 'stop-source', read }];
  }

  /** The fault to end with, if the read brought nothing too often. */
  ended(read: ReadId, now: Millis): FaultValue | undefined {
    if (this.#gained > 0) {
      if (read === this.#read) this.#read = 0;
      return undefined;
    }
    return this.failed(read, { code: 'source-lied', message: 'the source ended before the missing pieces' }, now);
  }

  /** The fault to end with, or undefined when it is tried again after a rest, or the read was stopped meanwhile. */
  failed(read: ReadId, fault: FaultValue, now: Millis): FaultValue | undefined {
    if (!this.runs(read)) return undefined;
    this.#read = 0;
    if (fault.code !== 'source-unreachable' && fault.code !== 'source-lied') return fault;
    if (++this.#failures >= this.#limits.sourceAttempts) return fault;
    const rest = this.#limits.sourceRestMs * 2 ** (this.#failures - 1);
    // What the source asks for counts, up to a limit: beyond it this host tries once more and is told again.
    this.#notBefore = now + Math.min(Math.max(rest, fault.retryAfterMs ?? 0), this.#limits.sourceRestMaxMs);
    return undefined;
  }

  runs(read: ReadId): boolean {
    return read !== 0 && read === this.#read;
  }

  #run(pieces: Pieces, wants: Wants, sharing: Sharing | undefined): SourceRun | undefined {
    const from = wants.nextMissing(pieces);
    if (from === -1) return undefined;
    // Without ranges the source gives all or nothing.
    if (!this.ranges) return { from: 0, end: null };
    // A reader in order does not wait for others' turns.
    if (sharing?.self !== undefined && wants.whole && wants.first === null)
      return runInTurn(pieces, sharing, this.#limits);
    const most = Math.min(wants.end, sharing ? from + this.#limits.sourceRunPieces : Number.POSITIVE_INFINITY);
    const end = Math.min(pieces.missingEnd(from) ?? Number.POSITIVE_INFINITY, most);
    return { from, end: end === Number.POSITIVE_INFINITY ? null : end };
  }
}
