/**
 * Where the content will appear. Everything that can be known before a byte moves is checked here, so that a download
 * does not fail at its end for a reason that stood at its beginning.
 */
import type { Stats } from 'node:fs';
import { makeFolders } from '../io/folders.ts';
import { Fault } from '../protocol/faults.ts';

const { accessSync, constants, realpathSync, rmdirSync, statSync } = process.getBuiltinModule('node:fs');
const { basename, dirname, join, resolve } = process.getBuiltinModule('node:path');

export type Output = {
  /** Absolute; symbolic links resolved, so that the content replaces what a link names and not the link. */
  readonly path: string;
  /** Removes the folders that were made for it, where nothing came of it. */
  undo(): void;
};

/** Checks and makes the way to `output`, or to the name in `url` when there is none. Faults: usage, local-io. */
export function prepareOutput(url: URL, output: string | undefined, folder: string): Output {
  const path = output === undefined || output === '' ? join(folder, nameFrom(url)) : resolve(folder, output);
  if (output?.endsWith('/')) throw isDirectory(path);
  const found = stat(path);
  if (found?.isDirectory()) throw isDirectory(path);
  if (found !== undefined && !found.isFile())
    throw new Fault('local-io', `${path} is not a regular file; name another --output`);
  const real = found === undefined ? path : realpathSync(path);
  const made = makeFolder(dirname(real));
  return { path: real, undo: () => removeFolders(dirname(real), made) };
}

/** The last segment of the URL's path, decoded where that is a file name. */
export function nameFrom(url: URL): string {
  const last = basename(url.pathname);
  const name = decoded(last);
  if (last === '' || name === '.' || name === '..')
    throw new Fault('usage', `${url.host}${url.pathname} has no file name at its end; give one with --output`);
  return name;
}

function decoded(text: string): string {
  try {
    const name = decodeURIComponent(text);
    return /[/\0]/.test(name) ? text : name;
  } catch {
    return text; // not percent-encoded UTF-8: the name as it stands is as good as any
  }
}

function isDirectory(path: string): Fault {
  return new Fault('local-io', `${path} is a directory; give --output a file name in it`);
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') throw new Fault('local-io', `a part of the path ${path} is not a directory`);
    throw new Fault('local-io', `${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Returns the first folder that had to be made. */
function makeFolder(folder: string): string | undefined {
  try {
    const made = makeFolders(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
    return made;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'is not writable' : `cannot be made (${code})`;
    throw new Fault('local-io', `the folder ${folder} ${why}; choose another --output`, { cause: error });
  }
}

function removeFolders(last: string, first: string | undefined): void {
  if (first === undefined) return;
  try {
    for (let folder = last; folder.length >= first.length; folder = dirname(folder)) rmdirSync(folder);
  } catch {
    // somebody has put something in there meanwhile: then it stays
  }
}
