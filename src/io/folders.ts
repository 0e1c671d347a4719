/**
 * Makes a folder and those above it. Not `recursive` of node:fs: Node 26 tries for ever where a file system lets nobody
 * make a folder (/proc). Synchronous, because it is a few system calls, once per home or output.
 */
const { mkdirSync, statSync } = process.getBuiltinModule('node:fs');
const { dirname } = process.getBuiltinModule('node:path');

/** Returns the first folder that had to be made. Throws the system's error. */
export function makeFolders(path: string, mode?: number): string | undefined {
  if (isFolder(path)) return undefined;
  const above = dirname(path);
  const first = above === path ? undefined : makeFolders(above, mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    // Another process may have made it just now.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(path)) throw error;
    return first;
  }
  return first ?? path;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
