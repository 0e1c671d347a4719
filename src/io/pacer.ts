/** A queue of rates with a clock and a timer: whoever asks is called when its turn has come. One timer for all who wait. */
import type { Clock } from '../base/clock.ts';
import { RateQueue } from '../base/rate-queue.ts';

/** Asked before bytes are moved, for at most so many. `onTurn` is called later, and only if the turn has not come at once. */
export type Pace = (mostBytes: number, onTurn: () => void) => Turn;

export type Turn = {
  /** May be moved when the turn has come. */
  readonly bytes: number;
  /** At the time of the answer: it has come already. */
  readonly come: boolean;
  /** It is wanted no more. */
  readonly cancel: () => void;
};

/** Resolves with how many of so many bytes may be moved, when it is their turn; at once when the signal is aborted. */
export type AwaitTurn = (mostBytes: number, signal?: AbortSignal) => Promise<number>;

/** Timers know no longer ones than some weeks; one that comes too early is set again. */
const LONGEST_MS = 60_000;

export class Pacer {
  readonly #queue: RateQueue<() => void>;
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(bytesPerSecond: number | undefined, clock: Clock) {
    this.#queue = new RateQueue(bytesPerSecond);
    this.#clock = clock;
  }

  get bytesPerSecond(): number | undefined {
    return this.#queue.bytesPerSecond;
  }

  set bytesPerSecond(bytesPerSecond: number | undefined) {
    this.#queue.setTotal(bytesPerSecond, this.#clock.now());
    this.#serve();
  }

  setTask(key: string, bytesPerSecond: number | undefined): void {
    this.#queue.setTask(key, bytesPerSecond, this.#clock.now());
    this.#serve();
  }

  closeTask(key: string): void {
    this.#queue.closeTask(key);
  }

  /** How this task's flows are paced; undefined = nothing limits it now, and nobody need ask. */
  pace(key: string): Pace | undefined {
    if (!this.#queue.limits(key)) return undefined;
    return (mostBytes, onTurn) => {
      let come = false;
      let told = false;
      const who = () => {
        come = true;
        if (told) onTurn();
      };
      const ask = this.#queue.ask(key, mostBytes, who, this.#clock.now());
      this.#serve();
      told = true;
      return { bytes: ask.bytes, come, cancel: () => this.#queue.withdraw(ask) };
    };
  }

  /** For those who move bytes under this key; without a limit it is always their turn. */
  turns(key: string): AwaitTurn {
    return async (mostBytes, signal) => {
      const pace = this.pace(key);
      return pace === undefined ? mostBytes : turnOf(pace, mostBytes, signal);
    };
  }

  #serve(): void {
    const now = this.#clock.now();
    for (const { who } of this.#queue.serve(now)) who();
    const at = this.#queue.nextAt(now);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#serve();
      },
      Math.min(LONGEST_MS, Math.ceil(at - now)),
    );
  }
}

export function turnOf(pace: Pace, mostBytes: number, signal?: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const done = () => {
      signal?.removeEventListener('abort', gone);
      resolve(turn.bytes);
    };
    const gone = () => {
      turn.cancel();
      done();
    };
    const turn = pace(mostBytes, done);
    if (turn.come) resolve(turn.bytes);
    else if (signal?.aborted) gone();
    else signal?.addEventListener('abort', gone, { once: true });
  });
}

/** Resolves when so many bytes have had their turn. */
export async function inTurns(bytes: number, turn: AwaitTurn, signal: AbortSignal): Promise<void> {
  for (let left = bytes; left > 0 && !signal.aborted; ) left -= await turn(left, signal);
}
