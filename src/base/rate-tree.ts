/**
 * One direction's limits of one host: a total, and below it tasks with limits of their own; fair between tasks, and work-conserving:
 * what one task leaves the others get.
 *
 * Each task is paced at a share of the total. Shares are set anew every EPOCH_MS by filling water: a task that used less than its
 * share keeps what it used, the rest is divided evenly among those that used theirs up. What was taken too much or too little in
 * one epoch is taken off or put on in the next, so the total holds however lumpy the chunks are.
 */
import type { Millis } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';

const EPOCH_MS = 50;
/** Unused total that may be made good later; more would be a burst. */
const CREDIT_MS = 50;
/** A task that took nothing for this long, and waits for nothing, has no claim to a share. */
const BUSY_MS = 250;
/** A task that nobody opened is forgotten when it took nothing for this long. */
const FORGET_MS = 10_000;
/** Under a limit nobody moves more at once than this time's worth, or the flow would come in lumps. */
const QUANTUM_MS = 20;
const MIN_QUANTUM_BYTES = 4096;

type Task = {
  readonly bucket: TokenBucket;
  /** Bytes per millisecond. */
  share: number;
  /** When what it has taken so far is paid at its share. */
  paidAt: Millis;
  takenAt: Millis;
  epochBytes: number;
  /** Opened by `setTask`; any other is forgotten when it has rested. */
  kept: boolean;
};

export class RateTree {
  #bytesPerSecond: number | undefined;
  readonly #tasks = new Map<string, Task>();
  #epochStart: Millis = Number.NEGATIVE_INFINITY;
  #epochBytes = 0;
  /** Bytes that were taken beyond the total; negative = left over. */
  #excess = 0;

  constructor(bytesPerSecond?: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** Tasks that it knows. */
  get size(): number {
    return this.#tasks.size;
  }

  /** undefined = unlimited. Takes effect with the next bytes of each task. */
  setTotal(bytesPerSecond: number | undefined, now: Millis): void {
    this.#bytesPerSecond = bytesPerSecond;
    this.#excess = 0;
    this.#divide(now);
  }

  /** Opens or changes a task. One that was never opened has no limit of its own. */
  setTask(key: string, bytesPerSecond: number | undefined, now: Millis): void {
    this.#task(key, now, true).bucket.setRate(bytesPerSecond, now);
  }

  /** Every task that was opened must be closed when it ends. */
  closeTask(key: string): void {
    this.#tasks.delete(key);
  }

  /** Milliseconds to wait before the next bytes of this task. */
  take(key: string, bytes: number, now: Millis): Millis {
    if (this.#bytesPerSecond === undefined) return this.#tasks.get(key)?.bucket.take(bytes, now) ?? 0;
    const task = this.#task(key, now, false);
    const own = task.bucket.take(bytes, now);
    // Before the shares are divided, which forgets whoever has rested for long.
    task.takenAt = now;
    if (now - this.#epochStart >= EPOCH_MS) this.#divide(now);
    this.#epochBytes += bytes;
    task.epochBytes += bytes;
    task.paidAt = Math.max(task.paidAt, now) + bytes / task.share;
    return Math.max(own, task.paidAt - now);
  }

  /** What `take` would answer for no bytes: whoever starts something new waits for that long first. */
  debt(key: string, now: Millis): Millis {
    const task = this.#tasks.get(key);
    if (task === undefined) return 0;
    const paid = this.#bytesPerSecond === undefined ? 0 : Math.max(0, task.paidAt - now);
    return Math.max(task.bucket.debt(now), paid);
  }

  /** Most bytes to move at once for this task; Infinity when nothing limits it. */
  quantum(key: string): number {
    const task = this.#tasks.get(key);
    const share = this.#bytesPerSecond === undefined ? undefined : (task?.share ?? this.#bytesPerSecond / 1000) * 1000;
    const rate = Math.min(share ?? Number.POSITIVE_INFINITY, task?.bucket.bytesPerSecond ?? Number.POSITIVE_INFINITY);
    return rate === Number.POSITIVE_INFINITY
      ? rate
      : Math.max(MIN_QUANTUM_BYTES, Math.floor((rate * QUANTUM_MS) / 1000));
  }

  #divide(now: Millis): void {
    const perSecond = this.#bytesPerSecond;
    if (perSecond === undefined) return;
    const total = perSecond / 1000;
    const elapsed = now - this.#epochStart;
    if (elapsed > 0 && elapsed < Number.POSITIVE_INFINITY) {
      this.#excess = Math.max(this.#excess + this.#epochBytes - total * elapsed, -total * CREDIT_MS);
    }
    const goal = Math.min(Math.max(total - this.#excess / (4 * EPOCH_MS), total / 2), total * 1.5);
    this.#pour(goal, elapsed, now);
    this.#epochStart = now;
    this.#epochBytes = 0;
  }

  /** Water-filling over the busy tasks: the modest keep what they used, the hungry divide the rest. */
  #pour(goal: number, elapsed: Millis, now: Millis): void {
    const busy = [...this.#tasks.values()].filter((task) => isBusy(task, now));
    const even = goal / Math.max(1, busy.length);
    let left = goal;
    let hungry = 0;
    for (const task of busy) {
      const used = task.epochBytes / Math.max(1, elapsed);
      if (used >= 0.9 * task.share || task.paidAt > now) hungry++;
      else left -= Math.min(used, even);
    }
    const share = hungry === 0 ? goal : left / hungry;
    for (const [key, task] of this.#tasks) {
      if (!task.kept && task.takenAt < now - FORGET_MS && task.paidAt <= now) this.#tasks.delete(key);
      setShare(task, share, now);
      task.epochBytes = 0;
    }
  }

  #task(key: string, now: Millis, kept: boolean): Task {
    let task = this.#tasks.get(key);
    if (task === undefined) {
      const share = this.#makeWay(now) || 1;
      task = {
        ...{ bucket: new TokenBucket(), share, paidAt: now, kept },
        ...{ takenAt: Number.NEGATIVE_INFINITY, epochBytes: 0 },
      };
      this.#tasks.set(key, task);
    }
    task.kept ||= kept;
    return task;
  }

  /** The others give of their shares at once what a new task gets: until the next epoch the sum would be too much. */
  #makeWay(now: Millis): number {
    const total = (this.#bytesPerSecond ?? 0) / 1000;
    const busy = [...this.#tasks.values()].filter((task) => isBusy(task, now));
    const left = busy.length / (busy.length + 1);
    for (const task of busy) setShare(task, task.share * left, now);
    return total / (busy.length + 1);
  }
}

function isBusy(task: Task, now: Millis): boolean {
  return task.takenAt > now - BUSY_MS || task.paidAt > now;
}

/** What was taken at the old share is paid at the new one. */
function setShare(task: Task, share: number, now: Millis): void {
  if (task.paidAt > now) task.paidAt = now + ((task.paidAt - now) * task.share) / share;
  task.share = share;
}
