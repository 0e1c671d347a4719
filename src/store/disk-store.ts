/**
 * The contents of one home on disk. Invariants: one process per folder; a content is in the catalogue or condemned, never
 * both; a condemned content works on for who has it and is deleted when the last one releases it.
 */
import type { Clock } from '../base/clock.ts';
import { readBootId } from '../io/boot-id.ts';
import { BufferPool } from '../io/buffers.ts';
import { type FreeSpace, freeSpace, makeFolder, removeTree, rename } from '../io/disk.ts';
import { FreshFiles } from '../io/fresh-files.ts';
import { handOverBytes } from '../io/hand-over.ts';
import { LockFile } from '../io/lock-file.ts';
import { OpenFiles } from '../io/open-files.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import { Folders, loadContents, makeContent } from './catalogue.ts';
import type { ContentHome } from './content-home.ts';
import { ContentIndex } from './content-index.ts';
import type { DiskContent } from './disk-content.ts';
import { bootIdInHeader } from './journal-format.ts';
import { Space } from './space.ts';
import type { ContentMeta, ContentStore, HandOver, StoredContent } from './store.ts';
import { DEFAULT_MARKS, type Marks } from './watermarks.ts';

const DEFAULT_MAX_OPEN_FILES = 256;
/** For hashing what is found on disk. */
const SCRATCH_BYTES = 4 * 1024 * 1024;

export type DiskStoreOptions = {
  readonly root: string;
  readonly clock: Clock;
  /** When contents are evicted before their room is needed, and the quota; default DEFAULT_MARKS. */
  readonly marks?: Partial<Marks>;
  /** A reservation leaves so much of the disk free for others; default 0. */
  readonly minFreeBytes?: number;
  /** Names the run of the machine's kernel; default: what the kernel says. */
  readonly bootId?: string;
  /** Free space of the disk under `root`. */
  readonly statfs?: (root: string) => Promise<FreeSpace>;
  readonly maxOpenFiles?: number;
  /** Trouble that no caller waits for; nothing is lost by it but tidiness. */
  readonly onError?: (fault: Fault) => void;
  /** A content was evicted to make room or by `keep`; its pieces are gone. */
  readonly onEvicted?: (id: ContentId) => void;
};

/** Faults: store-version, local-io (also when another process uses the folder). */
export async function openDiskStore(options: DiskStoreOptions): Promise<DiskStore> {
  const folders = new Folders(options.root);
  await makeFolder(options.root);
  const lock = LockFile.take(folders.lock);
  try {
    await folders.checkVersion();
    await makeFolder(folders.trash);
    const leftOver = await folders.trashed();
    // An unknown boot is never the same as another one: all from before is doubted.
    const bootId = bootIdInHeader(options.bootId ?? (await readBootId()) ?? `unknown-${options.clock.wall()}`);
    const fresh = await FreshFiles.open(folders.outputs, options.onError ?? (() => undefined));
    const store = new DiskStore(options, { folders, lock, bootId, fresh });
    await store.load();
    store.discard(leftOver);
    return store;
  } catch (error) {
    lock.release();
    throw error;
  }
}

type StoreParts = {
  readonly folders: Folders;
  readonly lock: LockFile;
  readonly bootId: string;
  readonly fresh: FreshFiles;
};

export class DiskStore implements ContentStore {
  readonly #options: DiskStoreOptions;
  readonly #folders: Folders;
  readonly #lock: LockFile;
  readonly #home: ContentHome;
  readonly #contents = new ContentIndex<DiskContent>();
  readonly #condemned = new Set<DiskContent>();
  /** The last step on each id that is being made or removed; the next one waits for it. */
  readonly #steps = new Map<ContentId, Promise<unknown>>();
  readonly #deleting = new Set<Promise<void>>();
  #closed = false;

  constructor(options: DiskStoreOptions, parts: StoreParts) {
    this.#options = options;
    this.#folders = parts.folders;
    this.#lock = parts.lock;
    const onError = options.onError ?? (() => undefined);
    const { root, statfs = freeSpace } = options;
    this.#home = {
      clock: options.clock,
      bootId: parts.bootId,
      fresh: parts.fresh,
      files: new OpenFiles({
        limit: options.maxOpenFiles ?? DEFAULT_MAX_OPEN_FILES,
        onCloseError: (error) => onError(Fault.of(error)),
      }),
      scratch: new BufferPool({ budgetBytes: SCRATCH_BYTES }),
      space: new Space({
        free: () => statfs(root),
        minFreeBytes: options.minFreeBytes ?? 0,
        marks: { ...DEFAULT_MARKS, ...options.marks },
        wall: () => options.clock.wall(),
        tenants: () => [...this.#contents.values(), ...this.#condemned],
        evict: (ids) => this.#evict(ids),
        onError: this.#report,
      }),
      onError,
    };
  }

