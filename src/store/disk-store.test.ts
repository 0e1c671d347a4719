import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, copyFile, link, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sha256 } from '../io/hash.ts';
import { nextTurn } from '../io/turn.ts';
import { bytesOf, idOf, META, PIECE, putAll, putPiece, readAll, shapeOf, withChange } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';
import { RECORD_BYTES } from './journal-format.ts';

const A = idOf('a');

test('all that was put is there after an orderly end', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(3 * PIECE + 5);
  const content = await home.store.create(A, shapeOf(bytes.length), META);
  await putPiece(content, bytes, 3);
  await putPiece(content, bytes, 0);
  await content.annotate({ checkedAt: 7 });
  await home.reopen();
  const found = home.content(A);
  expect(found.shape).toEqual(shapeOf(bytes.length));
  expect(found.meta).toEqual({ ...META, checkedAt: 7 });
  expect([...found.held]).toEqual([0, 3]);
  await putPiece(found, bytes, 1);
  await putPiece(found, bytes, 2);
  expect(await readAll(found, bytes.length)).toEqual(bytes);
});

test('all that was put is there after the process was killed', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(4 * PIECE);
  const content = await home.store.create(A, shapeOf(bytes.length), META);
  await Promise.all([0, 1, 3].map((piece) => putPiece(content, bytes, piece)));
  await home.crash();
  const found = home.content(A);
  expect([...found.held]).toEqual([0, 1, 3]);
  expect(found.digestOf(3)).toEqual(content.digestOf(3));
  await putPiece(found, bytes, 2);
  expect(await readAll(found, bytes.length)).toEqual(bytes);
});

test('a piece can be read while it is written, together with those on disk, and is held when it is there', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(3 * PIECE);
  const content = await home.store.create(A, shapeOf(bytes.length), META);
  await putPiece(content, bytes, 0);
  const puts = [1, 2].map((piece) => putPiece(content, bytes, piece));
  expect([0, 1, 2].map((piece) => content.has(piece))).toEqual([true, true, true]);
  expect([[...content.held], content.digestOf(2)]).toEqual([[0], sha256(bytes.subarray(2 * PIECE))]);
  expect(await readAll(content, bytes.length)).toEqual(bytes);
  await Promise.all(puts);
  expect([...content.held]).toEqual([0, 1, 2]);
  expect(await readAll(content, bytes.length)).toEqual(bytes);
});

test('a content whose folder cannot be made says so when it is written, and is not found again', async () => {
  await using home = await DiskHome.make();
  await mkdir(join(home.root, 'contents'), { recursive: true });
  await writeFile(join(home.root, 'contents', A.slice(0, 2)), 'in the way');
  const bytes = bytesOf(PIECE);
  const content = await home.store.create(A, shapeOf(PIECE), META);
  await expect(putPiece(content, bytes, 0)).rejects.toMatchObject({ code: 'local-io' });
  expect([content.has(0), home.store.find(A)]).toEqual([false, undefined]);
  // Who comes when it was removed already is told the reason all the same.
  await expect.poll(() => content.usage.closed).toBe(true);
  await expect(content.annotate({ pinned: true })).rejects.toMatchObject({ code: 'local-io' });
  await rm(join(home.root, 'contents', A.slice(0, 2)));
  const again = await home.store.create(A, shapeOf(PIECE), META);
  await putPiece(again, bytes, 0);
  expect(await readAll(again, PIECE)).toEqual(bytes);
});

test('a process killed while it puts leaves no piece that is not right', async () => {
  await using home = await DiskHome.make();
  await home.store.close();
  const script = fileURLToPath(new URL('./put-for-ever.fixture.ts', import.meta.url));
  const child = spawn(process.execPath, [script, home.root], { stdio: ['ignore', 'pipe', 'inherit'] });
  // It prints a dot after every put.
  let dots = 0;
  for await (const chunk of child.stdout) {
    dots += chunk.length;
    if (dots >= 20) break;
  }
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const store = await home.open();
  const lost: number[] = [];
  let held = 0;
  for (const content of store.list()) {
    content.onLost((pieces) => lost.push(...pieces));
    held += content.held.count;
    await content.verify();
  }
  expect(held).toBeGreaterThanOrEqual(20);
  expect(lost).toEqual([]);
}, 30_000);

test('a length that became known is there after the process was killed', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(PIECE + 9);
  const content = await home.store.create(A, shapeOf(null), META);
  await putAll(content, bytes);
  await home.crash();
  const before = home.content(A);
  expect(before.shape.length).toBeNull();
  expect([...before.held]).toEqual([0, 1]);
  await before.reshape(shapeOf(bytes.length));
  await home.crash();
  const after = home.content(A);
  expect(after.complete).toBe(true);
  expect(await readAll(after, bytes.length)).toEqual(bytes);
});

