/**
 * One direction's limits of one host: a total, and below it tasks with limits of their own. Whoever wants to move bytes asks first and waits for
 * its turn; a turn comes when all that was granted before is paid. So the sum over any number of flows holds the rate, never by more
 * than BURST_MS of it and one portion, and no rate is left unused while anybody waits who may use it.
 *
 * Turns are fair between tasks, however many flows each has, by start-time fair queueing (Goyal, Vin and Cheng, 1996): each task has a tag, the
 * bytes it was given so far, and the lowest tag goes first. A task that asked for less than its part is first whenever it asks.
 */
import type { Millis } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';

/** A lone flow moves no more at once than this time's worth, or it would come in lumps. */
const PORTION_MS = 20;
/** All flows that wait share this time's worth: each turn costs a wake-up, yet what was granted and has not come yet must be no burst. */
const ROUND_MS = 40;
const MIN_PORTION_BYTES = 4096;
/** A task begins with it and doubles it at most: when many begin at once nobody knows yet how many they are. */
const FIRST_PORTION_BYTES = 16 * 1024;
/** A task that paused for a moment may make good so much of the total; more would keep the others waiting. */
const LAG_MS = 50;
/** A task that nobody opened is forgotten when it asked for nothing for this long. */
const FORGET_MS = 10_000;
/** Rounding makes no debt. */
const NOTHING_MS = 1e-6;

export type Ask<T> = {
  readonly key: string;
  /** May be moved when its turn comes. */
  readonly bytes: number;
  readonly who: T;
};

type Task<T> = {
  readonly bucket: TokenBucket;
  readonly waiting: Set<Ask<T>>;
  /** Bytes that it was given, on the scale of all tasks' tags. */
  tag: number;
  /** The next one is no larger. */
  mostBytes: number;
  askedAt: Millis;
  /** Opened by `setTask`; any other is forgotten when it has rested. */
  kept: boolean;
};

export class RateQueue<T> {
  readonly #total: TokenBucket;
  readonly #tasks = new Map<string, Task<T>>();
  /** Those of `#tasks` that wait. */
  readonly #busy = new Set<Task<T>>();
  #waiting = 0;
  /** The tag at which the last turn began, and the highest one of all. */
  #tag = 0;
  #highest = 0;
  #sweptAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond?: number) {
    this.#total = new TokenBucket(bytesPerSecond);
  }

  get bytesPerSecond(): number | undefined {
    return this.#total.bytesPerSecond;
  }

  /** Tasks that it knows. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Asks whose turn has not come. */
  get waiting(): number {
    return this.#waiting;
  }

  /** undefined = unlimited. What was granted under the old rate is paid at the new one. */
  setTotal(bytesPerSecond: number | undefined, now: Millis): void {
    this.#total.setRate(bytesPerSecond, now);
  }

  /** Opens or changes a task. One that was never opened has no limit of its own. */
  setTask(key: string, bytesPerSecond: number | undefined, now: Millis): void {
    const task = this.#task(key, now);
    task.kept = true;
    task.bucket.setRate(bytesPerSecond, now);
  }

  /** Every task that was opened must be closed when it ends. Whoever still waits gets its turn. */
  closeTask(key: string): void {
    const task = this.#tasks.get(key);
    if (task === undefined) return;
    if (task.waiting.size === 0) this.#tasks.delete(key);
    else task.kept = false;
  }

  /** Whether anything limits this task. */
  limits(key: string): boolean {
    return this.bytesPerSecond !== undefined || this.#tasks.get(key)?.bucket.bytesPerSecond !== undefined;
  }

  /** Waits in line for up to `mostBytes`; `serve` tells when its turn has come. */
  ask(key: string, mostBytes: number, who: T, now: Millis): Ask<T> {
    this.#forget(now);
    const task = this.#task(key, now);
    task.askedAt = now;
    const ask = { key, bytes: Math.min(mostBytes, this.#portion(task)), who };
    task.waiting.add(ask);
    this.#busy.add(task);
    this.#waiting++;
    return ask;
  }

  /** Its turn is wanted no more; nothing happens when it has had it. */
  withdraw(ask: Ask<T>): void {
    const task = this.#tasks.get(ask.key);
    if (task?.waiting.has(ask)) this.#leave(task, ask);
  }

  /** Those whose turn has come, in order. Each is told once. */
  serve(now: Millis): readonly Ask<T>[] {
    const served: Ask<T>[] = [];
    while (this.#total.debt(now) <= NOTHING_MS) {
      const task = this.#next(now);
      const [ask] = task?.waiting ?? [];
      if (task === undefined || ask === undefined) break;
      this.#leave(task, ask);
      this.#total.take(ask.bytes, now);
      task.bucket.take(ask.bytes, now);
      const start = Math.max(task.tag, this.#tag - this.#lag());
      task.tag = start + ask.bytes;
      this.#highest = Math.max(this.#highest, task.tag);
      // When nobody waits there is nothing to be fair about, and nobody keeps a claim.
      this.#tag = this.#waiting === 0 ? this.#highest : Math.max(this.#tag, start);
      served.push(ask);
    }
    return served;
  }

  /** When to serve again, unless somebody asks before; Infinity = nobody waits. */
  nextAt(now: Millis): Millis {
    let own = Number.POSITIVE_INFINITY;
    for (const { bucket } of this.#busy) own = Math.min(own, bucket.debt(now));
    return now + Math.max(this.#total.debt(now), own);
  }

  /** The task with the lowest tag of those whose own limit allows it. */
  #next(now: Millis): Task<T> | undefined {
    let best: Task<T> | undefined;
    for (const task of this.#busy) {
      if ((best === undefined || task.tag < best.tag) && task.bucket.debt(now) <= NOTHING_MS) best = task;
    }
    return best;
  }

  #leave(task: Task<T>, ask: Ask<T>): void {
    task.waiting.delete(ask);
    this.#waiting--;
    if (task.waiting.size === 0) this.#busy.delete(task);
  }

  #portion(task: Task<T>): number {
    const total = portionOf(this.bytesPerSecond, this.#waiting + 1);
    const own = portionOf(task.bucket.bytesPerSecond, task.waiting.size + 1);
    const bytes = Math.max(MIN_PORTION_BYTES, Math.floor(Math.min(total, own)));
    if (bytes <= task.mostBytes) return bytes;
    const grown = task.mostBytes;
    task.mostBytes *= 2;
    return grown;
  }

  #lag(): number {
    return ((this.bytesPerSecond ?? 0) * LAG_MS) / 1000;
  }

  #task(key: string, now: Millis): Task<T> {
    let task = this.#tasks.get(key);
    if (task === undefined) {
      task = {
        ...{ bucket: new TokenBucket(), waiting: new Set<Ask<T>>(), tag: this.#tag },
        ...{ mostBytes: FIRST_PORTION_BYTES, askedAt: now, kept: false },
      };
      this.#tasks.set(key, task);
    }
    return task;
  }

  #forget(now: Millis): void {
    if (now - this.#sweptAt < FORGET_MS) return;
    this.#sweptAt = now;
    for (const [key, task] of this.#tasks) {
      if (!task.kept && task.waiting.size === 0 && task.askedAt < now - FORGET_MS) this.#tasks.delete(key);
    }
  }
}

function portionOf(bytesPerSecond: number | undefined, flows: number): number {
  if (bytesPerSecond === undefined) return Number.POSITIVE_INFINITY;
  return (bytesPerSecond * Math.min(PORTION_MS, ROUND_MS / flows)) / 1000;
}
