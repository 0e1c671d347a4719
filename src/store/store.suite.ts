/** What every content store must do; run on the disk store and on its twin in memory. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { sha256 } from '../io/hash.ts';
import { bytesOf, idOf, META, PIECE, putAll, putPiece, readAll, shapeOf } from './content.fixture.ts';
import type { ContentStore } from './store.ts';
import type { Marks } from './watermarks.ts';

export type SuiteOptions = { readonly folder: string; readonly clock: ManualClock; readonly marks?: Partial<Marks> };

export function storeConformance(name: string, open: (options: SuiteOptions) => Promise<ContentStore>): void {
  describe(`${name} store`, () => {
    let folder: string;
    let clock: ManualClock;
    let store: ContentStore;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dragonfly-store-'));
      clock = new ManualClock(1_000_000);
      store = await open({ folder, clock });
    });

    afterEach(async () => {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    });

    const reopenWith = async (maxBytes: number) => {
      await store.close();
      await rm(folder, { recursive: true, force: true });
      store = await open({ folder, clock, marks: { maxBytes } });
    };

    test('a new content holds nothing and is found under its id', async () => {
      const content = await store.create(idOf('a'), shapeOf(3 * PIECE), META);
      expect(content.held.size).toBe(3);
      expect(content.held.count).toBe(0);
      expect(content.complete).toBe(false);
      expect(store.find(idOf('a'))).toBe(content);
      expect(store.list()).toEqual([content]);
      expect(store.find(idOf('b'))).toBeUndefined();
    });

    test('creating a content again finds it with what it holds', async () => {
      const bytes = bytesOf(2 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await putPiece(content, bytes, 1);
      const again = await store.create(idOf('a'), shapeOf(bytes.length), META);
      expect(again).toBe(content);
      expect([...again.held]).toEqual([1]);
    });

    test('creates of one id at the same time give the same content', async () => {
      const [a, b] = await Promise.all([
        store.create(idOf('a'), shapeOf(PIECE), META),
        store.create(idOf('a'), shapeOf(PIECE), META),
      ]);
      expect(a).toBe(b);
    });

    test('pieces put in any order read back as the content', async () => {
      const bytes = bytesOf(4 * PIECE + 17);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await Promise.all([4, 2, 0, 3, 1].map((piece) => putPiece(content, bytes, piece)));
      expect(content.complete).toBe(true);
      expect(await readAll(content, bytes.length)).toEqual(bytes);
      const part = Buffer.alloc(PIECE + 9);
      await content.read(PIECE - 5, part);
      expect(part).toEqual(bytes.subarray(PIECE - 5, 2 * PIECE + 4));
    });

    test('the digest of a held piece is kept, that of another is not known', async () => {
      const bytes = bytesOf(2 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await putPiece(content, bytes, 0);
      expect(Buffer.from(content.digestOf(0) ?? [])).toEqual(sha256(bytes.subarray(0, PIECE)));
      expect(content.digestOf(1)).toBeUndefined();
      expect(content.digestOf(2)).toBeUndefined();
    });

    test('the data may be reused when put has resolved', async () => {
      const bytes = bytesOf(PIECE);
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      const scratch = Buffer.from(bytes);
      await content.put(0, sha256(scratch), scratch);
      scratch.fill(0);
      expect(await readAll(content, PIECE)).toEqual(bytes);
    });

    test('putting a held piece again changes nothing', async () => {
      const bytes = bytesOf(PIECE);
      const other = bytesOf(PIECE, 2);
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await Promise.all([putPiece(content, bytes, 0), putPiece(content, bytes, 0)]);
      await content.put(0, sha256(other), other);
      expect(await readAll(content, PIECE)).toEqual(bytes);
      expect(content.held.count).toBe(1);
    });

    test('a piece of a wrong length or place is refused', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE + 5), META);
      const data = bytesOf(PIECE);
      await expect(content.put(1, sha256(data), data)).rejects.toThrow('piece 1');
      await expect(content.put(2, sha256(data), data)).rejects.toThrow('piece 2');
      await expect(content.put(0, sha256(data), data.subarray(1))).rejects.toThrow('piece 0');
      expect(content.held.count).toBe(0);
    });

    test('reading a piece that is not held says that the peer lacks it', async () => {
      const bytes = bytesOf(2 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await putPiece(content, bytes, 0);
      await expect(content.read(PIECE - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'peer-lacks' });
      await expect(content.read(2 * PIECE, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
      await expect(content.handOver(join(folder, 'out'), {})).rejects.toMatchObject({ code: 'peer-lacks' });
    });

    test('an empty content is complete without a piece and can be handed over', async () => {
      const content = await store.create(idOf('a'), shapeOf(0), META);
      expect(content.complete).toBe(true);
      await content.handOver(join(folder, 'out'), {});
      expect(await readFile(join(folder, 'out'))).toEqual(Buffer.alloc(0));
    });

    test('a content of unknown length grows until its length becomes known', async () => {
      const bytes = bytesOf(2 * PIECE + 100);
      const content = await store.create(idOf('a'), shapeOf(null), META);
      await putPiece(content, bytes, 0);
      await putPiece(content, bytes, 1);
      expect(content.held.size).toBe(2);
      expect(content.complete).toBe(false);
      expect(await readAll(content, 2 * PIECE)).toEqual(bytes.subarray(0, 2 * PIECE));
      await content.reshape(shapeOf(bytes.length));
      expect(content.complete).toBe(false);
      await putPiece(content, bytes, 2);
      expect(content.complete).toBe(true);
      expect(await readAll(content, bytes.length)).toEqual(bytes);
    });

    test('a short last piece may be put before the length is known', async () => {
      const bytes = bytesOf(PIECE + 100);
      const content = await store.create(idOf('a'), shapeOf(null), META);
      await putAll(content, bytes);
      await expect(content.read(PIECE, Buffer.alloc(101))).rejects.toMatchObject({ code: 'peer-lacks' });
      await content.reshape(shapeOf(bytes.length));
      expect(content.complete).toBe(true);
      expect(await readAll(content, bytes.length)).toEqual(bytes);
    });

    test('pieces that the known length cuts off are lost', async () => {
      const bytes = bytesOf(3 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(null), META);
      const lost: number[] = [];
      content.onLost((pieces) => lost.push(...pieces));
      await putAll(content, bytes);
      await content.reshape(shapeOf(PIECE + 7));
      expect(lost).toEqual([1, 2]);
      expect([...content.held]).toEqual([0]);
      expect(content.held.size).toBe(2);
    });

    test('creating with a known length tells it to a content of unknown length', async () => {
      const content = await store.create(idOf('a'), shapeOf(null), META);
      await store.create(idOf('a'), shapeOf(PIECE), META);
      expect(content.shape).toEqual(shapeOf(PIECE));
      await store.create(idOf('a'), shapeOf(null), META);
      expect(content.shape).toEqual(shapeOf(PIECE));
    });

    test('creating with a contradicting shape begins anew', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await putAll(content, bytesOf(PIECE));
      const fresh = await store.create(idOf('a'), shapeOf(2 * PIECE), META);
      expect(fresh).not.toBe(content);
      expect(fresh.held.count).toBe(0);
      expect(store.find(idOf('a'))).toBe(fresh);
    });

    test('annotate merges into the meta', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await content.annotate({ checkedAt: 5 });
      await content.annotate({ facts: { ranges: false, etag: '"x"' } });
      expect(content.meta).toEqual({ ...META, checkedAt: 5, facts: { ranges: false, etag: '"x"' } });
    });

    test('hand-over makes the whole content appear and replaces what was there', async () => {
      const bytes = bytesOf(2 * PIECE + 1);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await putAll(content, bytes);
      const outputs = join(folder, 'outputs');
      await mkdir(outputs);
      await writeFile(join(outputs, 'out'), 'older');
      for (const options of [{}, { copy: true }, { sync: true }, { copy: true, sync: true }]) {
        await content.handOver(join(outputs, 'out'), options);
        expect(await readFile(join(outputs, 'out'))).toEqual(bytes);
        expect(await readdir(outputs)).toEqual(['out']);
      }
    });

    test('what is written so far can be brought to the disk, which changes nothing', async () => {
      const bytes = bytesOf(2 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      const [first, second] = [bytes.subarray(0, PIECE), bytes.subarray(PIECE)];
      await content.put(0, sha256(first), first);
      await content.flush();
      await Promise.all([content.put(1, sha256(second), second), content.flush()]);
      await content.handOver(join(folder, 'out'), { sync: true });
      await content.flush();
      expect(await readFile(join(folder, 'out'))).toEqual(bytes);
      expect(content.complete).toBe(true);
    });

    test('hand-over into a folder that is not there is a local fault', async () => {
      const content = await store.create(idOf('a'), shapeOf(0), META);
      await expect(content.handOver(join(folder, 'no', 'out'), {})).rejects.toMatchObject({ code: 'local-io' });
    });

    test('remove forgets at once', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await putAll(content, bytesOf(PIECE));
      await store.remove(idOf('a'));
      expect(store.find(idOf('a'))).toBeUndefined();
      await store.remove(idOf('a'));
      const fresh = await store.create(idOf('a'), shapeOf(PIECE), META);
      expect(fresh.held.count).toBe(0);
    });

    test('a removed content works on for who has acquired it', async () => {
      const bytes = bytesOf(2 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(bytes.length), META);
      content.acquire();
      await putPiece(content, bytes, 0);
      await store.remove(idOf('a'));
      const fresh = await store.create(idOf('a'), shapeOf(bytes.length), META);
      await putPiece(content, bytes, 1);
      expect(await readAll(content, bytes.length)).toEqual(bytes);
      expect(fresh.held.count).toBe(0);
      content.release();
      expect(store.find(idOf('a'))).toBe(fresh);
    });

    test('a removed content gives nothing away when nobody has it', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await putAll(content, bytesOf(PIECE));
      await store.remove(idOf('a'));
      await expect(content.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'peer-lacks' });
    });

    test('a full store evicts the idle content that was used longest ago', async () => {
      await reopenWith(3 * PIECE);
      for (const name of ['a', 'b', 'c']) {
        const content = await store.create(idOf(name), shapeOf(PIECE), META);
        content.acquire();
        await putAll(content, bytesOf(PIECE));
        clock.advance(1000);
        content.release();
      }
      await store.find(idOf('a'))?.read(0, Buffer.alloc(1));
      await store.create(idOf('d'), shapeOf(PIECE), META);
      expect(store.find(idOf('b'))).toBeUndefined();
      expect(store.list()).toHaveLength(3);
    });

    test('what somebody has acquired is never evicted: no-space, and nothing is left of the new one', async () => {
      await reopenWith(2 * PIECE);
      const a = await store.create(idOf('a'), shapeOf(PIECE), META);
      a.acquire();
      await putAll(a, bytesOf(PIECE));
      await expect(store.create(idOf('b'), shapeOf(2 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
      expect(store.find(idOf('b'))).toBeUndefined();
      expect(a.complete).toBe(true);
      a.release();
      await store.create(idOf('b'), shapeOf(2 * PIECE), META);
      expect(store.find(idOf('a'))).toBeUndefined();
    });

    test('two running contents are never promised the same room', async () => {
      await reopenWith(3 * PIECE);
      const created = await Promise.allSettled(
        ['a', 'b'].map((name) => store.create(idOf(name), shapeOf(2 * PIECE), META)),
      );
      expect(created.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    test('what was promised to a content that stopped is free for others', async () => {
      await reopenWith(3 * PIECE);
      const a = await store.create(idOf('a'), shapeOf(2 * PIECE), META);
      a.acquire();
      await expect(store.create(idOf('b'), shapeOf(2 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
      a.release();
      await store.create(idOf('b'), shapeOf(2 * PIECE), META);
    });

    test('a created content that nobody acquires is idle after a while', async () => {
      await reopenWith(2 * PIECE);
      await store.create(idOf('a'), shapeOf(2 * PIECE), META);
      await expect(store.create(idOf('b'), shapeOf(2 * PIECE), META)).rejects.toMatchObject({ code: 'no-space' });
      clock.advance(60_000);
      await store.create(idOf('b'), shapeOf(2 * PIECE), META);
    });

    test('a content of unknown length is refused room when it grows too far', async () => {
      await reopenWith(2 * PIECE);
      const bytes = bytesOf(3 * PIECE);
      const content = await store.create(idOf('a'), shapeOf(null), META);
      content.acquire();
      await putPiece(content, bytes, 0);
      await putPiece(content, bytes, 1);
      await expect(putPiece(content, bytes, 2)).rejects.toMatchObject({ code: 'no-space' });
      await expect(content.reshape(shapeOf(3 * PIECE))).rejects.toMatchObject({ code: 'no-space' });
      expect(await readAll(content, 2 * PIECE)).toEqual(bytes.subarray(0, 2 * PIECE));
      expect([...content.held]).toEqual([0, 1]);
      content.release();
    });

    test('keep removes what nobody has used for long', async () => {
      const a = await store.create(idOf('a'), shapeOf(0), META);
      a.acquire();
      a.release();
      const b = await store.create(idOf('b'), shapeOf(0), META);
      b.acquire();
      clock.advance(20_000);
      const c = await store.create(idOf('c'), shapeOf(0), META);
      c.acquire();
      c.release();
      expect(await store.keep({ expireMs: 10_000 })).toEqual([idOf('a')]);
      expect(store.list().map((content) => content.id)).toEqual([idOf('b'), idOf('c')]);
      b.release();
      expect(b.usedAt).toBe(clock.wall());
    });

    test('a release without an acquire is a defect', async () => {
      const content = await store.create(idOf('a'), shapeOf(0), META);
      expect(() => content.release()).toThrow('acquire');
    });

    test('a closed store takes no more work', async () => {
      const content = await store.create(idOf('a'), shapeOf(PIECE), META);
      await store.close();
      await expect(store.create(idOf('b'), shapeOf(0), META)).rejects.toMatchObject({ code: 'cancelled' });
      await expect(putAll(content, bytesOf(PIECE))).rejects.toMatchObject({ code: 'cancelled' });
    });
  });
}
