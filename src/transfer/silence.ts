/**
 * A supernode that is there and of no use: one that says nothing while nothing is on its way is asked again, some times; one whose assignments
 * all fail (its ports may be closed to this host) counts as lost after a while.
 */
import type { Millis } from '../base/clock.ts';
import type { TransferLimits } from './limits.ts';

export class Silence {
  readonly #limits: TransferLimits;
  #heardAt: Millis = 0;
  #times = 0;
  /** Attempts that failed since the last piece came, and when the first of them did. */
  #failures = 0;
  #failingSince: Millis = 0;

  constructor(limits: TransferLimits) {
    this.#limits = limits;
  }

  /** When it will have lasted too long. */
  get until(): Millis {
    const { silenceMs, silenceMaxMs } = this.#limits;
    return this.#heardAt + Math.max(silenceMs, Math.min(silenceMaxMs, silenceMs * 2 ** this.#times));
  }

  /** Something of use: assignments that this host cannot use are as good as silence. */
  heard(now: Millis): void {
    this.#heardAt = now;
  }

  /** A piece came: it is of use. */
  gained(now: Millis): void {
    this.#heardAt = now;
    this.#times = 0;
    this.#failures = 0;
  }

  /** An attempt failed. True when nothing but that has come of what was assigned for too long. */
  failed(now: Millis): boolean {
    if (this.#failures++ === 0) this.#failingSince = now;
    const { barrenFailures, barrenMs } = this.#limits;
    return this.#failures >= barrenFailures && now - this.#failingSince >= barrenMs;
  }

  /** True when it may be asked once more. */
  endured(now: Millis): boolean {
    this.#heardAt = now;
    return this.#times++ < this.#limits.silences;
  }
}
