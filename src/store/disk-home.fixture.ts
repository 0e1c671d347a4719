/** A folder with a disk store for tests; its process can "die" and come back. */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../base/clock.ts';
import type { Fault } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { DiskContent } from './disk-content.ts';
import { type DiskStore, type DiskStoreOptions, openDiskStore } from './disk-store.ts';

export class DiskHome implements AsyncDisposable {
  readonly folder: string;
  readonly clock = new ManualClock(1_000_000);
  readonly faults: Fault[] = [];
  readonly evicted: ContentId[] = [];
  #store: DiskStore | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(options: Partial<DiskStoreOptions> = {}): Promise<DiskHome> {
    const home = new DiskHome(await mkdtemp(join(tmpdir(), 'dragonfly-disk-')));
    await home.open(options);
    return home;
  }

  get root(): string {
    return join(this.folder, 'store');
  }

  get store(): DiskStore {
    if (this.#store === undefined) throw new Error('the store is not open');
    return this.#store;
  }

  async open(options: Partial<DiskStoreOptions> = {}): Promise<DiskStore> {
    this.#store = await openDiskStore({
      root: this.root,
      clock: this.clock,
      onError: (fault) => this.faults.push(fault),
      onEvicted: (id) => this.evicted.push(id),
      ...options,
    });
    return this.#store;
  }

  /** Orderly. */
  async reopen(options: Partial<DiskStoreOptions> = {}): Promise<DiskStore> {
    await this.#store?.close();
    return this.open(options);
  }

  /** As after kill -9: nothing is closed or saved; only the lock's owner is dead. */
  async crash(options: Partial<DiskStoreOptions> = {}): Promise<DiskStore> {
    await rm(join(this.root, 'lock'));
    return this.open(options);
  }

  /** The content, which must be there. */
  content(id: ContentId): DiskContent {
    const content = this.store.find(id);
    if (content === undefined) throw new Error(`${id} is not here`);
    return content;
  }

  path(id: ContentId, name: string): string {
    return join(this.root, 'contents', id.slice(0, 2), id, name);
  }

  out(name = 'out'): string {
    return join(this.folder, name);
  }

  /** Returns when a file that is changed now gets another time than `path` has. */
  async tickAfter(path: string): Promise<void> {
    const { ctimeNs } = await stat(path, { bigint: true });
    const probe = join(this.folder, 'probe');
    do await writeFile(probe, 'x');
    while ((await stat(probe, { bigint: true })).ctimeNs <= ctimeNs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
