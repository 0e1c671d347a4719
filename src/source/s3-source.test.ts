import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestS3 } from '../../test/support/s3.ts';
import { Fault } from '../protocol/faults.ts';
import { accessOf, objectUrl, parseS3Url } from './s3-access.ts';
import { readListing } from './s3-listing.ts';
import { checkSignature, signQuery } from './s3-signature.ts';
import type { SourceAnswer, SourceEntry, SourceRequest } from './source.ts';
import { createSources, type Sources } from './sources.ts';

const KEYS = { AKIATEST: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCY' };
const DATA = Buffer.from('0123456789');
const ODD = "a b/ü+&'()*!%/~x=y.txt";

let store: TestS3;
let open: TestS3;
const folder = mkdtempSync(join(tmpdir(), 's3-source-'));
const made: Sources[] = [];

beforeAll(async () => {
  store = await TestS3.start({ keys: KEYS, region: 'eu-central-1', pageSize: 2 });
  open = await TestS3.start();
  for (const each of [store, open])
    for (const key of ['dir/a', 'dir/b', 'dir/sub/c', 'dir/', 'dirty', ODD]) each.put('bucket', key, DATA);
});
afterAll(async () => {
  await Promise.all([store.close(), open.close(), ...made.map((sources) => sources.close())]);
  rmSync(folder, { recursive: true });
});

function sourcesWith(env: Record<string, string>, endpoint = store.endpoint): Sources {
  const sources = createSources({
    wallNow: Date.now,
    env: { HOME: folder, AWS_ENDPOINT_URL: endpoint, AWS_REGION: 'eu-central-1', ...env },
  });
  made.push(sources);
  return sources;
}

const OWN = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: KEYS.AKIATEST };

async function bytes(answer: SourceAnswer): Promise<string> {
  if (answer.type !== 'body') return answer.type;
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString();
}

function ask(key: string, more: Partial<SourceRequest> = {}): SourceRequest {
  return { url: `s3://bucket/${key}`, headers: [], stallMs: 5_000, ...more };
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error('it did not fail with a Fault', { cause: error });
}

async function all(entries: AsyncIterable<SourceEntry>): Promise<SourceEntry[]> {
  const found: SourceEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

describe('an object', () => {
  it.each([
    ['a plain key', 'dir/a'],
    ['a key with every odd character', ODD.split('/').map(encodeURIComponent).join('/')],
  ])('is read with a signature that the store finds right: %s', async (_, key) => {
    const answer = await sourcesWith(OWN).open(ask(key));
    expect(answer).toMatchObject({ type: 'body', length: 10, facts: { ranges: true } });
    expect(await bytes(answer)).toBe('0123456789');
  });

  it('is read in ranges and under conditions', async () => {
    const sources = sourcesWith(OWN);
    const { facts } = await sources.open(ask('dir/a'));
    const range = { start: 3, end: 6 };
    expect(await bytes(await sources.open(ask('dir/a', { range, ifRange: facts })))).toBe('345');
    expect(await bytes(await sources.open(ask('dir/a', { ifChanged: facts })))).toBe('unchanged');
  });

  it('is not read with a wrong key, nor without one where the store wants it', async () => {
    const wrong = sourcesWith({ ...OWN, AWS_SECRET_ACCESS_KEY: 'not-the-one' });
    const fault = await faultOf(wrong.open(ask('dir/a')));
    expect(fault).toMatchObject({ code: 'source-refused', sourceStatus: 403 });
    expect(fault.message).not.toMatch(/AKIA|not-the-one|Signature/);
    expect(store.refusal).toBe('SignatureDoesNotMatch');
    await faultOf(sourcesWith(OWN).open(ask('dir/a', { s3: { anonymous: true } })));
    expect(store.refusal).toBe('AccessDenied');
    expect(await bytes(await sourcesWith({}, open.endpoint).open(ask('dir/a')))).toBe('0123456789');
  });

  it('is not signed in our name where the asker chooses the place, unless it is ours', async () => {
    const sources = sourcesWith(OWN);
    const elsewhere = ask('dir/a', { s3: { endpoint: open.endpoint, region: 'eu-central-1' } });
    expect(await bytes(await sources.open(elsewhere))).toBe('0123456789');
    expect(open.requests.at(-1)?.signed).toBe(false);
    const ours = ask('dir/a', { s3: { endpoint: `${store.endpoint}/` } });
    expect(await bytes(await sources.open(ours))).toBe('0123456789');
    expect(store.requests.at(-1)?.signed).toBe(true);
  });

  it('is found in another region when the store tells which', async () => {
    const wrong = sourcesWith({ ...OWN, AWS_REGION: 'not/a.region' });
    expect(await faultOf(wrong.open(ask('dir/a')))).toMatchObject({ code: 'usage' });
    const before = store.requests.length;
    const guessing = createSources({
      wallNow: Date.now,
      env: { HOME: folder, AWS_ENDPOINT_URL: store.endpoint, AWS_REGION: '', ...OWN },
    });
    made.push(guessing);
    expect(await bytes(await guessing.open(ask('dir/a')))).toBe('0123456789');
    expect(await bytes(await guessing.open(ask('dir/b')))).toBe('0123456789');
    expect(store.requests.slice(before).map(({ status }) => status)).toEqual([400, 206, 206]);
  });

  it('is read with the credentials of a profile, and a named one goes before the environment', async () => {
    writeFileSync(
      join(folder, 'credentials'),
      `[default]\naws_access_key_id = x\n\n[ci]\naws_access_key_id=AKIATEST\naws_secret_access_key = ${KEYS.AKIATEST}\n`,
    );
    writeFileSync(join(folder, 'config'), '[profile ci]\nregion = eu-central-1 # home\n');
    const files = { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_CONFIG_FILE: join(folder, 'config') };
    expect(await bytes(await sourcesWith({ ...files, AWS_PROFILE: 'ci' }).open(ask('dir/a')))).toBe('0123456789');
    const env = { ...files, ...OWN, AWS_SECRET_ACCESS_KEY: 'old' };
    const named = await accessOf({}, { profile: 'ci' }, env);
    expect(named.credentials?.secretAccessKey).toBe(KEYS.AKIATEST);
    expect((await accessOf({}, {}, { ...env, AWS_PROFILE: 'ci' })).credentials?.secretAccessKey).toBe('old');
    await expect(accessOf({}, { profile: 'none' }, env)).rejects.toThrow('no profile "none"');
  });
});

describe('a signature that an asker made', () => {
  it('lets a reader without keys read the one object, the same all the hour', async () => {
    const wallNow = Date.now();
    const hour = Math.floor(wallNow / 3_600_000) * 3_600_000;
    const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: KEYS.AKIATEST };
    const request = { url: `${store.endpoint}/bucket/dir/a`, headers: [], region: 'eu-central-1', credentials };
    const signature = await signQuery(request, wallNow);
    expect(await signQuery(request, hour)).toBe(signature);
    expect(signature).not.toContain(encodeURIComponent(KEYS.AKIATEST));
    const sources = sourcesWith({});
    expect(await bytes(await sources.open(ask('dir/a', { signature })))).toBe('0123456789');
    expect(await bytes(await sources.open(ask('dir/a', { signature, range: { start: 8 } })))).toBe('89');
    await faultOf(sources.open(ask('dir/b', { signature })));
    expect(store.refusal).toBe('SignatureDoesNotMatch');
  });

  it.each([
    'X-Amz-Signature=a&partNumber=1',
    'versionId=2',
    'X-Amz-Signature=a&X-Amz-Signature=b',
    'response-content-type=x',
  ])('is refused when it could change what is read: %s', (query) => {
    expect(() => checkSignature(query, 'https://b.example/k')).toThrow(Fault);
    expect(() => checkSignature('X-Amz-Signature=a&versionId=1', 'https://b.example/k?versionId=1')).not.toThrow();
  });
});

