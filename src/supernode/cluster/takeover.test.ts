import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../../protocol/faults.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import type { StoredContent } from '../../store/store.ts';
import { type CacheLab, cacheLab, digestOf, filled, MINUTE, specOf } from '../cache/cache.fixture.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier } from './content-tier.ts';
import { MapRecords, stateOver } from './records.fixture.ts';
import { Sharing } from './sharing.ts';

const URL = 'http://source.example/file';
const BYTES = bytesOf(1_000_000);
const PIECE = 128 * 1024;
const PATIENCE = { timeout: 20_000 };

type Supernode = CacheLab & { readonly sharing: Sharing; readonly asked: string[] };

/** A supernode of the cluster. `hosts` and `tiers` give from these stores. */
function supernode(records: MapRecords, more: Parameters<typeof cacheLab>[0] & { port?: number } = {}): Supernode {
  const { port = 1, ...parts } = more;
  const state = stateOver(records);
  const sharing = new Sharing({ state, here: { ip: '10.0.0.1', port }, gapMs: 0 });
  const lab = cacheLab({ shared: state, events: sharing, ...parts });
  return { ...lab, sharing, asked: lab.source.asked };
}

/** Whoever has those bytes; each read is written down. `wrong` pieces come out spoilt. */
function giver(
  from: () => StoredContent | undefined,
  wrong: readonly number[] = [],
): ContentTier & { reads: number[] } {
  const reads: number[] = [];
  return {
    ...{ name: 'giver', readBytes: 0, lanes: 2, reads },
    async read(entry, span, into) {
      const stored = from();
      if (stored?.id !== entry.id) throw new Fault('peer-lacks', 'it has it not');
      await stored.read(span.start, into);
      const piece = span.start / entry.shape.pieceSize;
      reads.push(piece);
      if (wrong.includes(piece)) into.fill(7);
    },
  };
}

async function bytesIn({ stored }: Entry): Promise<Buffer> {
  const whole = Buffer.alloc(stored.shape.length ?? 0);
  await stored.read(0, whole);
  return whole;
}

/** One that reads `cutAt` bytes and dies, having told of what it had read. */
async function died(records: MapRecords, cutAt: number, digest?: string): Promise<Supernode> {
  const old = supernode(records);
  const served = old.source.serve(URL, { bytes: BYTES, etag: '"1"', cutAt });
  const { entry } = await old.open(specOf(URL, digest === undefined ? {} : { digest }));
  await vi.waitFor(async () => {
    const told = await stateOver(records).find(entry.task);
    expect(told?.digests.length).toBe(Math.floor(cutAt / PIECE) * 32);
  }, PATIENCE);
  await old.cache.close();
  await old.sharing.close();
  served.cutAt = BYTES.length;
  old.asked.length = 0;
  old.source.bytesRead = 0;
  return old;
}

/** One that has read all of it and told of it. */
async function full(records: MapRecords, serves: { readonly bytes?: Buffer; readonly freshForMs?: number } = {}) {
  const old = supernode(records);
  const served = old.source.serve(URL, { bytes: BYTES, etag: '"1"', ...serves });
  await filled(old, specOf(URL));
  await old.sharing.close();
  return { old, served };
}

