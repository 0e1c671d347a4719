/** How far a batch is: files that ended, and the sum of the bytes of all. Pure. */
import type { DownloadEvent, DownloadProgress } from '../peer/engine.ts';

export type BatchSummary = {
  readonly files: number;
  readonly saved: number;
  readonly failed: number;
  readonly bytes: number;
  readonly fromPeers: number;
  readonly fromSupernode: number;
  readonly fromSource: number;
  readonly fromDisk: number;
};

const COUNTS = ['done', 'fromPeers', 'fromSupernode', 'fromSource', 'fromDisk'] as const;

type Counts = { [Name in (typeof COUNTS)[number]]: number };

export class BatchTally {
  readonly #files: number;
  readonly #sum: Counts = { done: 0, fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 };
  /** What the sum already has of each file that runs. */
  readonly #running = new Map<string, Counts>();
  #length = 0;
  #lengths = 0;
  #saved = 0;
  #failed = 0;

  constructor(files: number) {
    this.#files = files;
  }

  /** What an event says of the file with this name. */
  note(file: string, event: DownloadEvent): void {
    switch (event.type) {
      case 'opened':
        this.#lengths++;
        this.#length += event.length ?? 0;
        break;
      case 'progress':
        this.#running.set(file, this.#count(file, event));
        break;
      case 'done':
        this.#count(file, event.result);
        this.#running.delete(file);
        this.#saved++;
        break;
      case 'failed':
        this.#running.delete(file);
        this.#failed++;
    }
  }

  /** The length is known when every file has told its own. */
  get progress(): DownloadProgress {
    return { length: this.#lengths < this.#files ? null : Math.max(this.#length, this.#sum.done), ...this.#sum };
  }

  get label(): string {
    return `${this.#saved + this.#failed} of ${this.#files} files`;
  }

  get summary(): BatchSummary {
    const { done, ...origins } = this.#sum;
    return { files: this.#files, saved: this.#saved, failed: this.#failed, bytes: done, ...origins };
  }

  #count(file: string, now: DownloadProgress): Counts {
    const before = this.#running.get(file);
    const counts = { ...this.#sum };
    for (const name of COUNTS) {
      this.#sum[name] += now[name] - (before?.[name] ?? 0);
      counts[name] = now[name];
    }
    return counts;
  }
}
