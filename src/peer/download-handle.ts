/** One asker's hold on a download that he may share with others. Invariant: his release harms nobody else's. */
import { Fault } from '../protocol/faults.ts';
import type { TaskId } from '../protocol/ids.ts';
import type { HandOver } from '../store/store.ts';
import type { DownloadCore } from './download.ts';
import type { Download, DownloadProgress, DownloadResult, OpenedContent } from './engine.ts';
import { GIVEN_UP } from './given-up.ts';
import { readInOrder } from './read-in-order.ts';

export class DownloadHandle implements Download {
  readonly opened: Promise<OpenedContent>;
  readonly finished: Promise<DownloadResult>;
  readonly #core: DownloadCore;
  readonly #onRelease: () => void;
  readonly #released = Promise.withResolvers<never>();
  readonly #stop = new AbortController();
  readonly #unsubscribes = new Set<() => void>();

  constructor(core: DownloadCore, onRelease: () => void) {
    this.#core = core;
    this.#onRelease = onRelease;
    this.opened = Promise.race([core.opened, this.#released.promise]);
    this.finished = Promise.race([core.finished, this.#released.promise]);
    // An asker who only reads does not look at these.
    this.opened.catch(() => undefined);
    this.finished.catch(() => undefined);
  }

  get task(): TaskId {
    return this.#core.task;
  }

  get progress(): DownloadProgress {
    return this.#core.progress;
  }

  onProgress(listener: (progress: DownloadProgress) => void): () => void {
    const unsubscribe = this.#core.onProgress(listener);
    this.#unsubscribes.add(unsubscribe);
    return unsubscribe;
  }

  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const both = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    return readInOrder(this.#core, start, end, both);
  }

  async flush(): Promise<void> {
    await this.#core.content?.flush();
  }

  async handOver(path: string, options: { readonly copy?: boolean; readonly sync?: boolean }): Promise<HandOver> {
    await this.finished;
    const { content } = this.#core;
    if (content === undefined) throw new Fault('cancelled', 'the download was given up');
    return await content.handOver(path, options);
  }

  release(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(GIVEN_UP);
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    // Of one that is over he has his answer.
    if (!this.#core.over) this.#released.reject(new Fault('cancelled', 'the download was given up'));
    this.#onRelease();
  }
}
