/**
 * Small files, written in one go: made anew, or replaced in one atomic step. To make or to rename a file is the thread pool's, because it may
 * wait for others; what lies between is short and done as `file-bytes.ts` does it. So a file costs one turn of the pool, where Node's writeFile
 * takes three, and each of them as much as the write itself.
 */
import { closeNamed, openFresh, removeFile, rename, setMode, syncOpenFile } from './disk.ts';
import { writeAt } from './file-bytes.ts';

/** The process's umask is taken off by the kernel. */
const FILE_MODE = 0o644;

export type WholeFile = {
  readonly mode?: number;
  /** Nothing may stand under the name. */
  readonly exclusive?: boolean;
  /** Resolves when the disk has it. */
  readonly sync?: boolean;
  /** What faults call it; default: its path. */
  readonly named?: string;
};

/** Replaces what stands there. Who reads meanwhile, and who comes after a killed process, finds a part of it. */
export async function writeWhole(path: string, data: string | Uint8Array, how: WholeFile = {}): Promise<void> {
  const { mode = FILE_MODE, exclusive = false, sync = false, named = path } = how;
  const fd = await openFresh(path, { mode, exclusive, named });
  let closing: Promise<void> | undefined;
  try {
    await writeAt(fd, typeof data === 'string' ? Buffer.from(data) : data, 0, named);
    if (sync) await syncOpenFile(fd, named);
    closing = closeNamed(fd, named);
    await closing;
  } catch (error) {
    // The first error is the one to tell.
    if (closing === undefined) await closeNamed(fd, named).catch(() => undefined);
    throw error;
  }
}

/**
 * All or nothing for a reader and for a killed process; nothing is promised for a power cut. Two saves of one path must
 * not run at the same time. The bytes go to `path.new` first. With a `mode` the file has exactly that one from its first
 * byte on, whatever stood at `path.new` before.
 */
export async function saveAtomically(path: string, data: string | Uint8Array, mode?: number): Promise<void> {
  const fresh = `${path}.new`;
  try {
    if (mode === undefined) await writeWhole(fresh, data);
    else {
      await removeFile(fresh);
      await writeWhole(fresh, data, { mode, exclusive: true });
      await setMode(fresh, mode, path);
    }
    await rename(fresh, path);
  } catch (error) {
    // A half of it would only take the space that is short; the first error is the one to tell.
    await removeFile(fresh).catch(() => undefined);
    throw error;
  }
}

export function saveJson(path: string, value: unknown): Promise<void> {
  return saveAtomically(path, jsonText(value));
}

/** Where nothing stands, and half of it is as good as nothing: without the second name, and the file that is deleted with it. */
export function saveNewJson(path: string, value: unknown): Promise<void> {
  return writeWhole(path, jsonText(value));
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
