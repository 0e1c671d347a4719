/** The registry of the tests, because what it misses no other test can find. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Image, makeImage, sha256, tarOf, writeLayout } from './image.ts';
import { Registry } from './registry.ts';
import { contentOf } from './registry-faults.ts';
import { TokenServer } from './registry-tokens.ts';

const KIB = 1024;

describe('an image', () => {
  test('is the same for the same description, and its digests are those of its bytes', () => {
    const spec = { layers: [10 * KIB, 700], platforms: ['linux/amd64', 'linux/arm64'] };
    const image = makeImage(spec);
    expect(image.root.digest).toBe(makeImage(spec).root.digest);
    expect(image.root.digest).not.toBe(makeImage({ ...spec, seed: 2 }).root.digest);
    expect([image.manifests.size, image.blobs.size, image.files.length]).toEqual([3, 6, 4]);
    for (const [digest, { bytes }] of [...image.manifests, ...image.blobs])
      expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  });

  test('has layers that are archives of a file, in the compression asked for', () => {
    for (const [compression, open] of [
      ['gzip', gunzipSync],
      ['zstd', zstdDecompressSync],
      ['none', (bytes: Buffer) => bytes],
    ] as const) {
      const { blobs, files } = makeImage({ layers: [5000], compression, form: 'docker' });
      const layer = [...blobs.values()].at(-1);
      const tar = open(layer?.bytes ?? Buffer.alloc(0));
      expect(tar.subarray(0, 100).toString().replaceAll('\0', '')).toBe(files[0]?.name);
      expect(sha256(tar.subarray(512, 5512))).toBe(files[0]?.sha256);
      expect(tar.length % 512).toBe(0);
    }
    expect(tarOf('a', Buffer.alloc(512)).length).toBe(4 * 512);
  });

  test('can be written as a layout', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dragonfly-layout-'));
    const image = makeImage({ layers: [100] });
    writeLayout(folder, image, 'v1');
    expect(readdirSync(join(folder, 'blobs', 'sha256'))).toHaveLength(3);
    expect(existsSync(join(folder, 'oci-layout'))).toBe(true);
    expect(readFileSync(join(folder, 'index.json'), 'utf8')).toContain(image.root.digest);
    rmSync(folder, { recursive: true });
  });
});

let registry: Registry;
let image: Image;
let layer: string;
let url: string;
let bytes: Buffer;
beforeEach(async () => {
  registry = await Registry.start();
  image = makeImage({ layers: [100 * KIB] });
  registry.add('a/b', 'v1', image);
  const blob = [...image.blobs.values()].at(-1);
  layer = blob?.digest ?? '';
  bytes = blob?.bytes ?? Buffer.alloc(0);
  url = `${registry.url}/v2/a/b/blobs/${layer}`;
});
afterEach(() => registry.close());

async function body(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

describe('a registry', () => {
  test('serves manifests by tag and digest to who accepts their form', async () => {
    const manifest = `${registry.url}/v2/a/b/manifests/`;
    for (const name of ['v1', image.root.digest]) {
      const response = await fetch(manifest + name);
      expect(response.headers.get('docker-content-digest')).toBe(image.root.digest);
      expect(await body(response)).toEqual(image.root.bytes);
    }
    expect((await fetch(`${manifest}v1`, { headers: { accept: 'text/plain' } })).status).toBe(404);
    expect((await fetch(`${manifest}none`)).status).toBe(404);
    expect(registry.manifestReads()).toHaveLength(2);
  });

  test('serves blobs and ranges of them, and counts', async () => {
    expect(await body(await fetch(url))).toEqual(bytes);
    for (const [range, start, end] of [
      ['bytes=10-19', 10, 20],
      ['bytes=1000-', 1000, bytes.length],
      ['bytes=-5', bytes.length - 5, bytes.length],
    ] as const) {
      const response = await fetch(url, { headers: { range } });
      expect(response.status).toBe(206);
      expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${bytes.length}`);
      expect(await body(response)).toEqual(bytes.subarray(start, end));
    }
    expect((await fetch(url, { headers: { range: `bytes=${bytes.length}-` } })).status).toBe(416);
    await fetch(url, { method: 'HEAD' });
    expect(registry.count(layer)).toMatchObject({ gets: 5, heads: 1 });
    expect(registry.count(layer).bodyBytes).toBe(2 * bytes.length + 10 - 1000 + 5);
    expect((await fetch(`${registry.url}/v2/other/blobs/${layer}`)).status).toBe(404);
  });

  test('cuts, by FIN and by RST, as often as it is told', async () => {
    for (const how of ['fin', 'rst'] as const) {
      registry.misbehave(layer, { cut: { how, afterBytes: 30 * KIB, times: 1 } });
      await expect(fetch(url).then(body)).rejects.toThrow();
      expect(await body(await fetch(url))).toEqual(bytes);
    }
  });

  test('flips a byte, lies about the length, ignores ranges, leaves the length out', async () => {
    registry.misbehave(layer, { corrupt: { atByte: 500, times: 1 } });
    const wrong = await body(await fetch(url));
    expect(wrong.findIndex((byte, at) => byte !== bytes[at])).toBe(500);
    expect(await body(await fetch(url))).toEqual(bytes);
    registry.misbehave(layer, { lie: { bytes: 10, times: 1 } });
    await expect(fetch(url).then(body)).rejects.toThrow();
    expect(await body(await fetch(url))).toEqual(bytes);
    registry.misbehave(layer, { lie: { bytes: -10 } });
    expect((await fetch(url)).headers.get('content-length')).toBe(String(bytes.length - 10));
    registry.misbehave(layer, { noRanges: true });
    expect((await fetch(url, { headers: { range: 'bytes=1-2' } })).status).toBe(200);
    registry.misbehave(layer, { chunked: true });
    const response = await fetch(url);
    expect(response.headers.get('content-length')).toBeNull();
    expect(await body(response)).toEqual(bytes);
  });

  test('refuses so often, with Retry-After in both forms', async () => {
    registry.misbehave(layer, { refuse: { status: 429, retryAfter: 'seconds', times: 1 } });
    registry.refusesHeads = true;
    const first = await fetch(url);
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '1']);
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(405);
    registry.misbehave(layer, { refuse: { status: 503, retryAfter: 'date' } });
    const second = await fetch(url);
    expect(Math.abs(Date.parse(second.headers.get('retry-after') ?? '') - Date.now())).toBeLessThan(60_000);
    registry.refuseManifest('a/b:v1', { status: 500, times: 1 });
    expect((await fetch(`${registry.url}/v2/a/b/manifests/v1`)).status).toBe(500);
    expect((await fetch(`${registry.url}/v2/a/b/manifests/v1`)).status).toBe(200);
  });

  test('redirects to a signed URL on another host that is soon over', async () => {
    registry.misbehave(layer, { redirect: { uses: 1 } });
    const { headers, status } = await fetch(url, { redirect: 'manual' });
    const place = headers.get('location') ?? '';
    expect([status, new URL(place).host === registry.host]).toEqual([307, false]);
    expect((await fetch(place.replace('Signature=', 'Signature=0'))).status).toBe(403);
    registry.misbehave(layer, { redirect: { uses: 1 } });
    const again = (await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '';
    expect(await body(await fetch(again))).toEqual(bytes);
    expect((await fetch(again)).status).toBe(403);
  });

  test('changes its ETag and hangs', async () => {
    registry.misbehave(layer, { changingEtag: true });
    const tags = await Promise.all([fetch(url), fetch(url)]);
    expect(tags[0]?.headers.get('etag')).not.toBe(tags[1]?.headers.get('etag'));
    registry.misbehave(layer, { hang: { afterBytes: 1000, times: 1 } });
    const hung = await fetch(url);
    const reader = hung.body?.getReader();
    expect((await reader?.read())?.value).toHaveLength(1000);
    await reader?.cancel();
    expect(await body(await fetch(url))).toEqual(bytes);
  });

  test('serves contents that are made as they are read', async () => {
    registry.addBlob('made', 'sha256:made', contentOf(Buffer.from('abc')));
    expect(await (await fetch(`${registry.url}/v2/made/blobs/sha256:made`)).text()).toBe('abc');
  });
});

describe('a registry with bearer tokens', () => {
  test('says where tokens are, and takes those of the right scope until they are over', async () => {
    const tokens = await TokenServer.start({ users: { robin: 'secret' } });
    const closed = await Registry.start({ auth: { type: 'bearer', tokens } });
    closed.add('a/b', 'v1', image);
    const place = `${closed.url}/v2/a/b/manifests/v1`;
    const challenge = (await fetch(place)).headers.get('www-authenticate') ?? '';
    expect(challenge).toBe(tokens.challenge('repository:a/b:pull'));
    const ask = (scope: string, user: string) =>
      fetch(`${tokens.realm}?service=x&scope=${scope}`, {
        headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
      });
    expect((await ask('repository:a/b:pull', 'robin:wrong')).status).toBe(401);
    const { token } = (await (await ask('repository:a/b:pull', 'robin:secret')).json()) as { token: string };
    const other = (await (await ask('repository:other:pull', 'robin:secret')).json()) as { token: string };
    const status = async (text: string) =>
      (await fetch(place, { headers: { authorization: `Bearer ${text}` } })).status;
    expect([await status(token), await status(other.token), await status('x')]).toEqual([200, 401, 401]);
    expect([tokens.count('repository:a/b:pull'), tokens.refused]).toEqual([1, 1]);
    await Promise.all([tokens.close(), closed.close()]);
  });

  test('or with Basic', async () => {
    const closed = await Registry.start({ auth: { type: 'basic', user: 'robin', password: 'secret' } });
    const ask = (user: string) =>
      fetch(`${closed.url}/v2/`, { headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` } });
    expect([(await ask('robin:secret')).status, (await ask('robin:x')).status]).toEqual([200, 401]);
    await closed.close();
  });
});
