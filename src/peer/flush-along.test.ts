import { expect, test } from 'vitest';
import type { DownloadProgress } from './engine.ts';
import { flushAlong } from './flush-along.ts';

const MIB = 1024 * 1024;

/** A download whose bytes come, and whose syncs end, when the test says so. */
class StandIn {
  readonly syncs: PromiseWithResolvers<void>[] = [];
  progress: DownloadProgress;
  #listener: ((progress: DownloadProgress) => void) | undefined;

  constructor(length: number | null, done = 0) {
    this.progress = { length, done, fromPeers: done, fromSupernode: 0, fromSource: 0, fromDisk: 0 };
  }

  onProgress(listener: (progress: DownloadProgress) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }

  flush(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    return sync.promise;
  }

  came(mib: number): void {
    this.progress = { ...this.progress, done: mib * MIB };
    this.#listener?.(this.progress);
  }

  async synced(fault?: Error): Promise<void> {
    const sync = this.syncs.at(-1);
    if (fault === undefined) sync?.resolve();
    else sync?.reject(fault);
    await sync?.promise.catch(() => undefined);
  }
}

test('what has come is synced part by part, one sync at a time, and the last part is left to the hand-over', async () => {
  const download = new StandIn(320 * MIB);
  flushAlong(download);
  download.came(19);
  expect(download.syncs.length).toBe(0);
  download.came(21);
  expect(download.syncs.length).toBe(1);
  download.came(90);
  expect(download.syncs.length).toBe(1);
  await download.synced();
  download.came(91);
  expect(download.syncs.length).toBe(2);
  await download.synced();
  download.came(320);
  expect(download.syncs.length).toBe(2);
});

test('a small content is synced once, at its end; one of unknown length as it comes', async () => {
  const small = new StandIn(8 * MIB);
  flushAlong(small);
  small.came(7);
  small.came(8);
  expect(small.syncs.length).toBe(0);
  const endless = new StandIn(null);
  flushAlong(endless);
  endless.came(9);
  expect(endless.syncs.length).toBe(1);
});

test('what was there before is not waited for, a sync that fails keeps nothing from going on, and the end is the end', async () => {
  const download = new StandIn(64 * MIB, 40 * MIB);
  const stop = flushAlong(download);
  download.came(41);
  expect(download.syncs.length).toBe(0);
  download.came(49);
  expect(download.syncs.length).toBe(1);
  await download.synced(new Error('the disk is gone'));
  download.came(58);
  expect(download.syncs.length).toBe(2);
  await download.synced();
  stop();
  download.came(63);
  expect(download.syncs.length).toBe(2);
});

test('towards the end smaller parts are synced, so that little is left to the hand-over', async () => {
  const download = new StandIn(64 * MIB);
  flushAlong(download);
  const synced: number[] = [];
  for (let mib = 1; mib <= 64; mib++) {
    const before = download.syncs.length;
    download.came(mib);
    if (download.syncs.length === before) continue;
    synced.push(mib);
    await download.synced();
  }
  expect(synced).toEqual([8, 16, 24, 32, 40, 48, 54, 58, 60, 62, 63]);
});
