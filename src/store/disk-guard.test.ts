import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ownMode } from '../io/hand-over.ts';
import { bytesOf, idOf, META, PIECE, putAll, putPiece, readAll, shapeOf, withChange } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';
import type { StoredContent } from './store.ts';

const A = idOf('a');
const BYTES = bytesOf(3 * PIECE + 10);

async function complete(home: DiskHome): Promise<{ content: StoredContent; lost: number[] }> {
  const content = await home.store.create(A, shapeOf(BYTES.length), META);
  const lost: number[] = [];
  content.onLost((pieces) => lost.push(...pieces));
  await putAll(content, BYTES);
  return { content, lost };
}

/** Changes one byte in place, as an editor or a database would. */
async function spoil(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  await file.write(withChange(byte, 0), 0, 1, offset);
  await file.close();
}

test('a hand-over without copy costs no byte: the output is the same file or shares its blocks', async () => {
  await using home = await DiskHome.make();
  const { content } = await complete(home);
  const way = await content.handOver(home.out(), {});
  expect(['link', 'reflink']).toContain(way);
  const output = await stat(home.out());
  if (way === 'link') {
    expect(output.ino).toBe((await stat(home.path(A, 'data'))).ino);
    // A whole second, so that any write after this one shows, however coarse the kernel's clock is.
    expect((await stat(home.out(), { bigint: true })).mtimeNs % 1_000_000_000n).toBe(0n);
  }
  expect(output.mode & 0o777).toBe(ownMode());
});

test('a copy is a file of its own', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  expect(await content.handOver(home.out(), { copy: true })).toBe('copy');
  expect((await stat(home.out())).ino).not.toBe((await stat(home.path(A, 'data'))).ino);
  expect((await stat(home.out())).mode & 0o777).toBe(ownMode());
  await spoil(home.out(), 5);
  expect(await readAll(content, BYTES.length)).toEqual(BYTES);
  expect(lost).toEqual([]);
});

test('an output that is edited in place at once gives no wrong byte away', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  const way = await content.handOver(home.out(), {});
  await spoil(home.out(), PIECE + 1);
  if (way === 'reflink') {
    expect(await readAll(content, BYTES.length)).toEqual(BYTES);
    return;
  }
  await expect(content.read(PIECE, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
  expect(lost).toEqual([1]);
  const rest = Buffer.alloc(PIECE + 10);
  await content.read(2 * PIECE, rest);
  expect(rest).toEqual(BYTES.subarray(2 * PIECE));
});

test('an edit whose author put the modification time back is seen as well', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.handOver(home.out(), {});
  await home.tickAfter(home.path(A, 'data'));
  const data = home.path(A, 'data');
  const { atime, mtime } = await stat(data);
  await spoil(data, 0);
  await utimes(data, atime, mtime);
  expect((await stat(data)).mtimeMs).toBe(mtime.getTime());
  await content.verify();
  expect(lost).toEqual([0]);
});

test('a lost piece that comes again is not written into the file that the user has edited', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.handOver(home.out(), {});
  await link(home.path(A, 'data'), home.out('second')).catch(() => undefined);
  await spoil(home.path(A, 'data'), 2 * PIECE);
  await content.verify();
  expect(lost).toEqual([2]);
  const edited = await readFile(home.out('second'));
  expect(edited).not.toEqual(BYTES);
  await putPiece(content, BYTES, 2);
  expect(await readFile(home.out('second'))).toEqual(edited);
  expect(await readAll(content, BYTES.length)).toEqual(BYTES);
  await content.handOver(home.out(), {});
  expect(await readFile(home.out())).toEqual(BYTES);
  expect(await readFile(home.out('second'))).toEqual(edited);
});

test('deleting the output costs a verification and no piece', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.handOver(home.out(), {});
  await rm(home.out());
  expect(await readAll(content, BYTES.length)).toEqual(BYTES);
  await content.handOver(home.out(), {});
  expect(await readFile(home.out())).toEqual(BYTES);
  expect(lost).toEqual([]);
});

