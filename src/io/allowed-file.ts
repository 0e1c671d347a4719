/**
 * A file of this machine that may be read because its folder is on a list. What is not below one of these folders, or is
 * reached by a symbolic link inside them, is refused, and the answer does not tell whether it is there. Invariant: the descriptor
 * is of the very file that was checked.
 */
import fs from 'node:fs';
import { sep } from 'node:path';
import { Fault } from '../protocol/faults.ts';
import { closeFile, diskCall, errnoOf, type Stamp, stampAt, stampOf } from './disk.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;

export type AllowedFile = { readonly fd: number; readonly path: string; readonly stamp: Stamp };

/** `path` is absolute and normal. Faults: source-refused with status 403 or 404. The caller closes it. */
export async function openAllowed(path: string, roots: readonly string[]): Promise<AllowedFile> {
  const place = await placeBelow(path, roots);
  try {
    // A pipe must not make us wait for its other end.
    const fd = await diskCall<number>('open', place, (done) =>
      fs.open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, done),
    );
    try {
      return await checked(fd, place);
    } catch (error) {
      await closeFile(fd, place);
      throw error;
    }
  } catch (error) {
    if (error instanceof Fault && error.code === 'source-refused') throw error;
    const errno = errnoOf(error);
    throw refused(errno === 'ENOENT' || errno === 'ENOTDIR' ? 404 : 403, path, error);
  }
}

/** The same path below the folder's real place. */
async function placeBelow(path: string, roots: readonly string[]): Promise<string> {
  for (const root of roots) {
    const folder = root.endsWith(sep) ? root : `${root}${sep}`;
    if (!path.startsWith(folder)) continue;
    const real = await diskCall<string>('look at', root, (done) => fs.realpath(root, done));
    return `${real === sep ? '' : real}${sep}${path.slice(folder.length)}`;
  }
  throw refused(403, path);
}

async function checked(fd: number, place: string): Promise<AllowedFile> {
  const stamp = stampOf(fd, place);
  const real = await diskCall<string>('look at', place, (done) => fs.realpath(place, done));
  const now = await stampAt(real);
  const same = real === place && now?.ino === stamp.ino && now.dev === stamp.dev;
  if (!same || (stamp.mode & BigInt(fs.constants.S_IFMT)) !== BigInt(fs.constants.S_IFREG)) throw refused(403, place);
  return { fd, path: place, stamp };
}

function refused(status: 403 | 404, path: string, cause?: unknown): Fault {
  const why = status === 404 ? 'is not there' : 'is not in a folder that the supernode may read, or is no plain file';
  return new Fault('source-refused', `file://${path} ${why}`, { sourceStatus: status, cause });
}
