/** Where the bytes of one download came from. Invariant: `done` is the sum of the four, and never above the length. */
import type { ContentShape } from '../protocol/piece.ts';
import type { DownloadProgress } from './engine.ts';

export type Origin = 'fromPeers' | 'fromSupernode' | 'fromSource' | 'fromDisk';

export class Tally {
  length: number | null = null;
  readonly #bytes = { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 };

  get progress(): DownloadProgress {
    const { fromPeers, fromSupernode, fromSource, fromDisk } = this.#bytes;
    return { length: this.length, done: fromPeers + fromSupernode + fromSource + fromDisk, ...this.#bytes };
  }

  add(origin: Origin, bytes: number): void {
    this.#bytes[origin] += bytes;
  }

  /** Bytes that were counted and are not held any more; whoever brought them last brought them in vain. */
  lose(bytes: number): void {
    let left = bytes;
    for (const origin of ['fromDisk', 'fromPeers', 'fromSupernode', 'fromSource'] as const) {
      const taken = Math.min(left, this.#bytes[origin]);
      this.#bytes[origin] -= taken;
      left -= taken;
    }
  }

  /** Another content: begins anew. */
  reset(shape: ContentShape): void {
    this.length = shape.length;
    Object.assign(this.#bytes, { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 });
  }
}
