/**
 * The door to the disk: opening, looking, renaming, free space; `file-bytes.ts` reads and writes, `whole-file.ts` saves. Every error leaves as a Fault with one
 * line that says what to do, so that nobody above knows errno; who must tell two errors apart asks `errnoOf`.
 *
 * The calls are Node's callback functions, wrapped once: FileHandle costs an object and two promises more per call.
 */
import fs from 'node:fs';
import { Fault } from '../protocol/faults.ts';
import { makeFolders } from './folders.ts';
import { Promptness } from './promptness.ts';

const { O_CREAT, O_RDONLY, O_RDWR } = fs.constants;
/** The process's umask is taken off by the kernel. */
const FILE_MODE = 0o644;
const SECRET_MODE = 0o600;

const promptness = new Promptness();

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** What identifies a state of a file: any write, truncation, replacement or restored mtime shows in one of these. */
export type Stamp = {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly links: bigint;
  readonly mode: bigint;
};

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk; free some or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another folder',
  EACCES: 'permission denied; check the owner and mode of the path',
  EPERM: 'not permitted; check the owner and attributes of the path',
  EROFS: 'the file system is read-only; choose another folder',
  EIO: 'the disk failed; check it (see the kernel log) or choose another one',
  ENOENT: 'no such file or folder; create the folder first',
  ENOTDIR: 'a part of the path is no folder; check the path',
  EISDIR: 'it is a folder; give the name of a file',
  ENOTEMPTY: 'it is a folder; give the name of a file',
  EEXIST: 'it exists already; remove it or choose another name',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  ENFILE: 'too many open files on this machine; raise fs.file-max',
  EFBIG: 'the file is too large for this file system; choose another one',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
  ELOOP: 'too many symbolic links; check the path',
  EBUSY: 'it is in use; try again later or choose another name',
  ETXTBSY: 'it is a running program; stop it first',
  ESTALE: 'the network file system lost it; mount it again',
};

/** The errno name behind a Fault of this file or behind a Node error, e.g. 'ENOENT'. */
export function errnoOf(error: unknown): string | undefined {
  const source = error instanceof Fault ? error.cause : error;
  if (!(source instanceof Error) || !('code' in source)) return undefined;
  return typeof source.code === 'string' ? source.code : undefined;
}

export function diskFault(error: unknown, doing: string, path: string): Fault {
  if (error instanceof Fault) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return Fault.of(error);
  const message = `cannot ${doing} ${path}: ${ADVICE[errno] ?? `${errno}; check the path`}`;
  return new Fault(errno === 'ENOSPC' || errno === 'EDQUOT' ? 'no-space' : 'local-io', message, { cause: error });
}

/**
 * One call into fs: resolves with its value, rejects with a Fault that names what was tried. `here` does the same in this
 * thread, for what is short unless the disk is behind: so nothing that makes or removes a file, which may wait for others.
 */
export function diskCall<T>(doing: string, path: string, start: (done: Done<T>) => void, here?: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(diskFault(error, doing, path));
    if (here === undefined || !promptness.here) {
      start((error, value) => (error ? fail(error) : resolve(value)));
      return;
    }
    try {
      resolve(promptness.run(here));
    } catch (error) {
      fail(error);
    }
  });
}

/** Turns an expected errno into a value. */
export async function unless<T, U>(errno: string, instead: U, work: Promise<T>): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === errno) return instead;
    throw error;
  }
}

export type Fresh = { readonly mode: number; readonly exclusive: boolean; readonly named: string };

/** For writing, empty; `exclusive` = fails when it is there, `named` = what faults call it. */
export function openFresh(path: string, { mode, exclusive, named }: Fresh): Promise<number> {
  return diskCall('write', named, (done) => fs.open(path, exclusive ? 'wx' : 'w', mode, done));
}

/** For reading and writing; made when it is not there. */
export function openForUpdate(path: string): Promise<number> {
  return diskCall('open', path, (done) => fs.open(path, O_RDWR | O_CREAT, FILE_MODE, done));
}

export function openForRead(path: string): Promise<number> {
  return diskCall('open', path, (done) => fs.open(path, O_RDONLY, done));
}

export function closeFile(fd: number, path: string): Promise<void> {
  return diskCall<void>('close', path, (done) => fs.close(fd, (error) => done(error ?? null)));
}

/** Of a file that has its name: nothing is deleted by it, so it is short. */
export function closeNamed(fd: number, path: string): Promise<void> {
  return diskCall<void>(
    'close',
    path,
    (done) => fs.close(fd, (error) => done(error ?? null)),
    () => fs.closeSync(fd),
  );
}

/** `named` = what faults call it. */
export function setMode(path: string, mode: number, named: string): Promise<void> {
  return diskCall<void>('set the mode of', named, (done) => fs.chmod(path, mode, (error) => done(error)));
}

export function truncateFile(fd: number, length: number, path: string): Promise<void> {
  return diskCall<void>('resize', path, (done) => fs.ftruncate(fd, length, (error) => done(error ?? null)));
}

/** Sets the time of last change, in whole seconds since 1970. */
export function setChangeTime(fd: number, seconds: number, path: string): Promise<void> {
  return diskCall<void>('set the time of', path, (done) =>
    fs.futimes(fd, seconds, seconds, (error) => done(error ?? null)),
  );
}

