import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FreeSpace } from '../io/disk.ts';
import { bytesOf, idOf, META, PIECE, putAll, putPiece, readAll, shapeOf } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';

const A = idOf('a');
const B = idOf('b');
const BYTES = bytesOf(2 * PIECE);

/** A disk of so many pieces, of which the store's data files are counted. */
async function withDisk(pieces: number, minFreeBytes = 0): Promise<DiskHome> {
  const statfs = async (): Promise<FreeSpace> => {
    const used = home.store.list().reduce((total, content) => total + content.resident.bytes, 0);
    return { bavail: pieces - used / PIECE, bsize: PIECE };
  };
  const home: DiskHome = await DiskHome.make({ statfs, minFreeBytes, marks: { youngBytes: 0, fullBytes: 0 } });
  return home;
}

async function filled(home: DiskHome, id: typeof A) {
  const content = await home.store.create(id, shapeOf(BYTES.length), META);
  content.acquire();
  await putAll(content, BYTES);
  home.clock.advance(1000);
  content.release();
  return content;
}

test('a content that the disk has no room for is refused before a byte moves', async () => {
  await using home = await withDisk(3);
  await expect(home.store.create(A, shapeOf(4 * PIECE), META)).rejects.toMatchObject({
    code: 'no-space',
    message: expect.stringMatching(/no room for 0\.5 MiB more: the disk is 0\.2 MiB short|0\.1/),
  });
  expect(home.store.list()).toEqual([]);
});

test('some of the disk stays free for others', async () => {
  await using home = await withDisk(3, PIECE);
  await expect(home.store.create(A, shapeOf(3 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
  await home.store.create(A, shapeOf(2 * PIECE), META);
});

test('idle contents are evicted for room on the disk, and only as many as it takes', async () => {
  await using home = await withDisk(5);
  await filled(home, A);
  await filled(home, B);
  await home.store.create(idOf('c'), shapeOf(3 * PIECE), META);
  expect(home.evicted).toEqual([A]);
  expect(home.store.find(B)).toBeDefined();
});

test('nothing is evicted when that would not help', async () => {
  await using home = await withDisk(5);
  await filled(home, A);
  await expect(home.store.create(idOf('c'), shapeOf(9 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
  expect(home.evicted).toEqual([]);
});

test('a content whose file a user has as well is not evicted for room: it would free nothing', async () => {
  await using home = await withDisk(5);
  const a = await filled(home, A);
  await filled(home, B);
  if ((await a.handOver(home.out(), {})) !== 'link') return;
  await home.store.create(idOf('c'), shapeOf(2 * PIECE), META);
  expect(home.evicted).toEqual([B]);
  await rm(home.out());
  home.clock.advance(60_000);
  await home.store.create(idOf('d'), shapeOf(4 * PIECE), META);
  expect(home.evicted).toEqual([B, A]);
});

test('a running content has its room even after what others took', async () => {
  await using home = await withDisk(5);
  const a = await home.store.create(A, shapeOf(3 * PIECE), META);
  a.acquire();
  const bytes = bytesOf(3 * PIECE);
  await putPiece(a, bytes, 0);
  await expect(home.store.create(B, shapeOf(3 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
  await home.store.create(B, shapeOf(2 * PIECE), META);
  // Its own promise is not counted against itself.
  await home.store.create(A, shapeOf(3 * PIECE), META);
  a.release();
});

test('an evicted content is gone from the disk too', async () => {
  await using home = await withDisk(2);
  const a = await filled(home, A);
  await filled(home, B);
  expect(home.evicted).toEqual([A]);
  await expect(readFile(home.path(A, 'data'))).rejects.toThrow('ENOENT');
  await expect(a.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
  expect((await home.reopen()).list()).toHaveLength(1);
});

test('the user keeps the output of an evicted content', async () => {
  await using home = await DiskHome.make();
  const a = await filled(home, A);
  await a.handOver(home.out(), {});
  home.clock.advance(60_000);
  expect(await home.store.keep({ expireMs: 10_000 })).toEqual([A]);
  expect(home.evicted).toEqual([A]);
  expect(await readFile(home.out())).toEqual(BYTES);
});

describe.runIf(process.platform === 'linux')('a failing disk', () => {
  /** Puts a device in the place of one of the content's files, which the next use will open. */
  async function replace(home: DiskHome, name: string, device: string): Promise<void> {
    await rm(home.path(A, name), { force: true });
    await symlink(device, home.path(A, name));
    // With one file open at most, this one is closed when another is used.
    await filled(home, idOf('other'));
  }

  test('a full disk while data is written is told, and what was verified stays', async () => {
    await using home = await DiskHome.make({ maxOpenFiles: 1 });
    const a = await home.store.create(A, shapeOf(BYTES.length), META);
    await a.made;
    await replace(home, 'data', '/dev/full');
    await expect(putPiece(a, BYTES, 0)).rejects.toMatchObject({
      code: 'no-space',
      message: expect.stringContaining('no space left'),
    });
    expect(a.held.count).toBe(0);
    await rm(home.path(A, 'data'));
    await filled(home, B);
    await putAll(a, BYTES);
    expect(await readAll(a, BYTES.length)).toEqual(BYTES);
  });

  test('a full disk while the journal is written leaves the piece not held', async () => {
    await using home = await DiskHome.make({ maxOpenFiles: 1 });
    const a = await home.store.create(A, shapeOf(BYTES.length), META);
    await putPiece(a, BYTES, 0);
    const journal = await readFile(home.path(A, 'journal'));
    await replace(home, 'journal', '/dev/full');
    await expect(putPiece(a, BYTES, 1)).rejects.toMatchObject({ code: 'no-space' });
    expect([...a.held]).toEqual([0]);
    await rm(home.path(A, 'journal'));
    await writeFile(home.path(A, 'journal'), journal);
    await filled(home, B);
    await putPiece(a, BYTES, 1);
    expect((await home.crash()).find(A)?.complete).toBe(true);
  });

  test('a bad sector is a lost piece', async () => {
    await using home = await DiskHome.make({ maxOpenFiles: 1 });
    const a = await home.store.create(A, shapeOf(BYTES.length), META);
    await putAll(a, BYTES);
    const lost: number[] = [];
    a.onLost((pieces) => lost.push(...pieces));
    // Reading a process's memory at address 0 is an input/output error.
    await replace(home, 'data', '/proc/self/mem');
    await expect(a.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
    expect(lost).toEqual([0]);
    expect(home.faults.at(-1)).toMatchObject({ code: 'local-io', message: expect.stringContaining('the disk failed') });
    await a.verify();
    expect(lost).toEqual([0, 1]);
  });

  test('a hand-over onto a full disk is told and leaves nothing', async () => {
    await using home = await DiskHome.make();
    const a = await filled(home, A);
    const other = await mkdtemp('/dev/shm/dragonfly-').catch(() => undefined);
    if (other === undefined) return;
    try {
      // Another file system: only a copy can do.
      expect(await a.handOver(join(other, 'out'), {})).toBe('copy');
      expect(await readFile(join(other, 'out'))).toEqual(BYTES);
    } finally {
      await rm(other, { recursive: true });
    }
  });
});
