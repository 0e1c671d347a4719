/**
 * Who is in the swarm of one content. Invariant: while somebody downloads it, the cache's content is in use, so that no
 * eviction takes the seed away under a download; a record's own list of swarms says the same as this one.
 */
import type { Entry } from './cache/entry.ts';
import type { HostRecord } from './hosts.ts';

export class Swarm {
  /** Milliseconds of the monotonic clock. */
  usedAt: number;
  /** Not the task's content any more: it ends with its last download. */
  retired = false;
  readonly #hosts = new Set<HostRecord>();
  #entry: Entry;
  #downloads = 0;

  constructor(entry: Entry, now: number) {
    this.#entry = entry;
    this.usedAt = now;
  }

  get entry(): Entry {
    return this.#entry;
  }

  /** The same content was opened anew. */
  renew(entry: Entry): void {
    const before = this.#entry;
    this.#entry = entry;
    this.retired = false;
    if (this.#downloads === 0 || before.stored === entry.stored) return;
    entry.stored.acquire();
    before.stored.release();
  }

  get hosts(): ReadonlySet<HostRecord> {
    return this.#hosts;
  }

  /** Somebody downloads it. */
  get wanted(): boolean {
    return this.#downloads > 0;
  }

  /** `wants` = it downloads; else it only holds. */
  enter(record: HostRecord, wants: boolean): void {
    const before = record.swarms.get(this.entry.id) === true;
    this.#hosts.add(record);
    record.swarms.set(this.entry.id, wants);
    if (wants && !before) this.#begin();
    if (!wants && before) this.#end();
  }

  /** It is not here any more, neither as a child nor as a parent. */
  leave(record: HostRecord): void {
    if (!this.#hosts.delete(record)) return;
    const wanted = record.swarms.get(this.entry.id) === true;
    record.swarms.delete(this.entry.id);
    record.manifests.delete(this.entry.id);
    if (wanted) this.#end();
  }

  #begin(): void {
    if (this.#downloads++ === 0) this.entry.stored.acquire();
  }

  #end(): void {
    if (--this.#downloads === 0) this.entry.stored.release();
  }
}
