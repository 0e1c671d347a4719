/**
 * Downloads that clients read from. A download stays open for a while after its last reader, so that the many small
 * requests of one client for one content meet an open one; how many lie open is bounded. Invariant: each handle of the
 * engine is released exactly once.
 */
import { LRUCache } from 'lru-cache';
import type { Download, DownloadRequest, Engine } from '../peer/engine.ts';

const IDLE_MS = 10_000;
const MAX_OPEN = 512;

export type Loan = { readonly download: Download; end(): void };

type Entry = { readonly download: Download; readers: number };

export class Shelf {
  readonly #engine: Engine;
  readonly #idle: LRUCache<string, Entry>;
  readonly #used = new Map<string, Entry>();

  constructor(engine: Engine, idleMs = IDLE_MS) {
    this.#engine = engine;
    this.#idle = new LRUCache<string, Entry>({
      max: MAX_OPEN,
      ttl: idleMs,
      ttlAutopurge: true,
      dispose: (entry, _, reason) => {
        if (reason !== 'set' && entry.readers === 0) entry.download.release();
      },
    });
  }

  get open(): number {
    return this.#idle.size + this.#used.size;
  }

  /** `key` names content and asker: who asks with other credentials gets a handle of his own. */
  take(key: string, request: DownloadRequest): Loan {
    const entry = this.#used.get(key) ?? this.#again(key) ?? { download: this.#engine.open(request), readers: 0 };
    entry.readers++;
    this.#used.set(key, entry);
    let ended = false;
    return {
      download: entry.download,
      end: () => {
        if (ended) return;
        ended = true;
        this.#return(key, entry);
      },
    };
  }

  /** It failed: the next asker begins anew. */
  drop(key: string, download: Download): void {
    const entry = this.#used.get(key);
    if (entry?.download === download) this.#used.delete(key);
  }

  close(): void {
    this.#idle.clear();
    for (const { download } of this.#used.values()) download.release();
    this.#used.clear();
  }

  #again(key: string): Entry | undefined {
    const entry = this.#idle.get(key);
    if (entry === undefined) return undefined;
    // One without readers is released when it leaves the idle ones; this one has found a reader.
    entry.readers++;
    this.#idle.delete(key);
    entry.readers--;
    return entry;
  }

  #return(key: string, entry: Entry): void {
    entry.readers--;
    if (entry.readers > 0) return;
    if (this.#used.get(key) === entry) {
      this.#used.delete(key);
      this.#idle.set(key, entry);
    } else entry.download.release();
  }
}
