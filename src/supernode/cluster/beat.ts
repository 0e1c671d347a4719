/** Work with Redis that is done once a second, sooner when there is news or Redis comes or goes, one run after the other. */
import { sleep } from '../../io/sleep.ts';
import type { Redis } from './redis.ts';

/** How often a supernode writes down what it has to say and looks at what the others say. */
export const BEAT_MS = 1_000;

export class Beat {
  readonly #redis: Pick<Redis, 'onHealth'>;
  readonly #closing = new AbortController();
  #early = new AbortController();
  #running: Promise<void> | undefined;
  #unlisten: () => void = () => undefined;

  constructor(redis: Pick<Redis, 'onHealth'>) {
    this.#redis = redis;
  }

  /** It ends; what is under way comes to its end. */
  get closing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** `work` must not reject. */
  start(work: () => Promise<void>): void {
    if (this.#running !== undefined) return;
    this.#unlisten = this.#redis.onHealth(() => this.soon());
    this.#running = this.#run(work);
  }

  /** The next run is now, or follows at once. */
  soon(): void {
    this.#early.abort();
  }

  async close(): Promise<void> {
    this.#unlisten();
    this.#closing.abort();
    this.soon();
    await this.#running;
  }

  async #run(work: () => Promise<void>): Promise<void> {
    while (!this.closing) {
      this.#early = new AbortController();
      await work();
      if (!this.closing) await sleep(BEAT_MS, this.#early.signal);
    }
  }
}