describe('a successor', PATIENCE, () => {
  test('reads from the source only what the old one had not read, and takes the rest from hosts', async () => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    const tier = giver(() => old.store.list()[0]);
    const next = supernode(records, { beside: old, hosts: { tier, hold: () => true, graceMs: 50 } });
    const { entry } = await filled(next, specOf(URL));
    expect(next.asked).toEqual([`from ${3 * PIECE}`]);
    expect(tier.reads.toSorted()).toEqual([0, 1, 2]);
    expect(next.source.bytesRead).toBe(BYTES.length - 3 * PIECE);
    expect(entry.id).toBe(old.store.list()[0]?.id);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('proves what hosts give, and reads from the source what they spoil', async () => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    const tier = giver(() => old.store.list()[0], [1]);
    const next = supernode(records, { beside: old, hosts: { tier, hold: () => true, graceMs: 50 } });
    const { entry } = await filled(next, specOf(URL));
    expect(next.asked).toContain(`from ${PIECE}`);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('hashes the whole where a digest was asked for', async () => {
    const records = new MapRecords();
    const digest = digestOf(BYTES);
    const old = await died(records, 400_000, digest);
    const tier = giver(() => old.store.list()[0]);
    const next = supernode(records, { beside: old, hosts: { tier, hold: () => true, graceMs: 50 } });
    const { entry } = await filled(next, specOf(URL, { digest }));
    expect(entry.manifest?.digest).toBe(digest);
    expect(next.asked).toEqual([`from ${3 * PIECE}`]);
  });

  test('begins anew when the content is another one by now', async () => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    const changed = bytesOf(1_000_000, 2);
    old.source.serve(URL, { bytes: changed, etag: '"2"' });
    const next = supernode(records, { beside: old });
    const { entry } = await filled(next, specOf(URL));
    expect(entry.id).not.toBe(old.store.list()[0]?.id);
    expect((await bytesIn(entry)).equals(changed)).toBe(true);
  });

  test('asks the source about a complete content, and reads it from the old one’s cache or the store behind', async () => {
    const records = new MapRecords();
    const { old } = await full(records);
    const tier = giver(() => old.store.list()[0]);
    const next = supernode(records, { beside: old, tiers: [tier], port: 2 });
    const { entry } = await next.open(specOf(URL));
    expect(next.asked).toEqual(['plain', 'conditional']);
    expect(entry.holders).toEqual([{ ip: '10.0.0.1', port: 1 }]);
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true), PATIENCE);
    expect(next.source.bytesRead).toBe(BYTES.length);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
    await next.sharing.close();
    // From now on it is named as one that has it too, before the other.
    const told = await stateOver(records).find(entry.task);
    expect(told?.holders.map(({ port }) => port)).toEqual([2, 1]);
  });

  test('gives a complete content to nobody whom the source refuses', async () => {
    const records = new MapRecords();
    const { old, served } = await full(records);
    served.fault = new Fault('source-refused', 'no', { sourceStatus: 403 });
    const tier = giver(() => old.store.list()[0]);
    const next = supernode(records, { beside: old, tiers: [tier] });
    await expect(next.open(specOf(URL))).rejects.toMatchObject({ code: 'source-refused' });
    expect(tier.reads).toEqual([]);
  });

  test('asks nobody while a content is fresh, and the next tier where one spoils or lacks a piece', async () => {
    const records = new MapRecords();
    const { old } = await full(records, { freshForMs: MINUTE });
    const [bad, good] = [giver(() => old.store.list()[0], [0, 3, 7]), giver(() => old.store.list()[0])];
    const next = supernode(records, { beside: old, tiers: [giver(() => undefined), bad, good] });
    const { entry } = await next.open(specOf(URL));
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true), PATIENCE);
    expect(next.asked).toEqual(['plain']);
    expect(good.reads.toSorted()).toEqual([0, 3, 7]);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('asks the next tier where a request was given up because those before it got no answer', async () => {
    const records = new MapRecords();
    const { old } = await full(records, { freshForMs: MINUTE });
    const silent = {
      name: 'silent',
      readBytes: 0,
      lanes: 2,
      read: () => Promise.reject(new Fault('cancelled', 'not asked')),
    };
    const good = giver(() => old.store.list()[0]);
    const next = supernode(records, { beside: old, tiers: [silent, good] });
    const { entry } = await next.open(specOf(URL));
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true), PATIENCE);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('has pieces of a read before the read is over, and those of one that breaks', async () => {
    const records = new MapRecords();
    const { old } = await full(records, { freshForMs: MINUTE });
    const breaks = Promise.withResolvers<never>();
    const slow: ContentTier = {
      ...{ name: 'slow', readBytes: 4 * PIECE, lanes: 1 },
      async read(_, span, into, { arrived }) {
        if (span.start > 0) throw new Fault('peer-lacks', 'it has no more');
        await old.store.list()[0]?.read(0, into.subarray(0, 2 * PIECE + 1));
        arrived(2 * PIECE + 1);
        await breaks.promise;
      },
    };
    const next = supernode(records, { beside: old, tiers: [slow, giver(() => old.store.list()[0])] });
    const { entry } = await next.open(specOf(URL));
    await vi.waitFor(() => expect([...entry.stored.held]).toEqual([0, 1]), PATIENCE);
    breaks.reject(new Fault('peer-reset', 'it broke'));
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true), PATIENCE);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('reads the rest before it takes what hosts hold', async () => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    const heldAtFirstRead: boolean[] = [];
    const from = giver(() => old.store.list()[0]);
    const tier: ContentTier = {
      ...from,
      read: (entry, ...rest) => {
        heldAtFirstRead.push(entry.stored.held.has(7));
        return from.read(entry, ...rest);
      },
    };
    const next = supernode(records, { beside: old, hosts: { tier, hold: () => true, graceMs: 50 } });
    const { entry } = await filled(next, specOf(URL));
    expect(heldAtFirstRead[0]).toBe(true);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('has a small content here before it answers, since it is given with the answer', async () => {
    const records = new MapRecords();
    const small = bytesOf(1_000);
    const { old } = await full(records, { bytes: small, freshForMs: MINUTE });
    const next = supernode(records, { beside: old, tiers: [giver(() => old.store.list()[0])] });
    const { entry } = await next.open(specOf(URL));
    expect((await bytesIn(entry)).equals(small)).toBe(true);
    expect(next.asked).toEqual(['plain']);
  });
});

describe('a Redis', PATIENCE, () => {
  const changes: readonly [string, (record: string) => string][] = [
    ['with another digest', (record) => record.replace(/digests\\":\\"..../, 'digests\\":\\"AAAA')],
    ['with no signature', (record) => record.replace(/"signature":"[^"]*"/, '"signature":""')],
    ['with what is no record', () => 'OK'],
    ['with nothing', () => ''],
  ];
  test.each(changes)('that answers %s is not believed', async (_, lie) => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    records.lie = lie;
    const next = supernode(records, { beside: old });
    const { entry } = await filled(next, specOf(URL));
    expect(next.asked).toEqual(['plain']);
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
  });

  test('that gives a record of another task, or of another cluster, is not believed', async () => {
    const records = new MapRecords();
    const old = await died(records, 400_000);
    const [task] = [old.store.list()[0]?.id.slice(0, 64) as never];
    expect(await stateOver(records).find(task)).toBeDefined();
    expect(await stateOver(records, Buffer.alloc(32, 1)).find(task)).toBeUndefined();
    const other = 'f'.repeat(64) as never;
    records.records.set(records.key('content', other), records.records.get(records.key('content', task)) ?? '');
    expect(await stateOver(records).find(other)).toBeUndefined();
  });

  test('that is away costs nobody anything: the source is read', async () => {
    const records = new MapRecords();
    records.fault = new Error('connection refused');
    const lab = supernode(records);
    lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const { entry } = await filled(lab, specOf(URL));
    expect((await bytesIn(entry)).equals(BYTES)).toBe(true);
    await lab.sharing.close();
  });
});
