/** Where the bytes of one download came from, and who is told. Invariant: `done` is the sum of the four, and never above the length. */
import type { ContentShape } from '../protocol/piece.ts';
import type { DownloadProgress } from './engine.ts';

export type Origin = 'fromPeers' | 'fromSupernode' | 'fromSource' | 'fromDisk';

/** Progress is told at most this often. Milliseconds. */
const TELL_MS = 100;

export class Tally {
  #length: number | null = null;
  readonly #listeners = new Set<(progress: DownloadProgress) => void>();
  #timer: NodeJS.Timeout | undefined;
  readonly #bytes = { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 };

  get progress(): DownloadProgress {
    const { fromPeers, fromSupernode, fromSource, fromDisk } = this.#bytes;
    return { length: this.#length, done: fromPeers + fromSupernode + fromSource + fromDisk, ...this.#bytes };
  }

  set length(length: number | null) {
    this.#length = length;
    this.#changed();
  }

  listen(listener: (progress: DownloadProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last word. */
  close(): void {
    clearTimeout(this.#timer);
    for (const listener of this.#listeners) listener(this.progress);
    this.#listeners.clear();
  }

  add(origin: Origin, bytes: number): void {
    this.#bytes[origin] += bytes;
    this.#changed();
  }

  /** Bytes that were counted and are not held any more; whoever brought them last brought them in vain. */
  lose(bytes: number): void {
    let left = bytes;
    for (const origin of ['fromDisk', 'fromPeers', 'fromSupernode', 'fromSource'] as const) {
      const taken = Math.min(left, this.#bytes[origin]);
      this.#bytes[origin] -= taken;
      left -= taken;
    }
    this.#changed();
  }

  /** Another content: begins anew. */
  reset(shape: ContentShape): void {
    this.#length = shape.length;
    Object.assign(this.#bytes, { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 });
  }

  #changed(): void {
    if (this.#listeners.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const listener of this.#listeners) listener(this.progress);
    }, TELL_MS);
  }
}
