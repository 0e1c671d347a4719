/**
 * Makes a file appear under another name in one atomic step. A reflink shares the blocks and copies on write, a hard link
 * shares the file, a copy is made by the kernel; in no case do the bytes pass through this process.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../protocol/faults.ts';
import { diskCall, errnoOf, kindOf, removeFile, rename, type Stamp, setMode, stampAt, syncFile } from './disk.ts';
import type { FreshFiles } from './fresh-files.ts';
import { writeWhole } from './whole-file.ts';

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = fs.constants;
const OUTPUT_MODE = 0o644;
const MAX_REMEMBERED_FOLDERS = 256;

export type HandOverWay = 'reflink' | 'link' | 'copy';

export type HandOverRequest = {
  readonly from: string;
  /** Makes the file beside its place. */
  readonly fresh: FreshFiles;
  readonly to: string;
  /** Only copy (which may still share blocks where the file system can). */
  readonly copy: boolean;
  /** A hard link would show a wrong mode or be one too many: reflink or copy. */
  readonly noLink: boolean;
  readonly sync: boolean;
  /** Called when the file has been made under a temporary name; throwing stops the hand-over. */
  readonly check: (made: Stamp, way: HandOverWay) => void;
};

/** The file system, or the pair of them, cannot do it; anything else is a real error. */
const CANNOT = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'EPERM', 'EMLINK']);

/** Folders of destinations where a reflink was refused: trying again would cost a file made and removed each time. */
const withoutReflink = new Set<string>();

export async function handOverFile(request: HandOverRequest): Promise<HandOverWay> {
  const { to } = request;
  const standing = await checkPlace(to);
  return request.fresh.use(to, async (fresh) => {
    const way = await make(request, fresh);
    const made = await stampAt(fresh);
    if (made === undefined) throw new Fault('local-io', `cannot write ${to}: somebody removed it while it was made`);
    request.check(made, way);
    if (request.sync) await syncFile(fresh);
    await rename(fresh, to);
    // Renaming one link of a file over another of the same file does nothing at all, and both names stay.
    if (way === 'link' && (standing || made.links > 2n)) await removeFile(fresh);
    return way;
  });
}

export type HandOverBytes = { readonly fresh: FreshFiles; readonly to: string; readonly sync: boolean };

/** The same for bytes in memory. */
export async function handOverBytes(bytes: Uint8Array, { fresh: files, to, sync }: HandOverBytes): Promise<void> {
  await checkPlace(to);
  await files.use(to, async (fresh) => {
    await writeWhole(fresh, bytes, { mode: OUTPUT_MODE, exclusive: true, sync, named: to });
    await rename(fresh, to);
  });
}

/** True when something stands there, which is going to be replaced. */
async function checkPlace(to: string): Promise<boolean> {
  const kind = await kindOf(to);
  if (kind === 'folder') throw new Fault('local-io', `cannot write ${to}: it is a folder; give the name of a file`);
  if (kind === 'other') throw new Fault('local-io', `cannot write ${to}: it is no plain file; give another name`);
  return kind !== undefined;
}

async function make(request: HandOverRequest, fresh: string): Promise<HandOverWay> {
  const { from, to } = request;
  const folder = dirname(to);
  if (!request.copy && !withoutReflink.has(folder)) {
    if (await attempt(copy(from, fresh, to, COPYFILE_FICLONE_FORCE))) {
      await setMode(fresh, ownMode(), to);
      return 'reflink';
    }
    if (withoutReflink.size >= MAX_REMEMBERED_FOLDERS) withoutReflink.clear();
    withoutReflink.add(folder);
  }
  if (!request.copy && !request.noLink) {
    if (await attempt(diskCall<void>('write', to, (done) => fs.link(from, fresh, (error) => done(error)))))
      return 'link';
  }
  await copy(from, fresh, to, COPYFILE_FICLONE);
  await setMode(fresh, ownMode(), to);
  return 'copy';
}

/** False when it cannot be done in this way at all. */
async function attempt(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (CANNOT.has(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** A file of our own with the bytes of `from`, sharing the blocks where the file system can. `to` must not be there. */
export async function copyFile(from: string, to: string): Promise<void> {
  await copy(from, to, to, COPYFILE_FICLONE);
  await setMode(to, ownMode(), to);
}

function copy(from: string, fresh: string, to: string, how: number): Promise<void> {
  return diskCall<void>('write', to, (done) => fs.copyFile(from, fresh, how | COPYFILE_EXCL, (error) => done(error)));
}

let umask: number | undefined;

/** Mode of a file that this process makes; a copy would have that of what it was made from, which its users may have changed. */
export function ownMode(): number {
  umask ??= process.umask();
  return OUTPUT_MODE & ~umask;
}
