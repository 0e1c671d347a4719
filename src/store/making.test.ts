import fs from 'node:fs';
import { truncate } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { bytesOf, idOf, META, PIECE, putPiece, readAll, shapeOf } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';

const A = idOf('a');

test('a small content costs a folder and three files, each made once under its own name', async () => {
  await using home = await DiskHome.make();
  const [open, rename] = [vi.spyOn(fs, 'open'), vi.spyOn(fs, 'rename')];
  onTestFinished(() => void vi.restoreAllMocks());
  const bytes = bytesOf(PIECE);
  const content = await home.store.create(A, shapeOf(PIECE), META);
  // What is said of it while its piece is on the way is in the first meta.
  await Promise.all([putPiece(content, bytes, 0), content.annotate({ checkedAt: 7 })]);
  const made = open.mock.calls.map(([path]) => basename(String(path)));
  expect([made.toSorted(), rename.mock.calls]).toEqual([['data', 'journal', 'meta.json'], []]);
  await home.crash();
  const found = home.content(A);
  expect([found.complete, found.meta]).toEqual([true, { ...META, checkedAt: 7 }]);
  await found.annotate({ checkedAt: 8 });
  expect(rename).toHaveBeenCalledTimes(1);
});

test('a content whose first meta is torn was not finished: it is removed, and can be made anew', async () => {
  await using home = await DiskHome.make();
  const bytes = bytesOf(PIECE);
  await putPiece(await home.store.create(A, shapeOf(PIECE), META), bytes, 0);
  await truncate(home.path(A, 'meta.json'), 10);
  await home.crash();
  expect(home.store.find(A)).toBeUndefined();
  const again = await home.store.create(A, shapeOf(PIECE), META);
  await putPiece(again, bytes, 0);
  expect(await readAll(again, PIECE)).toEqual(bytes);
});
