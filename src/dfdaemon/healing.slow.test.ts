import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { started, type World } from './daemon.fixture.ts';
import { digestOf } from './registry.fixture.ts';

// A loaded machine is slow, not wrong.
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;
/** Bytes go out as they come, of short blobs too. */
const STREAMED = { PROVE_UP_TO: '0' } as const;

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
    const { registry, get } = await started(STREAMED);
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

  /** One wrong byte, in those of the answers that `which` names; the first is 0. */
  function spoil(registry: World['registry'], which: (answer: number) => boolean): void {
    let answers = 0;
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET' || !request.url?.includes('/blobs/') || !which(answers++)) return false;
      const wrong = Buffer.from(bytes);
      wrong[150_000] = (wrong[150_000] ?? 0) ^ 1;
      response.writeHead(200, { 'Content-Length': wrong.length });
      response.end(wrong);
      return true;
    };
  }

  test('a wrong byte of a short blob does not show: it is proved before it goes out, and read again', async () => {
    const { registry, get } = await started({ PROVE_WITHIN: '50s' });
    spoil(registry, (answer) => answer === 0);
    const blob = randomBytes(300_000);
    const healed = await get(`/v2/r/blobs/${registry.addBlob(blob)}`);
    expect([healed.status, healed.whole, healed.body.equals(blob)]).toEqual([200, true, true]);
    expect(registry.count('GET', digestOf(blob))).toBe(2);
    spoil(registry, () => true);
    const wrong = await get(`/v2/r/blobs/${registry.addBlob(randomBytes(300_000))}`);
    expect([wrong.status, JSON.parse(wrong.body.toString())]).toMatchObject([
      502,
      { errors: [{ code: 'UNAVAILABLE' }] },
    ]);
  });

  test('a short blob that takes its time is not held back for its proof', async () => {
    const { registry, daemon } = await started();
    const blob = randomBytes(3 * MIB);
    const first = Promise.withResolvers<void>();
    registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET') return false;
      response.writeHead(200, { 'Content-Length': bytes.length, ETag: '"x"' });
      response.write(bytes.subarray(0, MIB));
      // The rest comes only when the client has the first part.
      void first.promise.then(() => response.end(bytes.subarray(MIB)));
      return true;
    };
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    const asked = httpRequest({ host: '127.0.0.1', port: daemon.port, path, agent: false }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const parts: Buffer[] = [];
    for await (const part of answer as AsyncIterable<Buffer>) {
      parts.push(part);
      first.resolve();
    }
    expect(Buffer.concat(parts).equals(blob)).toBe(true);
  });

  test('a registry that has once sent a wrong byte is proved before its bytes go out', async () => {
    const { registry, get } = await started(STREAMED);
    spoil(registry, (answer) => answer % 2 === 0);
    const blob = randomBytes(300_000);
    const path = `/v2/r/blobs/${registry.addBlob(blob)}`;
    expect((await get(path)).whole).toBe(false);
    const again = await get(path);
    expect([again.whole, again.body.equals(blob)]).toEqual([true, true]);
    // The next one is spoilt too, and its first answer is right all the same.
    const other = randomBytes(300_000);
    const healed = await get(`/v2/r/blobs/${registry.addBlob(other)}`);
    expect([healed.status, healed.whole, healed.body.equals(other)]).toEqual([200, true, true]);
    expect(registry.count('GET', digestOf(other))).toBe(2);
  });

  test('with proveFirst a wrong byte does not show, and one that stays wrong is never sent', async () => {
    const { registry, get } = await started({ PROVE_FIRST: true });
    const blob = randomBytes(300_000);
    spoil(registry, (answer) => answer === 0);
    const answer = await get(`/v2/r/blobs/${registry.addBlob(blob)}`, { Range: 'bytes=100000-199999' });
    expect([answer.status, answer.whole, answer.body.equals(blob.subarray(100_000, 200_000))]).toEqual([
      206,
      true,
      true,
    ]);
    spoil(registry, () => true);
    const wrong = await get(`/v2/r/blobs/${registry.addBlob(randomBytes(300_000))}`);
    expect([wrong.status, JSON.parse(wrong.body.toString())]).toMatchObject([
      502,
      { errors: [{ code: 'UNAVAILABLE' }] },
    ]);
  });

  test('the size in the manifest goes before a Content-Length that does not fit it', async () => {
    const { registry, get } = await started();
    for (const [lie, times] of [
      [1000, 1],
      [-1000, 1],
      [1000, Number.POSITIVE_INFINITY],
    ] as const) {
      const layer = randomBytes(300_000);
      registry.addImage('r', 'v1', [layer]);
      expect((await get('/v2/r/manifests/v1')).status).toBe(200);
      let lies = 0;
      registry.misbehave = (request, response, bytes) => {
        if (request.method !== 'GET' || lies++ >= times) return false;
        response.writeHead(200, { 'Content-Length': bytes.length + lie });
        response.write(bytes.subarray(0, bytes.length + Math.min(0, lie)), () => response.destroy());
        return true;
      };
      const answer = await get(`/v2/r/blobs/${digestOf(layer)}`);
      expect([answer.headers['content-length'], answer.whole, answer.body.equals(layer)]).toEqual([
        '300000',
        true,
        true,
      ]);
    }
  });

  test.each([
    ['containers/5.23.1 (github.com/containers/image)', ['read ECONNRESET']],
    ['containerd/1.6.20', ['end']],
  ])('an answer that must be cut ends as its client can bear it: %s', async (agent, expected) => {
    const { registry, daemon } = await started(STREAMED);
    spoil(registry, () => true);
    const path = `/v2/r/blobs/${registry.addBlob(randomBytes(300_000))}`;
    const told: string[] = [];
    const socket = connect(daemon.port, '127.0.0.1', () => socket.resume());
    socket.on('error', ({ message }) => told.push(message)).on('end', () => told.push('end'));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: ${agent}\r\n\r\n`);
    await new Promise((closed) => socket.once('close', closed));
    expect(told).toEqual(expected);
  });
});
