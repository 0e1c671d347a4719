/**
 * The plain file with a content's bytes, and the guard over it. A user may get this very file as a hard link, so anybody
 * may change it; the guard compares the file's stamp with that after our own last operation. Invariants: a change that
 * is not ours is told by `onChanged` before anything read after it counts as right; we never write into a file that has
 * a second name, but into a copy of our own.
 *
 * Time stamps of files have steps of some milliseconds. So that a change right after the hand-over cannot hide in the
 * same step, the modification time is set back to a whole second before the link is made: any write moves it on.
 * While our own writes are on their way the times mean nothing, and only the file's identity is compared; a content in
 * that state has not been handed out.
 */
import {
  removeFile,
  rename,
  type Stamp,
  setChangeTime,
  stampAt,
  stampOf,
  syncOpenFile,
  truncateFile,
} from '../io/disk.ts';
import { readAt } from '../io/file-bytes.ts';
import type { FreshFiles } from '../io/fresh-files.ts';
import { copyFile, type HandOverWay, handOverFile, ownMode } from '../io/hand-over.ts';
import { LazyFile, type OpenFiles } from '../io/open-files.ts';
import { WriteLine } from '../io/write-line.ts';
import { Fault } from '../protocol/faults.ts';

const MAX_ATTEMPTS = 4;
const NANOS = 1_000_000_000n;

/** What an attempt on an open file says when another file must be opened first. */
const AGAIN = Symbol('again');

export type DataHandOver = {
  readonly length: number;
  readonly copy: boolean;
  readonly sync: boolean;
  readonly fresh: FreshFiles;
  /** Every byte is proved; asked in the same step as the file was found unchanged. */
  readonly ready: () => boolean;
};

export class DataFile {
  readonly #files: OpenFiles;
  readonly #file: LazyFile;
  readonly #onChanged: () => void;
  readonly #line = new WriteLine();
  /** Undefined until we have looked for the first time in this life of the process. */
  #stamp: Stamp | undefined;
  #epoch = 0;
  #writes = 0;
  #linkings = 0;
  #links = 1n;
  #detaching: Promise<void> | undefined;

  constructor(files: OpenFiles, path: string, onChanged: () => void) {
    this.#files = files;
    this.#file = new LazyFile(path);
    this.#onChanged = onChanged;
  }

  /** Grows with every change that was not ours. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Somebody else has the file under another name: deleting ours frees nothing. As of the last look. */
  get shared(): boolean {
    return this.#links > 1n;
  }

