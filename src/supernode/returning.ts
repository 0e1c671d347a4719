/**
 * After a restart hosts come back within seconds, and with them the inventories that say what need not be read again. For so long a task
 * that nobody offers yet is not read from its source. A supernode that never had hosts waits for nobody; nor does one that had begun to read the
 * content, once a host is back that holds some of it and has not heard of its end either.
 */
import type { Clock } from '../base/clock.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';

/** Hosts try again at least every second, and a session needs a moment. */
const RETURN_MS = 1_500;
const LOOK_MS = 100;

export type ReturningParts = {
  readonly clock: Clock;
  readonly delay: (ms: number) => Promise<void>;
  /** An earlier life of this supernode had this home, or hosts bring contents from one. */
  readonly hadHosts: () => boolean;
  readonly manifestFromHosts: (task: TaskId) => Promise<Manifest | undefined>;
  /** Some host holds pieces of it, and no manifest. */
  readonly unfinishedAtHosts: (content: ContentId) => boolean;
};

export class Returning {
  readonly #parts: ReturningParts;
  #until: number;

  constructor(parts: ReturningParts) {
    this.#parts = parts;
    this.#until = parts.clock.now() + RETURN_MS;
  }

  /** From now on hosts can come. */
  ready(): void {
    this.#until = this.#parts.clock.now() + RETURN_MS;
  }

  /** The manifest that some host holds, if any; it may be on its way back. `begun` is what had been read of the task before. */
  async manifest(task: TaskId, begun?: ContentId): Promise<Manifest | undefined> {
    for (;;) {
      const manifest = await this.#parts.manifestFromHosts(task);
      const left = this.#until - this.#parts.clock.now();
      if (manifest !== undefined || left <= 0 || !this.#parts.hadHosts()) return manifest;
      if (begun !== undefined && this.#parts.unfinishedAtHosts(begun)) return undefined;
      await this.#parts.delay(Math.min(left, LOOK_MS));
    }
  }
}
