import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../../protocol/faults.ts';
import { pieceCount } from '../../protocol/piece.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import type { ContentTier } from '../cluster/content-tier.ts';
import { NO_HOSTS } from '../cluster/no-hosts.fixture.ts';
import { cacheLab, digestOf, filled, MINUTE, specOf } from './cache.fixture.ts';

const URL = 'http://source.example/file';
const BYTES = bytesOf(300_000);
const OTHER = bytesOf(310_000, 2);
const NO = new Fault('source-refused', 'the source answered 403', { sourceStatus: 403 });
const DOWN = new Fault('source-unreachable', 'the source answered 503', { sourceStatus: 503 });

describe('a fresh content', () => {
  test('is used without a word to its source for as long as the source said', async () => {
    const lab = cacheLab();
    lab.source.serve(URL, { bytes: BYTES, etag: '"1"', freshForMs: 5 * MINUTE });
    const first = await filled(lab, specOf(URL));
    lab.clock.advance(5 * MINUTE - 1);
    expect((await lab.open(specOf(URL))).entry).toBe(first.entry);
    expect(lab.source.asked).toEqual(['plain']);
    lab.clock.advance(1);
    await lab.open(specOf(URL));
    expect(lab.source.asked).toEqual(['plain', 'conditional']);
  });

  test('is one whose digest cannot be forged, whatever its source says', async () => {
    const lab = cacheLab();
    lab.source.serve(URL, { bytes: BYTES, freshForMs: 0 });
    const spec = specOf(URL, { digest: digestOf(BYTES) });
    await filled(lab, spec);
    lab.clock.advance(1000 * MINUTE);
    await lab.open(spec);
    expect(lab.source.asked).toEqual(['plain']);
  });

  test('without a validator or a lifetime is fresh for a while, then read again', async () => {
    const lab = cacheLab();
    lab.source.serve(URL, { bytes: BYTES });
    const first = await filled(lab, specOf(URL));
    lab.clock.advance(MINUTE - 1);
    await lab.open(specOf(URL));
    lab.clock.advance(1);
    const second = await filled(lab, specOf(URL));
    expect(second.entry.id).not.toBe(first.entry.id);
    expect(lab.source.asked).toEqual(['plain', 'plain']);
  });
});

describe('a content that went stale', () => {
  test('is asked about once, however many ask, and used when it is unchanged', async () => {
    const lab = cacheLab();
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"', freshForMs: MINUTE });
    await filled(lab, specOf(URL));
    lab.clock.advance(2 * MINUTE);
    const gate = Promise.withResolvers<void>();
    served.gate = gate.promise;
    const all = Array.from({ length: 1000 }, () => lab.open(specOf(URL)));
    gate.resolve();
    const entries = new Set((await Promise.all(all)).map(({ entry }) => entry));
    expect(entries.size).toBe(1);
    expect(lab.source.asked).toEqual(['plain', 'conditional']);
    // The answer renewed its life.
    lab.clock.advance(MINUTE - 1);
    await lab.open(specOf(URL));
    expect(lab.source.asked).toHaveLength(2);
    expect(lab.source.bytesRead).toBe(BYTES.length);
  });

  test('that has changed becomes a new generation out of the same answer', async () => {
    const lab = cacheLab();
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const first = await filled(lab, specOf(URL));
    Object.assign(served, { bytes: OTHER, etag: '"2"' });
    const all = await Promise.all([lab.open(specOf(URL)), lab.open(specOf(URL))]);
    await all[0].entry.whenSettled();
    expect(all[0].entry).toBe(all[1].entry);
    expect(all[0].entry.id).not.toBe(first.entry.id);
    expect(lab.source.asked).toEqual(['plain', 'conditional']);
    expect(lab.source.bytesRead).toBe(BYTES.length + OTHER.length);
    const whole = Buffer.alloc(OTHER.length);
    await all[0].entry.stored.read(0, whole);
    expect(whole.equals(OTHER)).toBe(true);
    expect(lab.told).toContain(`dropped ${first.entry.id}`);
  });

  test('and one who comes with other credentials is not answered with what the first one was told', async () => {
    const lab = cacheLab();
    const gate = Promise.withResolvers<void>();
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"', gate: gate.promise, fault: NO });
    const wrong = lab.open(specOf(URL, { headers: [['Authorization', 'wrong']] }));
    const right = lab.open(specOf(URL, { headers: [['Authorization', 'right']] }));
    wrong.catch(() => {
      delete served.fault;
    });
    gate.resolve();
    await expect(wrong).rejects.toMatchObject({ code: 'source-refused' });
    expect((await right).entry.fault).toBeUndefined();
  });
});