test('a torn tail of the journal costs its record only, and stays cut off', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(4 * PIECE);
  const content = await home.store.create(A, shapeOf(bytes.length), META);
  for (const piece of [0, 1, 2]) await putPiece(content, bytes, piece);
  await home.store.close();
  const journal = home.path(A, 'journal');
  const size = (await stat(journal)).size;
  const torn = await readFile(journal);
  torn[size - 2 * RECORD_BYTES + 3] = 255;
  await writeFile(journal, torn);
  await home.open();
  const found = home.content(A);
  expect([...found.held]).toEqual([0]);
  await putPiece(found, bytes, 3);
  await home.store.close();
  await truncate(journal, (await stat(journal)).size - 5);
  await home.open();
  expect([...home.content(A).held]).toEqual([0]);
  await home.store.close();
  await appendFile(journal, Buffer.alloc(3 * RECORD_BYTES));
  await home.open();
  const again = home.content(A);
  for (const piece of [1, 2, 3]) await putPiece(again, bytes, piece);
  await home.crash();
  expect(home.content(A).complete).toBe(true);
});

test('a content that is not whole enough to be understood is removed and told', async () => {
  await using home = await DiskHome.make();
  for (const name of ['a', 'b', 'c', 'd', 'e']) await home.store.create(idOf(name), shapeOf(PIECE), META);
  await home.store.close();
  await rm(home.path(idOf('a'), 'meta.json'));
  await writeFile(home.path(idOf('b'), 'meta.json'), '{"url":1}');
  await rm(home.path(idOf('c'), 'journal'));
  await writeFile(
    home.path(idOf('d'), 'journal'),
    'dfly and then nothing of sense, but more than sixty-four bytes of it',
  );
  await mkdir(join(home.root, 'contents', 'zz'));
  await home.open();
  expect(home.store.list().map((content) => content.id)).toEqual([idOf('e')]);
  expect(home.faults).toHaveLength(4);
  await expect(stat(dirname(home.path(idOf('a'), 'x')))).rejects.toThrow('ENOENT');
});

test('a store that another version wrote is not touched', async () => {
  await using home = await DiskHome.make();
  await home.store.close();
  await writeFile(join(home.root, 'VERSION'), '2\n');
  await expect(home.open()).rejects.toMatchObject({ code: 'store-version' });
  await rm(join(home.root, 'VERSION'));
  await mkdir(join(home.root, 'contents', 'aa'), { recursive: true });
  await expect(home.open()).rejects.toMatchObject({ code: 'store-version' });
});

test('a store is used by one process at a time', async () => {
  await using home = await DiskHome.make();
  await expect(home.open()).rejects.toMatchObject({ code: 'local-io', message: expect.stringContaining('uses it') });
});

test('pieces found at start are hashed before their first byte goes out, and bad ones are dropped for good', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(3 * PIECE);
  await putAll(await home.store.create(A, shapeOf(bytes.length), META), bytes);
  await home.store.close();
  await writeFile(home.path(A, 'data'), withChange(bytes, PIECE + 100));
  await home.open();
  const found = home.content(A);
  const lost: number[] = [];
  found.onLost((pieces) => lost.push(...pieces));
  expect(found.complete).toBe(true);
  const into = Buffer.alloc(10);
  await found.read(0, into);
  expect(into).toEqual(bytes.subarray(0, 10));
  // Not even the part of the piece that is right.
  await expect(found.read(PIECE, into)).rejects.toMatchObject({ code: 'peer-lacks' });
  expect(lost).toEqual([1]);
  expect([...found.held]).toEqual([0, 2]);
  await home.reopen();
  expect([...home.content(A).held]).toEqual([0, 2]);
});

test('a data file that is gone or too short loses its pieces, not the content', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(2 * PIECE);
  for (const name of ['a', 'b']) await putAll(await home.store.create(idOf(name), shapeOf(bytes.length), META), bytes);
  await home.store.close();
  await rm(home.path(idOf('a'), 'data'));
  await truncate(home.path(idOf('b'), 'data'), PIECE + 1);
  await home.open();
  const [a, b] = [home.content(idOf('a')), home.content(idOf('b'))];
  await a.verify();
  await b.verify();
  expect([a.held.count, b.held.count]).toEqual([0, 1]);
  await putAll(a, bytes);
  expect(await readAll(a, bytes.length)).toEqual(bytes);
});