test('bytes that somebody appended to the output are not handed over again', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.handOver(home.out(), {});
  await link(home.path(A, 'data'), home.out('mine')).catch(() => undefined);
  await writeFile(home.out('mine'), 'more', { flag: 'a' });
  await content.handOver(home.out('fresh'), {});
  expect(await readFile(home.out('fresh'))).toEqual(BYTES);
  expect((await stat(home.out('mine'))).size).toBe(BYTES.length + 4);
  expect(lost).toEqual([]);
});

test('an output that was cut loses the pieces behind the cut', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.handOver(home.out(), {});
  const data = await open(home.path(A, 'data'), 'r+');
  await data.truncate(PIECE + 1);
  await data.close();
  await expect(content.handOver(home.out('again'), {})).rejects.toMatchObject({ code: 'peer-lacks' });
  expect(lost).toEqual([1, 2, 3]);
  expect([...content.held]).toEqual([0]);
});

test('a data file that was replaced under our hands is looked at anew', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await writeFile(home.out('other'), withChange(BYTES, 0));
  await rename(home.out('other'), home.path(A, 'data'));
  await expect(content.handOver(home.out(), {})).rejects.toMatchObject({ code: 'peer-lacks' });
  expect(lost).toEqual([0]);
  await putPiece(content, BYTES, 0);
  await content.handOver(home.out(), {});
  expect(await readFile(home.out())).toEqual(BYTES);
});

test('a data file that was moved away and replaced under our hands is not handed over', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await content.verify();
  await rename(home.path(A, 'data'), home.out('moved'));
  await writeFile(home.path(A, 'data'), withChange(BYTES, 2 * PIECE));
  await expect(content.handOver(home.out(), {})).rejects.toMatchObject({ code: 'peer-lacks' });
  expect(lost).toEqual([2]);
});

test('a data file that was deleted under our hands loses all, and the content can be filled again', async () => {
  await using home = await DiskHome.make();
  const { content, lost } = await complete(home);
  await rm(home.path(A, 'data'));
  await content.verify();
  expect(lost).toEqual([0, 1, 2, 3]);
  await putAll(content, BYTES);
  await content.handOver(home.out(), {});
  expect(await readFile(home.out())).toEqual(BYTES);
});

test('an edit after a put of another piece is still seen', async () => {
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(BYTES.length), META);
  await putPiece(content, BYTES, 0);
  await home.tickAfter(home.path(A, 'data'));
  await spoil(home.path(A, 'data'), 0);
  await putPiece(content, BYTES, 1);
  await expect(content.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
  expect([...content.held]).toEqual([1]);
});

test('handing over twice to one name leaves one name', async () => {
  await using home = await DiskHome.make();
  const { content } = await complete(home);
  await mkdir(home.out('dir'));
  await content.handOver(home.out('dir/out'), {});
  await content.handOver(home.out('dir/out'), {});
  expect(await readdir(home.out('dir'))).toEqual(['out']);
});

test('hand-over replaces a symbolic link and touches nothing else that is no plain file', async () => {
  await using home = await DiskHome.make();
  const { content } = await complete(home);
  await writeFile(home.out('target'), 'target');
  await symlink(home.out('target'), home.out('link'));
  await content.handOver(home.out('link'), {});
  expect((await lstat(home.out('link'))).isFile()).toBe(true);
  expect(await readFile(home.out('target'), 'utf8')).toBe('target');
  await mkdir(home.out('dir'));
  await expect(content.handOver(home.out('dir'), {})).rejects.toMatchObject({ code: 'local-io' });
  await symlink('/dev/null', home.out('null'));
  await expect(content.handOver('/dev/null', {})).rejects.toMatchObject({ code: 'local-io' });
  expect((await readdir(home.folder)).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('a link is not given when its mode would be wrong', async () => {
  await using home = await DiskHome.make();
  const { content } = await complete(home);
  const data = await open(home.path(A, 'data'), 'r+');
  await data.chmod(0o600);
  await data.close();
  expect(await content.handOver(home.out(), {})).not.toBe('link');
  expect((await stat(home.out())).mode & 0o777).toBe(ownMode());
});
