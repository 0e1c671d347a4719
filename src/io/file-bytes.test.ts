import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { closeFile, errnoOf, openForRead, openForUpdate } from './disk.ts';
import { readAt, writeAt } from './file-bytes.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragonfly-bytes-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it.each([0, 1, 128 * 1024, 512 * 1024, 512 * 1024 + 1, 1_300_000])('%i bytes come back as they were', async (size) => {
  const data = Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251));
  const fd = await openForUpdate(path);
  await writeAt(fd, data, 7, path);
  const into = Buffer.alloc(size + 10);
  expect(await readAt(fd, into, 7, path)).toBe(size);
  expect(into.subarray(0, size).equals(data)).toBe(true);
  await closeFile(fd, path);
});

it('lets others have their turn between the parts of a large write', async () => {
  const fd = await openForUpdate(path);
  const order: string[] = [];
  const written = writeAt(fd, Buffer.alloc(6 * 1024 * 1024), 0, path).then(() => order.push('written'));
  setImmediate(() => order.push('turn'));
  await written;
  expect(order).toEqual(['turn', 'written']);
  await closeFile(fd, path);
});

it.each([10, 1024 * 1024])('what cannot be done with %i bytes is told as a fault', async (size) => {
  await closeFile(await openForUpdate(path), path);
  const fd = await openForRead(path);
  expect(errnoOf(await writeAt(fd, Buffer.alloc(size), 0, path).catch((error: unknown) => error))).toBe('EBADF');
  await closeFile(fd, path);
  const dir = await openForRead(folder);
  expect(errnoOf(await readAt(dir, Buffer.alloc(size), 0, folder).catch((error: unknown) => error))).toBe('EISDIR');
  await closeFile(dir, folder);
});