describe('a prefix', () => {
  it('is listed page by page, without what only begins like it', async () => {
    const before = store.requests.length;
    const found = await all(sourcesWith(OWN).list({ url: 's3://bucket/dir', headers: [], stallMs: 5_000 }));
    expect(found.map(({ path, bytes: size }) => [path, size])).toEqual([
      ['a', 10],
      ['b', 10],
      ['sub/c', 10],
    ]);
    expect(store.requests.length - before).toBe(2);
    expect(await bytes(await sourcesWith(OWN).open({ ...ask(''), url: found[2]?.url ?? '' }))).toBe('0123456789');
  });

  it('may be the whole bucket, with every odd key', async () => {
    const found = await all(sourcesWith({}, open.endpoint).list({ url: 's3://bucket', headers: [], stallMs: 5_000 }));
    expect(found.map(({ path }) => path)).toEqual([ODD, 'dir/a', 'dir/b', 'dir/sub/c', 'dirty']);
    expect(parseS3Url(found[0]?.url ?? '').key).toBe(ODD);
  });

  it('is told apart from what is no listing, and takes keys in plain XML too', () => {
    expect(() => readListing('<html>')).toThrow('no listing');
    const xml = '<ListBucketResult><Contents><Key>a&amp;b&#x20;c</Key><Size>x</Size></Contents></ListBucketResult>';
    expect(readListing(xml)).toEqual({ objects: [{ key: 'a&b c', bytes: null }], next: undefined });
  });
});

describe('the address of a bucket', () => {
  const place = (more: object) => ({ endpoint: undefined, region: 'eu-west-1', pathStyle: undefined, ...more });
  it.each([
    [{}, 'https://bucket.s3.eu-west-1.amazonaws.com/k'],
    [{ region: 'cn-north-1' }, 'https://bucket.s3.cn-north-1.amazonaws.com.cn/k'],
    [{ pathStyle: true }, 'https://s3.eu-west-1.amazonaws.com/bucket/k'],
    [{ endpoint: 'http://minio:9000' }, 'http://minio:9000/bucket/k'],
    [{ endpoint: 'http://minio:9000/s3' }, 'http://minio:9000/s3/bucket/k'],
    [{ endpoint: 'https://store.example', pathStyle: false }, 'https://bucket.store.example/k'],
  ])('%j is %s', (more, url) => {
    expect(objectUrl(place(more), 'bucket', 'k')).toBe(url);
  });

  it('has dots of the bucket in the path, which a certificate would not cover', () => {
    expect(objectUrl(place({}), 'my.bucket', 'k')).toBe('https://s3.eu-west-1.amazonaws.com/my.bucket/k');
  });

  it.each(['s3://u:p@bucket/k', 's3://bucket:80/k', 's3://b/k', 's3://bucket/k?x=1', 's3://bucket/100%'])(
    'cannot be told from %s',
    (url) => expect(() => parseS3Url(url)).toThrow(Fault),
  );
});
