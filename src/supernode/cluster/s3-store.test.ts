import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TestS3 } from '../../../test/support/s3.ts';
import { silentLog } from '../../io/log.ts';
import { taskOf } from '../../protocol/ids.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import { type CacheLab, cacheLab, filled, MINUTE, specOf } from '../cache/cache.fixture.ts';
import { createElsewhere, type Elsewhere } from './elsewhere.ts';
import { SECRET } from './records.fixture.ts';
import { partSizeFor } from './write-behind.ts';

const URL = 'http://source.example/file';
const BYTES = bytesOf(700_000);
const ENV = { AWS_ACCESS_KEY_ID: 'AKIDSTORE', AWS_SECRET_ACCESS_KEY: 'a secret' };

let s3: TestS3;
let open: Elsewhere[];
beforeEach(async () => {
  open = [];
  s3 = await TestS3.start({ keys: { AKIDSTORE: 'a secret' } });
  s3.put('contents', 'other', Buffer.from('not ours'));
});
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  await s3.close();
});

type Supernode = CacheLab & { readonly elsewhere: Elsewhere };

async function supernode(beside?: CacheLab, endpoint = s3.endpoint): Promise<Supernode> {
  let now = 0;
  const elsewhere = await createElsewhere({
    clock: { now: () => now++, wall: Date.now },
    log: silentLog,
    secret: SECRET,
    here: { ip: '127.0.0.1', port: 1 },
    holdings: () => [],
    s3: { url: 's3://contents/df', settings: { endpoint }, env: ENV, partBytes: 300_000, patienceMs: 60_000 },
    turn: async (most) => most,
  });
  open.push(elsewhere);
  const [events] = elsewhere.listeners;
  const lab = cacheLab({
    ...elsewhere.cacheParts,
    ...(events === undefined ? {} : { events }),
    ...(beside === undefined ? {} : { beside }),
  });
  return { ...lab, elsewhere };
}

/** A content that one supernode has read and written behind. */
async function written(freshForMs = MINUTE): Promise<{ first: Supernode; data: string; record: string }> {
  const first = await supernode();
  first.source.serve(URL, { bytes: BYTES, etag: '"1"', freshForMs });
  const { entry } = await filled(first, specOf(URL));
  const task = taskOf(entry.id);
  const record = `df/${task}/manifest.json`;
  await vi.waitFor(() => expect(s3.keys('contents')).toContain(record), { timeout: 60_000 });
  return { first, data: `df/${task}/${entry.id.slice(65)}`, record };
}

async function served(lab: CacheLab): Promise<boolean> {
  const { entry } = await filled(lab, specOf(URL));
  await vi.waitFor(() => expect(entry.stored.complete).toBe(true), { timeout: 60_000 });
  const whole = Buffer.alloc(BYTES.length);
  await entry.stored.read(0, whole);
  return whole.equals(BYTES);
}

