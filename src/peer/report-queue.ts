/**
 * What a download has to report, gathered until it leaves as one message: for some milliseconds, because at 1 GB/s a frame each way per piece
 * costs as much CPU as the bytes (at 100 MB/s and below no piece waits), and for as long as a busy supernode asks for, while this host has more to
 * do than it has to tell.
 */
import type { Millis } from '../base/clock.ts';
import type { FailedPiece, HeldPiece, HostMessage, NearPiece } from '../protocol/messages.ts';
import type { StoredContent } from '../store/store.ts';

const GAP_MS = 8;
/** Whatever a supernode asks for. */
const MOST_MS = 200;

export type ReportQueueParts = {
  readonly send: (report: Extract<HostMessage, { type: 'report' }>) => void;
  readonly now: () => Millis;
};

export class ReportQueue {
  readonly #parts: ReportQueueParts;
  #content: StoredContent | undefined;
  #held: HeldPiece[] = [];
  #failed: FailedPiece[] = [];
  #near: NearPiece[] = [];
  /** Pieces that were assigned and have not ended; no more than a guess, since leases also end unseen. */
  #coming = 0;
  #gatherMs: Millis = 0;
  #flushedAt: Millis = Number.NEGATIVE_INFINITY;
  #dueAt: Millis = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ReportQueueParts) {
    this.#parts = parts;
  }

  /** More to do, and how long the supernode would have reports gathered. */
  assigned(pieces: number, gatherMs: Millis): void {
    this.#coming += pieces;
    this.#gatherMs = Math.min(gatherMs, MOST_MS);
  }

  cancelled(pieces: number): void {
    this.#coming = Math.max(0, this.#coming - pieces);
  }

  /** Nothing that was assigned before counts any more. */
  restart(): void {
    this.#coming = 0;
    this.#gatherMs = 0;
  }

  held(content: StoredContent, piece: HeldPiece): void {
    this.#about(content);
    this.#held.push(piece);
    this.#ask();
  }

  near(content: StoredContent, piece: NearPiece): void {
    if (this.#content !== content) this.flush();
    this.#content = content;
    this.#near.push(piece);
    this.#ask();
  }

  failed(content: StoredContent, piece: FailedPiece): void {
    this.#about(content);
    this.#failed.push(piece);
    this.#ask();
  }

  /** Now: something is said that comes after it, or nothing will. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#content === undefined || this.#held.length + this.#failed.length + this.#near.length === 0) return;
    const near = this.#near.length === 0 ? {} : { near: this.#near };
    const report = {
      type: 'report',
      content: this.#content.id,
      held: this.#held,
      failed: this.#failed,
      ...near,
    } as const;
    this.#near = [];
    this.#held = [];
    this.#failed = [];
    this.#flushedAt = this.#parts.now();
    this.#parts.send(report);
  }

  /** What is of another content goes out first. */
  #about(content: StoredContent): void {
    if (this.#content !== content) this.flush();
    this.#content = content;
    this.#coming = Math.max(0, this.#coming - 1);
  }

  #ask(): void {
    const patient = this.#failed.length === 0 && this.#held.length <= this.#coming;
    const dueAt = this.#flushedAt + (patient ? Math.max(GAP_MS, this.#gatherMs) : GAP_MS);
    if (dueAt >= this.#dueAt) return;
    this.#dueAt = dueAt;
    clearTimeout(this.#timer);
    const wait = dueAt - this.#parts.now();
    if (wait > 0) this.#timer = setTimeout(() => this.flush(), wait);
    else queueMicrotask(() => this.flush());
  }
}
