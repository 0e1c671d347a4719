/**
 * A bounded number of open files: opened at first use, kept while there is room, the least recently used closed first.
 * Invariant: never more than `limit` descriptors are open; who comes while all are in use waits in line. So nobody may
 * hold one file while asking for another.
 */
import { assert } from '../base/assert.ts';
import { closeFile, closeNamed, openForUpdate } from './disk.ts';

type Handle = { readonly fd: number; readonly file: LazyFile; users: number };

/** One file by name; its owner may change the name when it has renamed the file. */
export class LazyFile {
  path: string;
  /** Both are set by OpenFiles only. */
  handle: Handle | undefined;
  opening: Promise<void> | undefined;

  constructor(path: string) {
    this.path = path;
  }
}

export class OpenFiles {
  readonly #limit: number;
  /** Open and unused, least recently used first. */
  readonly #idle = new Set<Handle>();
  readonly #line: (() => void)[] = [];
  readonly #closing = new Set<Promise<void>>();
  readonly #onCloseError: (error: unknown) => void;
  #open = 0;

  constructor(options: { readonly limit: number; readonly onCloseError: (error: unknown) => void }) {
    assert(options.limit > 0, 'at least one open file');
    this.#limit = options.limit;
    this.#onCloseError = options.onCloseError;
  }

  get open(): number {
    return this.#open;
  }

  /** Runs `work` with the file open for reading and writing; it is made when it is not there. */
  async use<T>(file: LazyFile, work: (fd: number) => Promise<T>): Promise<T> {
    const handle = await this.#pin(file);
    try {
      return await work(handle.fd);
    } finally {
      handle.users--;
      if (handle.users === 0) this.#rest(handle);
    }
  }

  /** Another file has the name now: the next use opens it anew, and what is in use goes on with the old one. */
  async forget(file: LazyFile): Promise<void> {
    const handle = file.handle;
    file.handle = undefined;
    file.opening = undefined;
    if (handle !== undefined && this.#idle.delete(handle)) await this.#close(handle);
  }

  /** Closes all that is unused, and waits for what is being closed already. */
  async close(): Promise<void> {
    const idle = [...this.#idle];
    this.#idle.clear();
    for (const handle of idle) void this.#close(handle);
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  async #pin(file: LazyFile): Promise<Handle> {
    while (file.handle === undefined) {
      if (file.opening === undefined) {
        const opening = this.#openFile(file, () => file.opening === opening);
        file.opening = opening;
      }
      await file.opening;
    }
    const handle = file.handle;
    this.#idle.delete(handle);
    handle.users++;
    return handle;
  }

  async #openFile(file: LazyFile, wanted: () => boolean): Promise<void> {
    try {
      if (this.#open < this.#limit) this.#open++;
      else await this.#makeRoom();
      const handle = await this.#openCounted(file);
      if (wanted()) file.handle = handle;
      else await this.#close(handle);
    } finally {
      if (wanted()) file.opening = undefined;
    }
  }

  async #openCounted(file: LazyFile): Promise<Handle> {
    try {
      return { fd: await openForUpdate(file.path), file, users: 0 };
    } catch (error) {
      this.#giveRoom();
      throw error;
    }
  }

  /** Resolves when one place, already counted, is the caller's. */
  async #makeRoom(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#line.push(resolve));
    const [oldest] = this.#idle;
    if (oldest !== undefined) {
      this.#idle.delete(oldest);
      void this.#close(oldest);
    }
    await turn;
  }

  #rest(handle: Handle): void {
    if (handle.file.handle !== handle || this.#line.length > 0) void this.#close(handle);
    else this.#idle.add(handle);
  }

  /** A failed close is told and costs nobody else: what was written through it has been answered before. */
  #close(handle: Handle): Promise<void> {
    const { fd, file } = handle;
    const current = file.handle === handle;
    if (current) file.handle = undefined;
    // One that was forgotten may have no name any more, and be deleted by this.
    const closing = (current ? closeNamed : closeFile)(fd, file.path)
      .catch(this.#onCloseError)
      .then(() => {
        this.#closing.delete(closing);
        this.#giveRoom();
      });
    this.#closing.add(closing);
    return closing;
  }

  #giveRoom(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#open--;
    else next();
  }
}
