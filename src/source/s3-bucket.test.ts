import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestS3 } from '../../test/support/s3.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { S3Bucket } from './s3-bucket.ts';

const KEYS = { AKIDWRITER: 'a secret' };
const ENV = { AWS_ACCESS_KEY_ID: 'AKIDWRITER', AWS_SECRET_ACCESS_KEY: 'a secret' };
const NEVER = new AbortController().signal;
const WATCH = { signal: NEVER, arrived: () => undefined };

let store: TestS3;
let bucket: S3Bucket;
beforeEach(async () => {
  store = await TestS3.start({ keys: KEYS, region: 'eu-central-1' });
  store.put('bucket', 'there', Buffer.from('x'));
  bucket = open();
});
afterEach(async () => {
  await bucket.close();
  await store.close();
});

function open(env: Record<string, string> = ENV, region = 'eu-central-1'): S3Bucket {
  const settings = { endpoint: store.endpoint, region };
  return new S3Bucket({ url: 's3://bucket/cache/one', settings, env, wallNow: Date.now, stallMs: 5_000 });
}

describe('a bucket of our own', () => {
  test('takes an object whole, and gives ranges of it', async () => {
    const bytes = bytesOf(100_000);
    await bucket.put('a b/c+d', bytes, NEVER);
    expect(store.object('bucket', 'cache/one/a b/c+d')?.equals(bytes)).toBe(true);
    const into = Buffer.alloc(90_000);
    const arrived: number[] = [];
    const watch = { signal: NEVER, arrived: (count: number) => arrived.push(count) };
    await bucket.read('a b/c+d', { start: 5_000, end: 95_000 }, into, watch);
    expect(into.equals(bytes.subarray(5_000, 95_000))).toBe(true);
    expect(arrived.at(-1)).toBe(90_000);
    expect(arrived).toEqual(arrived.toSorted((a, b) => a - b));
    expect(store.requests.every(({ signed }) => signed)).toBe(true);
  });

  test('takes an object in parts, which is not there before the last one', async () => {
    const bytes = bytesOf(300_000);
    const upload = await bucket.begin('large', NEVER);
    const parts = [];
    for (const number of [1, 2, 3])
      parts.push(
        await bucket.putPart('large', upload, number, bytes.subarray((number - 1) * 100_000, number * 100_000), NEVER),
      );
    expect(await bucket.text('large', NEVER)).toBeUndefined();
    await bucket.finish('large', upload, parts, NEVER);
    expect(store.object('bucket', 'cache/one/large')?.equals(bytes)).toBe(true);
    expect(store.uploads.size).toBe(0);
  });

  test('leaves no parts behind when an upload is given up', async () => {
    const upload = await bucket.begin('large', NEVER);
    await bucket.putPart('large', upload, 1, bytesOf(1_000), NEVER);
    await bucket.abandon('large', upload, NEVER);
    expect(store.uploads.size).toBe(0);
    await bucket.delete('large', NEVER);
  });

  test('finds its region from the store’s answer', async () => {
    const elsewhere = open(ENV, 'us-east-1');
    await elsewhere.put('r', 'text', NEVER);
    expect(await elsewhere.text('r', NEVER)).toBe('text');
    await elsewhere.close();
    expect(store.requests.filter(({ status }) => status === 400)).toHaveLength(1);
  });

  test('says what is wrong: keys, a missing object, a store that is gone or busy', async () => {
    const wrong = open({ ...ENV, AWS_SECRET_ACCESS_KEY: 'another' });
    await expect(wrong.put('x', 'y', NEVER)).rejects.toMatchObject({ code: 'source-refused', sourceStatus: 403 });
    await wrong.close();
    const into = Buffer.alloc(1);
    const read = bucket.read('nothing', { start: 0, end: 1 }, into, WATCH);
    await expect(read).rejects.toMatchObject({ code: 'source-refused', sourceStatus: 404 });
    store.failing = { status: 503, times: 1 };
    await expect(bucket.put('x', 'y', NEVER)).rejects.toMatchObject({ code: 'source-unreachable', sourceStatus: 503 });
    await bucket.put('x', 'y', NEVER);
    const short = bucket.read('x', { start: 0, end: 2 }, Buffer.alloc(2), WATCH);
    await expect(short).rejects.toMatchObject({ code: 'source-lied' });
  });

  test('knows which URLs are its own', () => {
    expect(bucket.owns('s3://bucket/cache/one/x')).toBe(true);
    expect(bucket.owns('s3://bucket/cache/%6Fne/x')).toBe(true);
    expect(bucket.owns('s3://bucket/cache/ones')).toBe(false);
    expect(bucket.owns('s3://other/cache/one/x')).toBe(false);
  });
});
