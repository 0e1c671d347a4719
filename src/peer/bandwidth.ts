/** The byte rates of this host: one queue down, one up, each with a total and the tasks' own limits below it. */
import type { Clock } from '../base/clock.ts';
import { type AwaitTurn, type Pace, Pacer } from '../io/pacer.ts';

/** Bytes per second; undefined = unlimited. */
export type BandwidthLimits = { readonly down: number | undefined; readonly up: number | undefined };

export class Bandwidth {
  readonly #down: Pacer;
  readonly #up: Pacer;

  constructor(limits: BandwidthLimits, clock: Clock) {
    this.#down = new Pacer(limits.down, clock);
    this.#up = new Pacer(limits.up, clock);
  }

  get totals(): BandwidthLimits {
    return { down: this.#down.bytesPerSecond, up: this.#up.bytesPerSecond };
  }

  set totals(limits: BandwidthLimits) {
    this.#down.bytesPerSecond = limits.down;
    this.#up.bytesPerSecond = limits.up;
  }

  openTask(key: string, downBytesPerSecond: number | undefined): void {
    this.#down.setTask(key, downBytesPerSecond);
  }

  closeTask(key: string): void {
    this.#down.closeTask(key);
  }

  /** How what this task takes is paced; undefined = nothing limits it. */
  taking(key: string): Pace | undefined {
    return this.#down.pace(key);
  }

  /** For what comes without having been asked for: it still has its turns. */
  taken(key: string): AwaitTurn {
    return this.#down.turns(key);
  }

  /** How what goes out of a content is paced, fair between contents, whoever takes them; undefined = nothing limits it. */
  giving(key: string): Pace | undefined {
    return this.#up.pace(key);
  }
}