describe('a content in the store behind', { timeout: 60_000 }, () => {
  test('comes there in parts, its record last, and is read from there by a supernode that has nothing', async () => {
    const { first, data } = await written();
    expect(s3.object('contents', data)?.equals(BYTES)).toBe(true);
    const puts = s3.requests.filter(({ method }) => method === 'PUT').map(({ target }) => target);
    expect(puts.at(-1)).toMatch(/manifest\.json$/);
    expect(puts.filter((target) => target.includes('partNumber'))).toHaveLength(3);
    const second = await supernode(first);
    expect(await served(second)).toBe(true);
    expect(second.source.bytesRead).toBe(BYTES.length);
    expect(second.source.asked).toEqual(['plain']);
    expect(s3.bytesOf('contents', data)).toBe(BYTES.length);
  });

  test('is written once, whoever has it', async () => {
    const { first } = await written();
    const before = s3.count('PUT');
    const second = await supernode(first);
    expect(await served(second)).toBe(true);
    await second.cache.close();
    await second.elsewhere.close();
    expect(s3.count('PUT')).toBe(before);
  });

  test('that is spoilt is read from the source for as much as is wrong', async () => {
    const { first, data } = await written();
    const spoilt = Buffer.from(BYTES);
    spoilt[400_000] = (spoilt[400_000] ?? 0) ^ 1;
    s3.put('contents', data, spoilt);
    const second = await supernode(first);
    expect(await served(second)).toBe(true);
    expect(second.source.asked).toEqual(['plain', `from ${3 * 128 * 1024}`]);
  });

  test.each([
    ['cut', (data: string) => s3.put('contents', data, BYTES.subarray(0, 100_000))],
    ['gone', (data: string) => s3.remove('contents', data)],
  ])('that is %s is read from the source', async (_, spoil) => {
    const { first, data } = await written();
    spoil(data);
    expect(await served(await supernode(first))).toBe(true);
    expect(first.source.asked.slice(1)).toEqual([expect.stringMatching(/^from 0/)]);
  });

  test('whose record is not signed by the cluster does not exist', async () => {
    const { first, record } = await written();
    const text = s3.object('contents', record)?.toString() ?? '';
    s3.put('contents', record, Buffer.from(text.replace('"signature":"', '"signature":"A')));
    const second = await supernode(first);
    expect(await served(second)).toBe(true);
    expect(second.source.asked).toEqual(['plain', 'plain']);
  });

  test('is asked about at its source in the asker’s name when it is not fresh', async () => {
    const { first } = await written(0);
    const second = await supernode(first);
    expect(await served(second)).toBe(true);
    expect(second.source.asked).toEqual(['plain', 'conditional']);
    expect(second.source.bytesRead).toBe(BYTES.length);
  });

  test('goes with the task when the operator drops it', async () => {
    const { first } = await written();
    const [task] = [...first.cache.entries].map((entry) => entry.task);
    await first.cache.drop(task as never);
    expect(s3.keys('contents')).toEqual(['other']);
  });
});

describe('a store behind', { timeout: 60_000 }, () => {
  test('that is busy is asked again', async () => {
    s3.failing = { status: 503, times: 2 };
    const { data } = await written();
    expect(s3.object('contents', data)?.equals(BYTES)).toBe(true);
  });

  test('that refuses costs nobody anything, and keeps no parts', async () => {
    s3.failing = { status: 403, times: 1_000 };
    const lab = await supernode();
    lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    expect(await served(lab)).toBe(true);
    await vi.waitFor(() => expect(s3.requests.some(({ status }) => status === 403)).toBe(true), { timeout: 60_000 });
    await lab.elsewhere.close();
    expect(s3.uploads.size).toBe(0);
    expect(s3.keys('contents')).toEqual(['other']);
  });

  test('that is not there costs nobody anything', async () => {
    const lab = await supernode(undefined, 'http://127.0.0.1:9');
    lab.source.serve(URL, { bytes: BYTES, etag: '"1"' });
    expect(await served(lab)).toBe(true);
  });

  test('is no source for those who ask', async () => {
    const { elsewhere } = await supernode();
    for (const url of ['s3://contents/df/x', 'S3://contents/df/y/z', 's3://contents/d%66/x'])
      expect(() => elsewhere.admit({ url })).toThrow(/own/);
    elsewhere.admit({ url: 's3://contents/other' });
    elsewhere.admit({ url: 'http://contents/df/x' });
    elsewhere.admit({ url: 's3://contents/df/x', signature: 'of the asker' });
  });

  test('takes a large content in larger parts, and none that is too long for it', () => {
    const mib = 1024 * 1024;
    expect(partSizeFor(100 * mib, 8 * mib)).toBe(8 * mib);
    expect(partSizeFor(100_000 * mib, 8 * mib)).toBe(16 * mib);
    expect(() => partSizeFor(1_000_000 * mib, 8 * mib)).toThrow(/too long/);
  });
});
