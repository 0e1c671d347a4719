/**
 * A machine that has been up for a while has no free memory: what programs leave is page cache. A benchmark that begins on empty memory
 * measures something else. A virtual machine gives free memory back to its host within seconds and pays for each page at its next use:
 * up to 5 CPU seconds per GiB, inside the copy into the page cache, which itself costs 0.2. Whoever runs first, or longer, pays for all.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs';

const READ_BYTES = 1024 * 1024;
/** The kernel keeps about this much free by itself: there is no use in reading on. */
const LEAST_BYTES = 512 * 1024 * 1024;

/**
 * Turns the memory that is free now into page cache that can be dropped at once: by reading a file without blocks at `path`, which
 * must not be there yet, must lie on a disk (not tmpfs) and must stay until the measurement is over. Returns the bytes that
 * it filled; 0 where the system does not tell what is free.
 */
export function fillFreeMemory(path: string): number {
  const free = freeMemory();
  if (free <= LEAST_BYTES) return 0;
  const fd = openSync(path, 'wx+');
  const block = Buffer.alloc(READ_BYTES);
  let at = 0;
  try {
    ftruncateSync(fd, free);
    for (; at < free && freeMemory() > LEAST_BYTES; at += READ_BYTES) readSync(fd, block, 0, READ_BYTES, at);
  } finally {
    closeSync(fd);
  }
  return Math.min(at, free);
}

function freeMemory(): number {
  try {
    return Number(/^MemFree:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
