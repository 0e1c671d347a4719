import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { ask, started } from './daemon.fixture.ts';
import { digestOf, FakeRegistry } from './registry.fixture.ts';

// A loaded machine is slow, not wrong.
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;

describe('as a mirror', () => {
  test('an image comes through it, each blob read once, with the headers of the registry', async () => {
    const { registry, get } = await started();
    const layers = [randomBytes(3 * MIB + 17), randomBytes(5)];
    const manifest = registry.addImage('library/app', 'latest', layers);
    const tag = await get('/v2/library/app/manifests/latest?ns=');
    expect([tag.status, tag.headers['docker-content-digest']]).toEqual([200, manifest]);
    for (const layer of layers) {
      const digest = digestOf(layer);
      for (let time = 0; time < 2; time++) {
        const answer = await get(`/v2/library/app/blobs/${digest}`);
        expect(answer.body.equals(layer)).toBe(true);
        expect(answer).toMatchObject({ status: 200, whole: true });
        expect(answer.headers).toMatchObject({
          'content-length': String(layer.length),
          'content-type': 'application/octet-stream',
          'docker-content-digest': digest,
          etag: `"${digest}"`,
        });
      }
      expect([registry.count('GET', digest), registry.count('HEAD', digest)]).toEqual([1, 0]);
    }
  });

  test('the query of containerd does not reach the registry', async () => {
    const { registry, get } = await started();
    registry.addImage('a', 'one', []);
    const ns = encodeURIComponent(registry.host);
    expect((await get(`/v2/a/manifests/one?ns=${ns}`)).status).toBe(200);
    expect(registry.seen.at(-1)?.url).toBe('/v2/a/manifests/one');
  });

  test.each([
    ['the path before /v2/', (host: string) => [`/${host}/v2/a/manifests/one`, {}] as const],
    ['the path after /v2/', (host: string) => [`/v2/${host}/a/manifests/one`, {}] as const],
    ['the header', (host: string) => ['/v2/a/manifests/one', { 'X-Dragonfly-Registry': `http://${host}` }] as const],
    ['ns', (host: string) => [`/v2/a/manifests/one?ns=${host}`, {}] as const],
  ])('another registry is named by %s', async (_, how) => {
    const { get } = await started();
    const other = await new FakeRegistry().start();
    try {
      const digest = other.addImage('a', 'one', []);
      const [path, headers] = how(other.host);
      const answer = await get(path, headers);
      expect([answer.status, answer.headers['docker-content-digest']]).toEqual([200, digest]);
      expect(other.seen.at(-1)?.lines).not.toContain('X-Dragonfly-Registry');
    } finally {
      await other.close();
    }
  });

  test('a range is answered with 206 and the bytes of it, a range beyond the end with 416', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(2 * MIB);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    const part = await get(path, { Range: 'bytes=1000000-1499999' });
    expect(part.status).toBe(206);
    expect(part.headers['content-range']).toBe(`bytes 1000000-1499999/${blob.length}`);
    expect(part.body.equals(blob.subarray(1_000_000, 1_500_000))).toBe(true);
    const tail = await get(path, { Range: 'bytes=-47' });
    expect(tail.body.equals(blob.subarray(-47))).toBe(true);
    const resumed = await get(path, { Range: `bytes=${blob.length - 9}-` });
    expect([resumed.status, resumed.body.length]).toEqual([206, 9]);
    const beyond = await get(path, { Range: `bytes=${blob.length}-` });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${blob.length}`]);
  });

  test('small ranges bring the pieces that they need and no others, in any order and many at once', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(24 * MIB);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    const size = 64 * 1024;
    const starts = Array.from({ length: 24 }, (_, at) => ((at * 7) % 24) * MIB + 12_345);
    const one = async (start: number) => {
      const answer = await get(path, { Range: `bytes=${start}-${start + size - 1}` });
      expect([answer.status, answer.body.equals(blob.subarray(start, start + size))]).toEqual([206, true]);
    };
    for (const start of starts.slice(0, 8)) await one(start);
    await Promise.all(starts.slice(8).map(one));
    const asked = registry.seen.filter(({ method }) => method === 'GET').map(({ range }) => spanOf(range));
    const read = asked.slice(1).reduce((sum, { start, end }) => sum + Math.min(end, blob.length) - start, 0);
    // Pieces of 128 KiB: a range touches two of them at most; and one that had to wait long was asked for by itself, too.
    expect(read).toBeLessThanOrEqual(starts.length * (2 * 128 * 1024 + size));
  });

  test('who reads it all after that gets it all, and it is read once', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(8 * MIB);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    await get(path, { Range: 'bytes=4000000-4000099' });
    expect((await get(path)).body.equals(blob)).toBe(true);
    const before = registry.count('GET', path);
    expect((await get(path)).body.equals(blob)).toBe(true);
    expect(registry.count('GET', path)).toBe(before);
  });

  test('an error is the answer of the registry', async () => {
    const { get } = await started();
    const answer = await get(`/v2/a/blobs/sha256:${'0'.repeat(64)}`);
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toBe('{"errors":[{"code":"BLOB_UNKNOWN"}]}');
  });

  test('a place that the registry names for an upload leads back to the mirror', async () => {
    const { registry, daemon } = await started();
    const path = `/${registry.host}/v2/up/blobs/uploads/`;
    const answer = await ask({ host: '127.0.0.1', port: daemon.port, method: 'POST', path });
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/${registry.host}/v2/up/blobs/uploads/1?state=x`);
  });
});

