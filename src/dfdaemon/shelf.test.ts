import { expect, test } from 'vitest';
import type { Download, DownloadRequest, Engine } from '../peer/engine.ts';
import { Shelf } from './shelf.ts';

const request: DownloadRequest = {
  spec: { url: 'http://x/', headers: [], filter: [] },
  pattern: 'p2p',
  nodes: [],
  noBackToSource: false,
};

function engine() {
  const releases: number[] = [];
  const made: Engine = {
    open: () => {
      const at = releases.push(0) - 1;
      const release = () => {
        releases[at] = (releases[at] ?? 0) + 1;
      };
      return { release } as unknown as Download;
    },
    close: async () => undefined,
  };
  return { made, releases };
}

test('who asks again soon meets the open download; after a while it is released, once', async () => {
  const { made, releases } = engine();
  const shelf = new Shelf(made, 20);
  const first = shelf.take('a', request);
  const second = shelf.take('a', request);
  expect(second.download).toBe(first.download);
  first.end();
  first.end();
  second.end();
  const third = shelf.take('a', request);
  expect(third.download).toBe(first.download);
  third.end();
  await expect.poll(() => releases).toEqual([1]);
  expect(shelf.open).toBe(0);
});

test('a download that failed is not met again, and is released by its last reader', () => {
  const { made, releases } = engine();
  const shelf = new Shelf(made);
  const first = shelf.take('a', request);
  const other = shelf.take('a', request);
  shelf.drop('a', first.download);
  const fresh = shelf.take('a', request);
  expect(fresh.download).not.toBe(first.download);
  first.end();
  expect(releases).toEqual([0, 0]);
  other.end();
  expect(releases).toEqual([1, 0]);
  shelf.close();
  expect(releases).toEqual([1, 1]);
});