  /** Looks at the file's name, without opening it. */
  async lookAtLinks(): Promise<void> {
    const stamp = await stampAt(this.#file.path);
    this.#links = stamp?.links ?? 1n;
  }

  /** Tells by onChanged if somebody changed the file. */
  async look(): Promise<void> {
    await this.#use(async () => undefined);
  }

  /**
   * Bytes read, less than asked for only at the end; undefined when the file changed since `epoch`, and what was read may
   * be anything. Looked at after the read, because the times move before the bytes do.
   */
  async read(offset: number, into: Uint8Array, epoch: number): Promise<number | undefined> {
    return this.#open(async (fd) => {
      // A look before tells nothing that the one afterwards does not, once there is a stamp to compare with.
      if (this.#stamp === undefined && !this.#look(fd)) return AGAIN;
      const read = await readAt(fd, into, offset, this.#file.path);
      if (!this.#look(fd)) return AGAIN;
      return epoch === this.#epoch ? read : undefined;
    });
  }

  /** Resolves with the epoch in which the bytes were written. */
  write(offset: number, data: Uint8Array): Promise<number> {
    return this.#change((fd) => this.#line.write(fd, data, offset, this.#file.path));
  }

  /** Cuts or extends (with a hole) to `length`. */
  async resize(length: number): Promise<void> {
    await this.#change((fd) => truncateFile(fd, length, this.#file.path));
  }

  /** Brings what is written so far to the disk, whoever wrote it. */
  flush(): Promise<void> {
    return this.#files.use(this.#file, (fd) => syncOpenFile(fd, this.#file.path));
  }

  /** Undefined when the file changed: the caller must verify again. The file must be complete. */
  async handOver(to: string, options: DataHandOver): Promise<HandOverWay | undefined> {
    await this.look();
    if (this.#stamp?.size !== BigInt(options.length)) await this.resize(options.length);
    return this.#use(async (fd) => {
      const named = await stampAt(this.#file.path);
      this.#look(fd);
      if (named?.ino !== this.#stamp?.ino || named?.dev !== this.#stamp?.dev) {
        this.#changed();
        return AGAIN;
      }
      if (!options.ready()) return undefined;
      return this.#handOverOpen(fd, to, options);
    });
  }

  moved(path: string): void {
    this.#file.path = path;
  }

  close(): Promise<void> {
    return this.#files.forget(this.#file);
  }

  async #handOverOpen(fd: number, to: string, options: DataHandOver): Promise<HandOverWay | undefined> {
    const { path } = this.#file;
    const noLink = this.#stamp === undefined || (this.#stamp.mode & 0o777n) !== BigInt(ownMode());
    if (!options.copy && !noLink) await this.#setBack(fd);
    const epoch = this.#epoch;
    const check = () => {
      this.#look(fd);
      if (this.#epoch !== epoch || this.#stamp?.size !== BigInt(options.length)) throw new ChangedMeanwhile();
    };
    this.#linkings++;
    try {
      return await handOverFile({ from: path, to, noLink, check, ...options });
    } catch (error) {
      if (error instanceof ChangedMeanwhile) return undefined;
      throw error;
    } finally {
      // Linking and renaming moved the ctime; size and mtime must be what they were.
      this.#look(fd);
      this.#linkings--;
    }
  }

  async #setBack(fd: number): Promise<void> {
    const stamp = this.#stamp;
    if (stamp === undefined || this.#writes > 0 || stamp.mtimeNs % NANOS === 0n) return;
    await this.#writing(fd, () => setChangeTime(fd, Number(stamp.mtimeNs / NANOS), this.#file.path));
  }

  /** A change of our own, in a file of our own. */
  async #change(work: (fd: number) => Promise<void>): Promise<number> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (this.#detaching !== undefined) await this.#detaching;
      const done = await this.#open(async (fd) => {
        // While another write of ours is on its way the times mean nothing, and the file is not shared or would not be written.
        if (this.#writes === 0 && !this.#look(fd)) return AGAIN;
        if (this.#detaching !== undefined || (this.shared && this.#writes === 0)) return undefined;
        const epoch = this.#epoch;
        await this.#writing(fd, () => work(fd));
        return epoch;
      });
      if (done !== undefined) return done;
      this.#detaching ??= this.#detach().finally(() => {
        this.#detaching = undefined;
      });
      await this.#detaching;
    }
    throw new Fault('local-io', `cannot write ${this.#file.path}: other programs keep linking it; stop them`);
  }

  async #writing(fd: number, work: () => Promise<void>): Promise<void> {
    this.#writes++;
    try {
      await work();
    } finally {
      this.#writes--;
      if (this.#writes === 0) this.#stamp = stampOf(fd, this.#file.path);
    }
  }

  /** The other names keep the file as its users made it; we go on with a copy, of which nothing is proved. */
  async #detach(): Promise<void> {
    const { path } = this.#file;
    const own = `${path}.own`;
    try {
      await removeFile(own);
      await copyFile(path, own);
      await rename(own, path);
    } catch (error) {
      await removeFile(own).catch(() => undefined);
      throw error;
    }
    await this.#files.forget(this.#file);
    this.#stamp = undefined;
    this.#links = 1n;
    this.#changed();
  }

  /** With a look at first. */
  #use<T>(work: (fd: number) => Promise<T | typeof AGAIN>): Promise<T> {
    return this.#open(async (fd) => (this.#look(fd) ? work(fd) : AGAIN));
  }

  async #open<T>(work: (fd: number) => Promise<T | typeof AGAIN>): Promise<T> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const result = await this.#files.use(this.#file, work);
      if (result !== AGAIN) return result;
      await this.#files.forget(this.#file);
    }
    throw new Fault('local-io', `cannot use ${this.#file.path}: other programs keep replacing it; stop them`);
  }

  /** False when the open file has no name any more. */
  #look(fd: number): boolean {
    const now = stampOf(fd, this.#file.path);
    const before = this.#stamp;
    if (before !== undefined && !this.#ours(before, now)) this.#changed();
    this.#stamp = now;
    this.#links = now.links;
    return now.links > 0n;
  }

  #ours(before: Stamp, now: Stamp): boolean {
    if (before.ino !== now.ino || before.dev !== now.dev || now.links === 0n) return false;
    if (this.#writes > 0) return true;
    if (before.size !== now.size || before.mtimeNs !== now.mtimeNs) return false;
    return this.#linkings > 0 || before.ctimeNs === now.ctimeNs;
  }

  #changed(): void {
    this.#epoch++;
    this.#onChanged();
  }
}

class ChangedMeanwhile extends Error {}