test('after a start of the machine all contents are doubtful until they are verified', async () => {
  await using home = await DiskHome.make({ bootId: 'one' });
  const bytes = bytesOf(2 * PIECE);
  await putAll(await home.store.create(A, shapeOf(bytes.length), META), bytes);
  expect(home.store.doubtful()).toEqual([]);
  await home.crash({ bootId: 'one' });
  expect(home.store.doubtful()).toEqual([]);
  const store = await home.crash({ bootId: 'two' });
  expect(store.doubtful().map((content) => content.id)).toEqual([A]);
  await home.content(A).verify();
  expect(store.doubtful()).toEqual([]);
  expect((await home.crash({ bootId: 'two' })).doubtful()).toEqual([]);
  expect(await readAll(home.content(A), bytes.length)).toEqual(bytes);
});

test('the files of a content are made with its first piece, not before its taker knows of it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(PIECE), META);
  await nextTurn();
  await expect(stat(home.path(A, 'journal'))).rejects.toThrow('ENOENT');
  const written = putPiece(content, bytesOf(PIECE), 0);
  expect(content.has(0)).toBe(true);
  await written;
  expect((await stat(home.path(A, 'journal'))).size).toBeGreaterThan(0);
});

test('a content of which nothing comes for a while is made nevertheless', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(PIECE), META);
  vi.advanceTimersByTime(1_000);
  await content.made;
  expect((await stat(home.path(A, 'meta.json'))).size).toBeGreaterThan(0);
});

test('the last use of a content outlives the process, and most uses cost no write', async () => {
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(0), META);
  await content.made;
  const saved = async () => JSON.parse(await readFile(home.path(A, 'meta.json'), 'utf8')).usedAt;
  const created = home.clock.wall();
  home.clock.advance(1000);
  content.acquire();
  content.release();
  expect(content.usedAt).toBe(created + 1000);
  expect(await saved()).toBe(created);
  const usedAt = content.usedAt;
  await home.reopen();
  const found = home.content(A);
  expect(found.usedAt).toBe(usedAt);
  home.clock.advance(100_000);
  found.acquire();
  found.release();
  await found.annotate({});
  await home.crash();
  expect(home.content(A).usedAt).toBe(usedAt + 100_000);
});

test('never more files are open than allowed, whatever goes on at the same time', async () => {
  await using home = await DiskHome.make({ maxOpenFiles: 3 });
  const bytes = bytesOf(2 * PIECE);
  const names = Array.from({ length: 20 }, (_, index) => idOf(index));
  await Promise.all(
    names.map(async (id) => {
      const content = await home.store.create(id, shapeOf(bytes.length), META);
      await Promise.all([putPiece(content, bytes, 0), putPiece(content, bytes, 1)]);
      expect(home.store.openFiles).toBeLessThanOrEqual(3);
      await content.handOver(home.out(id), {});
      expect(await readAll(content, bytes.length)).toEqual(bytes);
    }),
  );
  await home.store.close();
  expect(home.store.openFiles).toBe(0);
});

test('what lies in the folder of a new content is none of it', async () => {
  await using home = await DiskHome.make();
  const old = bytesOf(3 * PIECE, 9);
  await mkdir(dirname(home.path(A, 'data')), { recursive: true });
  await writeFile(home.path(A, 'data'), old);
  await link(home.path(A, 'data'), home.out('user'));
  const bytes = bytesOf(PIECE + 1);
  const content = await home.store.create(A, shapeOf(bytes.length), META);
  await putAll(content, bytes);
  await content.handOver(home.out(), {});
  expect(await readFile(home.out())).toEqual(bytes);
  expect(await readFile(home.out('user'))).toEqual(old);
});

test('a release after the end of the store is no trouble', async () => {
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(0), META);
  content.acquire();
  await home.store.close();
  home.clock.advance(1_000_000);
  content.release();
  await home.store.close();
  expect(home.faults).toEqual([]);
});

test('removing deletes the folder, and what was being deleted is gone after a crash', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(PIECE);
  const content = await home.store.create(A, shapeOf(PIECE), META);
  await putAll(content, bytes);
  await home.store.remove(A);
  await expect(stat(dirname(home.path(A, 'data')))).rejects.toThrow('ENOENT');
  const second = await home.store.create(A, shapeOf(PIECE), META);
  second.acquire();
  await putAll(second, bytes);
  await home.store.remove(A);
  expect(await readdir(join(home.root, 'trash'))).toHaveLength(1);
  const store = await home.crash();
  expect(store.list()).toEqual([]);
  await store.close();
  expect(await readdir(join(home.root, 'trash'))).toEqual([]);
});

test('the data file is the plain content', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(2 * PIECE + 3);
  await putAll(await home.store.create(A, shapeOf(bytes.length), META), bytes);
  await copyFile(home.path(A, 'data'), home.out());
  expect(await readFile(home.out())).toEqual(bytes);
});
