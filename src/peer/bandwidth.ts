/** The byte rates of this host: one tree down, one tree up, each with a total and the tasks' own limits below it. */
import type { Clock } from '../base/clock.ts';
import { RateTree } from '../base/rate-tree.ts';

/** Bytes per second; undefined = unlimited. */
export type BandwidthLimits = { readonly down: number | undefined; readonly up: number | undefined };

export class Bandwidth {
  readonly #clock: Clock;
  readonly #down: RateTree;
  readonly #up: RateTree;

  constructor(limits: BandwidthLimits, clock: Clock) {
    this.#clock = clock;
    this.#down = new RateTree(limits.down);
    this.#up = new RateTree(limits.up);
  }

  get totals(): BandwidthLimits {
    return { down: this.#down.bytesPerSecond, up: this.#up.bytesPerSecond };
  }

  set totals(limits: BandwidthLimits) {
    this.#down.setTotal(limits.down, this.#clock.now());
    this.#up.setTotal(limits.up, this.#clock.now());
  }

  openTask(key: string, downBytesPerSecond: number | undefined): void {
    this.#down.setTask(key, downBytesPerSecond, this.#clock.now());
  }

  closeTask(key: string): void {
    this.#down.closeTask(key);
  }

  /** Told of every chunk that came; milliseconds to wait before more is read. */
  take(key: string, bytes: number): number {
    return this.#down.take(key, bytes, this.#clock.now());
  }

  /** Milliseconds that the task still has to wait for what it took; who starts something new waits for them first. */
  debt(key: string): number {
    return this.#down.debt(key, this.#clock.now());
  }

  /** False when nothing limits what this task takes: then nobody need ask. */
  limits(key: string): boolean {
    return this.#down.quantum(key) !== Number.POSITIVE_INFINITY;
  }

  /**
   * Told before bytes of a content go out; milliseconds to wait first, undefined = nothing limits them. Fair between
   * contents, whoever takes them.
   */
  give(key: string, bytes: number): number | undefined {
    return this.#up.bytesPerSecond === undefined ? undefined : this.#up.take(key, bytes, this.#clock.now());
  }
}
