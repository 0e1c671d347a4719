/** A supernode that is there but says nothing while nothing is on its way: after how long it is asked again, how often. */
import type { Millis } from '../base/clock.ts';
import type { TransferLimits } from './limits.ts';

export class Silence {
  readonly #limits: TransferLimits;
  #heardAt: Millis = 0;
  #times = 0;

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
  }

  /** True when it may be asked once more. */
  endured(now: Millis): boolean {
    this.#heardAt = now;
    return this.#times++ < this.#limits.silences;
  }
}