  /** Open descriptors at the moment. */
  get openFiles(): number {
    return this.#home.files.open;
  }

  /** Once, at start. */
  async load(): Promise<void> {
    for (const content of await loadContents(this.#home, this.#folders)) this.#contents.add(content);
  }

  /** Deletes folders of the trash while the store is in use already: a large file takes its time to go. */
  discard(paths: readonly string[]): void {
    for (const path of paths) this.#deletion(removeTree(path));
  }

  find(id: ContentId): DiskContent | undefined {
    return this.#contents.get(id);
  }

  list(): readonly DiskContent[] {
    return [...this.#contents.values()];
  }

  ofTask(task: TaskId): readonly DiskContent[] {
    return this.#contents.ofTask(task);
  }

  /** Contents from before the machine's last start that nothing has proved yet: worth a `verify` in a quiet hour. */
  doubtful(): readonly StoredContent[] {
    return this.list().filter((content) => content.doubtful);
  }

  async create(id: ContentId, shape: ContentShape, meta: ContentMeta): Promise<DiskContent> {
    const content = await this.#inTurn(id, async () => {
      if (this.#closed) throw new Fault('cancelled', 'the store is closed');
      const found = this.#contents.get(id);
      if (found?.allows(shape)) {
        found.usage.expect();
        return found;
      }
      if (found !== undefined) await this.#condemn(found);
      const made = makeContent(this.#home, this.#folders, { id, shape, meta });
      made.usage.expect();
      this.#contents.add(made);
      // Nobody is to find it again.
      made.made.catch(() => this.remove(id));
      return made;
    });
    try {
      await content.reshape(shape);
      await content.reserve();
    } catch (error) {
      content.usage.unexpect();
      if (content.held.count === 0 && !content.usage.running) await this.remove(id);
      throw error;
    }
    return content;
  }

  async remove(id: ContentId): Promise<void> {
    await this.#inTurn(id, async () => {
      const content = this.#contents.get(id);
      if (content === undefined) return;
      const { deleted } = await this.#condemn(content);
      if (content.usage.users === 0) await deleted;
    });
  }

  keep(more?: Partial<Marks>): Promise<readonly ContentId[]> {
    return this.#home.space.keep(more);
  }

  async handOverBytes(bytes: Uint8Array, to: string, { sync = false }: { readonly sync?: boolean }): Promise<HandOver> {
    await handOverBytes(bytes, { fresh: this.#home.fresh, to, sync });
    return 'copy';
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#steps.values());
    await Promise.all(this.list().map((content) => content.close('kept')));
    for (const content of this.#condemned) content.usage.abandon();
    await Promise.all(this.#deleting);
    await this.#home.files.close();
    await this.#home.fresh.close();
    this.#home.scratch.trim();
    this.#lock.release();
  }

  async #evict(ids: readonly ContentId[]): Promise<readonly ContentId[]> {
    const gone: ContentId[] = [];
    for (const id of ids) {
      const evicted = await this.#inTurn(id, async () => {
        const content = this.#contents.get(id);
        // Somebody may have come back to it, or pinned it, while it stood in line.
        if (content === undefined || !content.resident.idle) return undefined;
        return this.#condemn(content);
      });
      if (evicted === undefined) continue;
      await evicted.deleted;
      gone.push(id);
      this.#options.onEvicted?.(id);
    }
    return gone;
  }

  /** Takes it out of the catalogue and its folder out of the way, then deletes it as soon as nobody has it. */
  async #condemn(content: DiskContent): Promise<{ readonly deleted: Promise<void> }> {
    const trash = this.#folders.nextTrash(content.id);
    this.#contents.delete(content.id);
    this.#condemned.add(content);
    // What could not be made has been told to those who wrote. Who goes on writing writes into a folder that is out of the way.
    await content.begin().catch(() => undefined);
    await rename(content.folder, trash).then(() => content.moved(trash), this.#report);
    return { deleted: this.#deletion(this.#delete(content)) };
  }

  #deletion(work: Promise<void>): Promise<void> {
    const deleted = work.catch(this.#report);
    this.#deleting.add(deleted);
    void deleted.finally(() => this.#deleting.delete(deleted));
    return deleted;
  }

  async #delete(content: DiskContent): Promise<void> {
    await content.usage.left();
    await content.close('removed');
    await removeTree(content.folder);
    this.#condemned.delete(content);
  }

  readonly #report = (error: unknown): void => this.#home.onError(Fault.of(error));

  async #inTurn<T>(id: ContentId, step: () => Promise<T>): Promise<T> {
    const before = this.#steps.get(id);
    const run = before === undefined ? step() : before.then(step, step);
    this.#steps.set(id, run);
    try {
      return await run;
    } finally {
      if (this.#steps.get(id) === run) this.#steps.delete(id);
    }
  }
}