/** Resolves when what was written before has reached the disk itself. */
export function syncOpenFile(fd: number, path: string): Promise<void> {
  return diskCall<void>('sync', path, (done) => fs.fdatasync(fd, (error) => done(error ?? null)));
}

export async function syncFile(path: string): Promise<void> {
  const fd = await openForRead(path);
  try {
    await syncOpenFile(fd, path);
  } finally {
    await closeFile(fd, path);
  }
}

/**
 * Synchronous on purpose: of an open file the kernel answers from memory in some microseconds, and no other step of ours
 * can come between the look and what is concluded from it.
 */
export function stampOf(fd: number, path: string): Stamp {
  try {
    return toStamp(fs.fstatSync(fd, { bigint: true }));
  } catch (error) {
    throw diskFault(error, 'look at', path);
  }
}

/** Of the file with this name now; undefined when there is none. */
export async function stampAt(path: string): Promise<Stamp | undefined> {
  const stat = diskCall<fs.BigIntStats>('look at', path, (done) => fs.stat(path, { bigint: true }, done));
  const found = await unless('ENOENT', undefined, stat);
  return found === undefined ? undefined : toStamp(found);
}

function toStamp(stat: fs.BigIntStats): Stamp {
  const { size, mtimeNs, ctimeNs, ino, dev, nlink, mode } = stat;
  return { size, mtimeNs, ctimeNs, ino, dev, links: nlink, mode };
}

export type FileKind = 'file' | 'folder' | 'link' | 'other';

/** What stands under this name itself (a symbolic link is not followed); undefined when nothing does. */
export async function kindOf(path: string): Promise<FileKind | undefined> {
  const stat = diskCall<fs.Stats | undefined>(
    'look at',
    path,
    (done) => fs.lstat(path, done),
    () => fs.lstatSync(path, { throwIfNoEntry: false }),
  );
  const found = await unless('ENOENT', undefined, stat);
  if (found === undefined) return undefined;
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'folder';
  return found.isSymbolicLink() ? 'link' : 'other';
}

export type FreeSpace = { readonly bavail: number; readonly bsize: number };

/** Blocks that an ordinary user may still take on the file system of `path`. */
export function freeSpace(path: string): Promise<FreeSpace> {
  return diskCall<fs.StatsFs>(
    'look at',
    path,
    (done) => fs.statfs(path, done),
    () => fs.statfsSync(path),
  );
}

/** With all folders above it. */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    makeFolders(path, mode);
  } catch (error) {
    throw diskFault(error, 'make', path);
  }
}

/** False when there is one of that name already; the folder above it must be there. */
export async function makeNewFolder(path: string): Promise<boolean> {
  const made = diskCall<void>('make', path, (done) => fs.mkdir(path, (error) => done(error))).then(() => true);
  return unless('EEXIST', false, made);
}

/** Names in a folder; none when it is not there. */
export function listFolder(path: string): Promise<readonly string[]> {
  return unless(
    'ENOENT',
    [],
    diskCall<string[]>('list', path, (done) => fs.readdir(path, done)),
  );
}

/** With all that is in it; nothing happens when it is not there. */
export function removeTree(path: string): Promise<void> {
  return diskCall<void>('remove', path, (done) =>
    fs.rm(path, { recursive: true, force: true }, (error) => done(error)),
  );
}

/** Where a symbolic link leads; the path itself when nothing is there yet. */
export function realPathOf(path: string): Promise<string> {
  return unless(
    'ENOENT',
    path,
    diskCall<string>('look at', path, (done) => fs.realpath(path, done)),
  );
}

/** Nothing happens when it is not there. */
export async function removeFile(path: string): Promise<void> {
  await unless(
    'ENOENT',
    undefined,
    diskCall<void>('remove', path, (done) => fs.unlink(path, (error) => done(error))),
  );
}

export function removeEmptyFolder(path: string): Promise<void> {
  return diskCall<void>('remove', path, (done) => fs.rmdir(path, (error) => done(error)));
}

/** Replaces a file of that name in one atomic step. */
export function rename(from: string, to: string): Promise<void> {
  return diskCall<void>('write', to, (done) => fs.rename(from, to, (error) => done(error)));
}

/** Adds to the end of a small file, which is made when it is not there. */
export function appendText(path: string, text: string): Promise<void> {
  return diskCall<void>('write', path, (done) => fs.appendFile(path, text, (error) => done(error)));
}

/** The whole of a small file; undefined when it is not there. */
export function readSmall(path: string): Promise<Buffer | undefined> {
  return unless(
    'ENOENT',
    undefined,
    diskCall<Buffer>('read', path, (done) => fs.readFile(path, done)),
  );
}

/** Undefined when it is not there or no JSON. */
export async function loadJson(path: string): Promise<unknown> {
  const bytes = await readSmall(path);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // What cannot be read is as good as not there: its owner makes it anew.
    return undefined;
  }
}

/**
 * The text of a file that is made once, readable by its owner alone. Two processes that start at once agree on what the
 * first one wrote.
 */
export async function saveOnce(path: string, text: string): Promise<string> {
  const made = diskCall<void>('write', path, (done) =>
    fs.writeFile(path, `${text}\n`, { flag: 'wx', mode: SECRET_MODE }, (error) => done(error)),
  );
  await unless('EEXIST', undefined, made);
  return (await readSmall(path))?.toString('utf8').trim() ?? '';
}
