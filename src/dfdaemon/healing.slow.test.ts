import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { World } from './daemon.fixture.ts';
import { digestOf } from './registry.fixture.ts';

// A loaded machine is slow, not wrong.
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;
let world: World | undefined;

async function started(settings?: Readonly<Record<string, unknown>>) {
  const made = await World.start(settings);
  world = made;
  return { registry: made.registry, daemon: made.daemon, get: made.get.bind(made) };
}

afterEach(async () => {
  await world?.close();
  world = undefined;
});

describe('healing', () => {
  test('a source that cuts again and again does not show', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(3 * MIB);
    let cuts = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET' || cuts++ >= 2) return false;
      response.writeHead(200, { 'Content-Length': bytes.length, ETag: '"x"' });
      response.write(bytes.subarray(0, MIB), () => response.destroy());
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.status, answer.whole, answer.body.equals(blob)]).toEqual([200, true, true]);
    expect(cuts).toBeGreaterThanOrEqual(2);
  });

  test('a disk that is full does not show: straight from the registry, and still proved', async () => {
    const { registry, get } = await started({ CACHE_QUOTA: '1M' });
    const blob = randomBytes(3 * MIB);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    const answer = await get(path);
    expect([answer.status, answer.whole, answer.body.equals(blob)]).toEqual([200, true, true]);
    expect(answer.headers).toMatchObject({
      'content-length': String(blob.length),
      'docker-content-digest': digestOf(blob),
    });
    const part = await get(path, { Range: 'bytes=1000000-1999999' });
    expect([part.status, part.body.equals(blob.subarray(1_000_000, 2_000_000))]).toEqual([206, true]);
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET') return false;
      const wrong = Buffer.from(bytes);
      wrong[5] = (wrong[5] ?? 0) ^ 1;
      response.writeHead(200, { 'Content-Length': wrong.length });
      response.end(wrong);
      return true;
    };
    expect((await get(path)).whole).toBe(false);
    expect(JSON.parse((await get('/status')).body.toString())).toMatchObject({ contents: 0 });
    expect(JSON.parse((await get('/status')).body.toString()).bySource).toBeGreaterThanOrEqual(4_000_000);
  });

  test('busy answers are waited out, straight from the registry too', async () => {
    const { registry, get } = await started({ CACHE_QUOTA: '1M' });
    const blob = randomBytes(2 * MIB);
    let times = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET' || times++ >= 4) return false;
      if (times % 2 === 0) {
        response.writeHead(200, { 'Content-Length': bytes.length });
        response.write(bytes.subarray(0, MIB), () => response.destroy());
      } else {
        response.writeHead(times === 1 ? 429 : 503, { 'Retry-After': '0' });
        response.end();
      }
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.status, answer.whole, answer.body.equals(blob)]).toEqual([200, true, true]);
  });

  test('what the registry refuses for good is its own answer', async () => {
    const { registry, get } = await started();
    registry.misbehave = (request, response) => {
      if (request.method !== 'GET') return false;
      response.writeHead(451, { 'X-Why': 'law' });
      response.end('no');
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(randomBytes(10))}`);
    expect([answer.status, answer.headers['x-why'], answer.body.toString()]).toEqual([451, 'law', 'no']);
  });

  test('a registry without HEAD and without ranges is none the worse', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(600_000);
    registry.misbehave = (request, response, bytes) => {
      const status = request.method === 'HEAD' ? 405 : 200;
      response.writeHead(status, status === 405 ? { 'Content-Length': 0 } : {});
      response.end(request.method === 'HEAD' ? undefined : bytes);
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.status, answer.body.equals(blob)]).toEqual([200, true]);
  });

  test('a reader that goes away does not stop another, and a slow one costs no memory', async () => {
    const { registry, daemon, get } = await started();
    const blob = randomBytes(24 * MIB);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    const slow = connect(daemon.port, '127.0.0.1');
    slow.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(slow, 'readable');
    const leaving = httpRequest({ host: '127.0.0.1', port: daemon.port, path, agent: false }).end();
    const [first] = (await once(leaving, 'response')) as [IncomingMessage];
    first.once('data', () => leaving.destroy());
    leaving.on('error', () => undefined);
    first.on('error', () => undefined);
    const answer = await get(path);
    expect(answer.body.equals(blob)).toBe(true);
    slow.destroy();
  });

  test('a source that hangs is left for another read of it', async () => {
    const { registry, get } = await started({ STALL: '1s' });
    const blob = randomBytes(3 * MIB);
    let times = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET' || times++ > 0) return false;
      response.writeHead(200, { 'Content-Length': bytes.length, ETag: '"x"' });
      response.write(bytes.subarray(0, MIB));
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.whole, answer.body.equals(blob)]).toEqual([true, true]);
  });

  test('a signed address that expires is asked for anew', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(3 * MIB);
    let signatures = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET') return false;
      response.writeHead(307, { Location: `/storage/blob?sig=${++signatures}`, 'Content-Length': 0 });
      response.end();
      registry.files.set(`/storage/blob?sig=${signatures}`, bytes);
      registry.misbehave = (asked, answer, whole) => {
        if (asked.method !== 'GET') return false;
        const isStorage = asked.url?.startsWith('/storage') === true;
        if (!isStorage) {
          registry.files.delete(`/storage/blob?sig=${signatures}`);
          registry.files.set(`/storage/blob?sig=${++signatures}`, whole);
          answer.writeHead(307, { Location: `/storage/blob?sig=${signatures}`, 'Content-Length': 0 });
          answer.end();
          return true;
        }
        if (signatures > 2) return false;
        answer.writeHead(200, { 'Content-Length': whole.length, ETag: '"s"', 'Accept-Ranges': 'bytes' });
        answer.write(whole.subarray(0, MIB), () => answer.destroy());
        return true;
      };
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.status, answer.whole, answer.body.equals(blob)]).toEqual([200, true, true]);
    expect(signatures).toBeGreaterThan(2);
  });

  test('a validator that changes with every answer does not matter where a digest names the bytes', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(3 * MIB);
    let times = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET') return false;
      response.writeHead(200, { 'Content-Length': bytes.length, ETag: `"${++times}"`, 'Accept-Ranges': 'bytes' });
      if (times > 2) response.end(bytes);
      else response.write(bytes.subarray(0, times * MIB), () => response.destroy());
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.status, answer.whole, answer.body.equals(blob)]).toEqual([200, true, true]);
  });

  test('a registry that stays busy says so itself in the end', async () => {
    const { registry, get } = await started();
    registry.misbehave = (request, response) => {
      if (request.method !== 'GET') return false;
      response.writeHead(429, { 'Retry-After': '0', 'X-Why': 'limit' });
      response.end('slow down');
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(randomBytes(10))}`);
    expect([answer.status, answer.headers['x-why']]).toEqual([429, 'limit']);
  });

  test('a content of another digest is never whole', async () => {
    const { registry, get } = await started();
    const blob = randomBytes(300_000);
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET') return false;
      const wrong = Buffer.from(bytes);
      wrong[150_000] = (wrong[150_000] ?? 0) ^ 1;
      response.writeHead(200, { 'Content-Length': wrong.length });
      response.end(wrong);
      return true;
    };
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([answer.whole, answer.body.length < blob.length]).toEqual([false, true]);
  });
});
