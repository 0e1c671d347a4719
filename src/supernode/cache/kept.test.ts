import { expect, onTestFinished, test, vi } from 'vitest';
import { diskFault } from '../../io/disk.ts';
import { Fault } from '../../protocol/faults.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import { DiskHome } from '../../store/disk-home.fixture.ts';
import { Journal } from '../../store/journal.ts';
import { type CacheLab, cacheLab, specOf } from './cache.fixture.ts';

const URL = 'http://source.example/small';
const BYTES = bytesOf(4096);

function labOver({ store }: DiskHome): CacheLab {
  const lab = cacheLab({ store });
  lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
  return lab;
}

test('the manifest goes to the store while the pieces do, and nobody hears of it before they are there', async () => {
  await using home = await DiskHome.make();
  const disk = Promise.withResolvers<void>();
  const append = Journal.prototype.append;
  vi.spyOn(Journal.prototype, 'append').mockImplementation(async function (this: Journal, ...record) {
    await disk.promise;
    return append.apply(this, record);
  });
  onTestFinished(() => void vi.restoreAllMocks());
  const { entry } = await labOver(home).open(specOf(URL));
  await expect.poll(() => entry.stored.meta.manifest).toBeDefined();
  expect([entry.settled, entry.stored.complete]).toEqual([false, false]);
  disk.resolve();
  await entry.whenSettled();
  expect([entry.manifest, entry.stored.complete]).toEqual([entry.stored.meta.manifest, true]);
});

test('killed between the manifest and the piece, a supernode knows what the piece must be, and reads it again', async () => {
  await using home = await DiskHome.make();
  vi.spyOn(Journal.prototype, 'append').mockReturnValue(new Promise(() => undefined));
  onTestFinished(() => void vi.restoreAllMocks());
  const { entry } = await labOver(home).open(specOf(URL));
  await expect.poll(() => entry.stored.meta.manifest).toBeDefined();
  await home.content(entry.id).made;
  vi.restoreAllMocks();
  await home.crash();
  const after = labOver(home);
  const again = await after.open(specOf(URL));
  expect([again.entry.id, again.entry.stored.complete]).toEqual([entry.id, true]);
  expect(await readOf(again.entry)).toEqual(BYTES);
});

test('of a piece that the disk refused no manifest says anything', async () => {
  await using home = await DiskHome.make();
  const full = diskFault(Object.assign(new Error('full'), { code: 'ENOSPC' }), 'write', 'data');
  vi.spyOn(Journal.prototype, 'append').mockRejectedValue(full);
  onTestFinished(() => void vi.restoreAllMocks());
  const lab = labOver(home);
  const { entry } = await lab.open(specOf(URL));
  await entry.whenSettled();
  expect([entry.fault?.code, entry.manifest]).toEqual(['no-space', undefined]);
  vi.restoreAllMocks();
  const again = await lab.open(specOf(URL));
  await again.entry.whenSettled();
  expect([again.entry.fault, await readOf(again.entry)]).toEqual([undefined, BYTES]);
});

async function readOf({ stored }: { stored: { read(at: number, into: Uint8Array): Promise<void> } }): Promise<Buffer> {
  const into = Buffer.alloc(BYTES.length);
  await stored.read(0, into).catch((error: unknown) => {
    throw Fault.of(error);
  });
  return into;
}