describe('a source that is down', () => {
  test('is the askers’ fault to hear, unless the operator allows stale contents', async () => {
    const lab = cacheLab();
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    await filled(lab, specOf(URL));
    served.fault = DOWN;
    await expect(lab.open(specOf(URL))).rejects.toMatchObject({ code: 'source-unreachable', sourceStatus: 503 });
  });

  test('leaves the stale content in use for as long as the operator said, and the answer says so', async () => {
    const lab = cacheLab({ staleIfErrorMs: 10 * MINUTE });
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"', freshForMs: MINUTE });
    const first = await filled(lab, specOf(URL));
    const checkedAt = lab.clock.wall();
    served.fault = DOWN;
    lab.clock.advance(5 * MINUTE);
    const stale = await lab.open(specOf(URL));
    expect(stale).toEqual({ entry: first.entry, stale: { checkedAt, why: DOWN.toValue() } });
    const asked = lab.source.asked.length;
    // While the failure is remembered the source is left alone, and the answer is still stale.
    expect((await lab.open(specOf(URL))).stale?.checkedAt).toBe(checkedAt);
    expect(lab.source.asked).toHaveLength(asked);
    lab.clock.advance(6 * MINUTE);
    await expect(lab.open(specOf(URL))).rejects.toMatchObject({ code: 'source-unreachable' });
    delete served.fault;
    lab.clock.advance(MINUTE);
    expect(await lab.open(specOf(URL))).toEqual({ entry: first.entry });
  });

  test('does so after a restart too', async () => {
    const before = cacheLab();
    const served = before.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const first = await filled(before, specOf(URL));
    served.fault = DOWN;
    const lab = cacheLab({ before, staleIfErrorMs: MINUTE });
    lab.clock.advance(1000);
    const { entry, stale } = await lab.open(specOf(URL));
    expect(entry.id).toBe(first.entry.id);
    expect(stale?.why.code).toBe('source-unreachable');
  });

  test('is not one that says no: then nothing stale is given', async () => {
    const lab = cacheLab({ staleIfErrorMs: MINUTE });
    const served = lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    await filled(lab, specOf(URL));
    served.fault = NO;
    await expect(lab.open(specOf(URL))).rejects.toMatchObject({ code: 'source-refused' });
  });
});

describe('a cache that was killed while it read', () => {
  test('goes on from the pieces that it had verified', async () => {
    const before = cacheLab();
    const served = before.source.serve(URL, { bytes: BYTES, etag: '"1"', cutAt: 200_000 });
    const broken = await before.open(specOf(URL));
    await broken.entry.whenSettled();
    expect(broken.entry.stored.held.count).toBe(1);
    served.cutAt = BYTES.length;
    const lab = cacheLab({ before });
    lab.source.asked.length = 0;
    const { entry } = await filled(lab, specOf(URL));
    expect(entry.id).toBe(broken.entry.id);
    expect(lab.source.asked).toEqual([`from ${entry.shape.pieceSize}`]);
    const whole = Buffer.alloc(BYTES.length);
    await entry.stored.read(0, whole);
    expect(whole.equals(BYTES)).toBe(true);
  });

  test('does so without a validator too, where a digest proves the whole', async () => {
    const before = cacheLab();
    const served = before.source.serve(URL, { bytes: BYTES, cutAt: 200_000 });
    const spec = specOf(URL, { digest: digestOf(BYTES) });
    const broken = await before.open(spec);
    await broken.entry.whenSettled();
    served.cutAt = BYTES.length;
    const lab = cacheLab({ before });
    lab.source.asked.length = 0;
    const { entry } = await filled(lab, spec);
    expect(lab.source.asked).toEqual([`from ${entry.shape.pieceSize}`]);
    expect(entry.manifest?.digest).toBe(spec.digest);
  });

  test('takes the end from a host that heard of it, and reads what is missing', async () => {
    const spec = specOf(URL, { digest: digestOf(BYTES) });
    const other = cacheLab();
    other.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const { entry: full } = await filled(other, spec);
    const before = cacheLab();
    const served = before.source.serve(URL, { bytes: BYTES, etag: '"1"', cutAt: 200_000 });
    const broken = await before.open(spec);
    await broken.entry.whenSettled();
    expect([broken.entry.id, broken.entry.stored.meta.manifest]).toEqual([full.id, undefined]);
    served.cutAt = BYTES.length;
    const lab = cacheLab({ before, manifestFromHosts: async () => full.manifest });
    const { entry } = await lab.open(spec);
    expect(entry.manifest).toEqual(full.manifest);
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true));
    const whole = Buffer.alloc(BYTES.length);
    await entry.stored.read(0, whole);
    expect(whole.equals(BYTES)).toBe(true);
  });

  test('when it had all but the end, reads the last piece alone', async () => {
    const before = cacheLab();
    before.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const { entry: first } = await filled(before, specOf(URL));
    await first.stored.annotate({ manifest: undefined } as never);
    expect(first.stored.held.full).toBe(true);
    const lab = cacheLab({ before });
    lab.source.asked.length = 0;
    const { entry } = await filled(lab, specOf(URL));
    expect(entry.id).toBe(first.id);
    expect(lab.source.asked).toEqual([`from ${(pieceCount(entry.shape) - 1) * entry.shape.pieceSize}`]);
  });

  test('begins anew when the content is another one now', async () => {
    const before = cacheLab();
    const served = before.source.serve(URL, { bytes: BYTES, etag: '"1"', cutAt: 200_000 });
    const broken = await before.open(specOf(URL));
    await broken.entry.whenSettled();
    Object.assign(served, { bytes: OTHER, etag: '"2"', cutAt: OTHER.length });
    const lab = cacheLab({ before });
    const { entry } = await filled(lab, specOf(URL));
    expect(entry.id).not.toBe(broken.entry.id);
    const whole = Buffer.alloc(OTHER.length);
    await entry.stored.read(0, whole);
    expect(whole.equals(OTHER)).toBe(true);
  });
});