/** Of a Range header with exclusive end. */
function spanOf(range = 'bytes=0-'): { start: number; end: number } {
  const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  return { start: Number(from), end: to === '' ? Number.POSITIVE_INFINITY : Number(to) + 1 };
}

describe('private blobs', () => {
  const basic = 'Basic dTpw';

  test('go only to a client whose own credentials the registry accepts', async () => {
    const { registry, get } = await started();
    const layer = randomBytes(100_000);
    registry.addImage('secret', 'v1', [layer]);
    registry.accepted.set('secret', new Set([basic]));
    const path = `/v2/secret/blobs/${digestOf(layer)}`;
    expect((await get(path, { Authorization: basic })).body.equals(layer)).toBe(true);
    const anonymous = await get(path);
    expect([anonymous.status, anonymous.headers['www-authenticate']]).toEqual([401, 'Basic realm="test"']);
    expect((await get(path, { Authorization: 'Basic eDp5' })).status).toBe(401);
    registry.accepted.set('open', new Set(['Basic eDp5']));
    expect((await get(`/v2/other/blobs/${digestOf(layer)}`)).status).toBe(200);
  });

  test('of one manifest cost one question however many are asked for at once', async () => {
    const { registry, get } = await started();
    const layers = Array.from({ length: 20 }, () => randomBytes(2_000));
    const manifest = registry.addImage('secret', 'v1', layers);
    registry.accepted.set('secret', new Set([basic, 'Basic eDp5']));
    await get('/v2/secret/manifests/v1', { Authorization: basic });
    const heads = () => registry.count('HEAD', '');
    await Promise.all(layers.map((layer) => get(`/v2/secret/blobs/${digestOf(layer)}`, { Authorization: basic })));
    expect(heads()).toBe(0);
    await Promise.all(
      layers.map((layer) => get(`/v2/secret/blobs/${digestOf(layer)}`, { Authorization: 'Basic eDp5' })),
    );
    expect([heads(), registry.count('HEAD', manifest)]).toEqual([1, 1]);
  });

  test('are read with the credentials of the configuration where it says so', async () => {
    const other = await new FakeRegistry().start();
    try {
      const folder = mkdtempSync(join(tmpdir(), 'dfd-'));
      writeFileSync(join(folder, 'password'), 'p\n');
      const own = {
        host: other.host,
        remote: `http://${other.host}`,
        credentials: 'own',
        username: 'u',
        password_file: join(folder, 'password'),
      };
      const { get } = await started({ REGISTRIES: [own] });
      const layer = randomBytes(100_000);
      other.addImage('secret', 'v1', [layer]);
      other.accepted.set('secret', new Set([basic]));
      const path = `/${other.host}/v2/secret/blobs/${digestOf(layer)}`;
      const answer = await get(path, { Authorization: 'Basic eDp5' });
      expect(answer.body.equals(layer)).toBe(true);
      expect(other.seen.some(({ authorization }) => authorization === 'Basic eDp5')).toBe(false);
      rmSync(folder, { recursive: true });
    } finally {
      await other.close();
    }
  });
});

describe('what passes through', () => {
  test('method, repeated lines, bodies and trailers are untouched both ways', async () => {
    const { registry, daemon } = await started();
    const body = [randomBytes(70_000), randomBytes(100_000)];
    const answer = await ask(
      {
        ...{ host: '127.0.0.1', port: daemon.port, method: 'PATCH', path: '/v2/up/blobs/uploads/1?a=b' },
        headers: [
          'Host',
          'mirror',
          'Accept',
          'one',
          'Accept',
          'two',
          'Transfer-Encoding',
          'chunked',
          'Trailer',
          'X-End',
        ],
      },
      body,
      [['X-End', 'yes']],
    );
    const echo = JSON.parse(answer.body.toString()) as Record<string, unknown> & { lines: string[] };
    expect(echo).toMatchObject({
      method: 'PATCH',
      url: '/v2/up/blobs/uploads/1?a=b',
      bytes: 170_000,
      trailers: ['X-End', 'yes'],
    });
    expect(`sha256:${String(echo.sha256)}`).toBe(digestOf(Buffer.concat(body)));
    expect(echo.lines.filter((_, at) => echo.lines[at - 1] === 'Accept')).toEqual(['one', 'two']);
    expect(echo.lines.filter((_, at) => echo.lines[at - 1] === 'Host')).toEqual([registry.host]);
    expect(answer.lines.filter((line) => line === 'X-Repeated')).toHaveLength(2);
    expect(answer.trailers).toEqual(['X-Trailer', 'after']);
  });
});
