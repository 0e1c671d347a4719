/**
 * Reading and writing open files at a position. What the kernel takes or gives from its memory is done in the calling thread, half a
 * megabyte per call: a turn of the thread pool for the same costs up to half of the copy in CPU, and a writer twice. Invariant: the
 * calling thread waits for no disk but to find out that it is slow; then all goes to the pool for a while.
 */
import fs from 'node:fs';
import { diskCall, diskFault } from './disk.ts';
import { Promptness } from './promptness.ts';

/** Copied in some 200 µs. */
const PORTION_BYTES = 512 * 1024;
/** So much is written before others have their turn: what takes several turns stays in memory for longer. */
const TURN_BYTES = 4 * PORTION_BYTES;
/** So much goes into the page cache in some 30 µs. */
const SMALL_BYTES = 128 * 1024;

/** Each kind for itself, or one that is prompt would speak for another one. */
const reads = new Promptness();
const writes = new Promptness();
const smallWrites = new Promptness();

/** A write of so many bytes is done in this thread, which does nothing else meanwhile. */
export function writesHere(bytes: number): boolean {
  return promptnessFor(bytes).here;
}

function promptnessFor(bytes: number): Promptness {
  return bytes <= SMALL_BYTES ? smallWrites : writes;
}

/** Fills `into` from `position` on; less only at the end of the file. Returns the bytes read. */
export async function readAt(fd: number, into: Uint8Array, position: number, path: string): Promise<number> {
  let read = 0;
  while (read < into.length) {
    const [at, left] = [read, into.length - read];
    const got =
      left <= PORTION_BYTES && reads.here
        ? readHere(() => fs.readSync(fd, into, at, left, position + at), path)
        : await diskCall<number>('read', path, (done) => fs.read(fd, into, at, left, position + at, done));
    if (got === 0) break;
    read += got;
  }
  return read;
}

function readHere(work: () => number, path: string): number {
  try {
    return reads.run(work);
  } catch (error) {
    throw diskFault(error, 'read', path);
  }
}

/**
 * Writes all of `data`, a portion at a time, others having their turn now and then: one call with megabytes makes the kernel look for page
 * cache in huge blocks, which cost a virtual machine ten times the CPU of the write itself, and leaves no CPU cache for its user.
 */
export function writeAt(fd: number, data: Uint8Array, position: number, path: string): Promise<void> {
  const promptness = promptnessFor(data.length);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(diskFault(error, 'write', path));
    const wrote = (at: number): void => {
      if (at >= data.length) resolve();
      else if (promptness.here && at % TURN_BYTES === 0) setImmediate(write, at);
      else write(at);
    };
    const write = (at: number): void => {
      const bytes = Math.min(PORTION_BYTES, data.length - at);
      if (!promptness.here) {
        fs.write(fd, data, at, bytes, position + at, (error, written) => (error ? fail(error) : wrote(at + written)));
        return;
      }
      let written: number;
      try {
        written = promptness.run(() => fs.writeSync(fd, data, at, bytes, position + at));
      } catch (error) {
        fail(error);
        return;
      }
      wrote(at + written);
    };
    write(0);
  });
}