test('pieces that are spoilt on the disk are told, and read again when they are missed', async () => {
  const lab = cacheLab();
  lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
  const { entry } = await filled(lab, specOf(URL));
  lab.store.find(entry.id)?.lose([1]);
  expect(lab.told.at(-1)).toBe(`spoilt ${entry.id}`);
  lab.cache.refill(entry, [1]);
  await vi.waitFor(() => expect(entry.stored.complete).toBe(true));
  await lab.cache.close();
});

test('a content that the operator drops is gone, and its downloads are told', async () => {
  const lab = cacheLab();
  lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
  const { entry } = await filled(lab, specOf(URL));
  expect(await lab.cache.drop(entry.task)).toBe(true);
  expect(lab.told.at(-1)).toBe(`broken ${entry.id}`);
  expect(lab.store.list()).toEqual([]);
  expect(await lab.cache.drop(entry.task)).toBe(false);
});

describe('a read that broke off when others have come to the end meanwhile', () => {
  /** Others have it by the time that the read is tried again. */
  async function brokenLab(again: () => void = () => undefined) {
    const other = cacheLab();
    other.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    const { entry: full } = await filled(other, specOf(URL));
    const theirs: ContentTier = {
      ...NO_HOSTS.tier,
      read: async (_, { start, end }, into) => full.stored.read(start, into.subarray(0, end - start)),
    };
    let found = false;
    const lab = cacheLab({
      hosts: { ...NO_HOSTS, tier: theirs },
      manifestFromHosts: async () => (found ? full.manifest : undefined),
      delay: async () => {
        found = true;
        again();
      },
    });
    lab.source.serve(URL, { bytes: BYTES, etag: '"1"', cutAt: 200_000 });
    return { lab, full };
  }

  test('does not go on: the rest is theirs to give', async () => {
    const { lab, full } = await brokenLab();
    const { entry } = await lab.open(specOf(URL));
    expect(entry.id).toBe(full.id);
    await entry.whenSettled();
    expect([entry.fault, entry.manifest]).toEqual([undefined, full.manifest]);
    await vi.waitFor(() => expect(entry.stored.complete).toBe(true));
    const whole = Buffer.alloc(BYTES.length);
    await entry.stored.read(0, whole);
    expect(whole.equals(BYTES)).toBe(true);
    expect(lab.source.asked).toEqual(['plain']);
    expect(lab.told).toContain(`completed ${entry.id}`);
    await lab.cache.close();
  });

  test('ends for those who wait when the disk does not take what it is', async () => {
    const full = new Fault('no-space', 'no space left on the disk');
    const { lab } = await brokenLab(() => {
      for (const stored of lab.store.list()) vi.spyOn(stored, 'annotate').mockRejectedValue(full);
    });
    const { entry } = await lab.open(specOf(URL));
    await entry.whenSettled();
    expect([entry.fault, entry.manifest]).toEqual([full, undefined]);
    expect(lab.told).toContain(`broken ${entry.id}`);
    await lab.cache.close();
  });
});

describe('bytes other than those that the asker named', () => {
  const spec = specOf(URL, { digest: digestOf(BYTES) });
  const wrong = bytesOf(BYTES.length, 3);

  test('are not given once more to a host that has all of them and found it out first', async () => {
    const lab = cacheLab({ delay: () => new Promise(() => undefined) });
    const end = Promise.withResolvers<void>();
    const served = lab.source.serve(URL, { bytes: wrong, endGate: end.promise });
    const first = await lab.open(spec);
    await vi.waitFor(() => expect(first.entry.judging).toBe(true));
    served.bytes = BYTES;
    const second = lab.open(spec);
    end.resolve();
    const { entry } = await second;
    expect(entry).not.toBe(first.entry);
    expect(first.entry.fault?.code).toBe('digest-mismatch');
    await entry.whenSettled();
    expect([entry.fault, lab.source.asked.length]).toEqual([undefined, 2]);
  });

  test('a source that takes long to come to its end keeps nobody waiting', async () => {
    const lab = cacheLab();
    const end = Promise.withResolvers<void>();
    lab.source.serve(URL, { bytes: BYTES, endGate: end.promise });
    const first = await lab.open(spec);
    await vi.waitFor(() => expect(first.entry.judging).toBe(true));
    expect((await lab.open(spec)).entry).toBe(first.entry);
    end.resolve();
    await first.entry.whenSettled();
    expect(first.entry.fault).toBe(undefined);
  });
});
