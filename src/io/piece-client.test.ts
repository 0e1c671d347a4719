import { describe, expect, it } from 'vitest';
import { piecesPath } from '../protocol/piece-path.ts';
import type { Pace } from './pacer.ts';
import {
  BODY,
  CONTENT,
  cleanUp,
  client,
  codeOf,
  falseParent,
  MemoryContent,
  PATH,
  partHead,
  serve,
  soon,
} from './piece-transfer.fixture.ts';

describe('the piece client', () => {
  it.each([
    ['another range', partHead(1, 11) + 'x'.repeat(10), 'peer-corrupt'],
    ['too short a length', `${partHead(0, 9)}${'x'.repeat(9)}`, 'peer-corrupt'],
    ['more bytes than announced', `${partHead(0, 10)}${'x'.repeat(11)}`, 'peer-corrupt'],
    ['the whole content', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxxxxxxxxxx', 'peer-corrupt'],
    ['chunks', 'HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'peer-corrupt'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'peer-corrupt'],
    ['an endless head', `HTTP/1.1 206 OK\r\nX: ${'x'.repeat(9000)}`, 'peer-corrupt'],
    ['not found', 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno', 'peer-lacks'],
    ['an error', 'HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n', 'peer-refused'],
    ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n', 'peer-corrupt'],
  ])('refuses %s', async (_, answer, code) => {
    const { parent } = await falseParent((socket) => socket.write(answer));
    expect(await codeOf(client().fetch(parent, PATH, { start: 0, end: 10 }, Buffer.alloc(10), soon))).toBe(code);
  });

  it('understands a head and a body that come byte by byte', async () => {
    const { parent } = await falseParent(async (socket) => {
      socket.setNoDelay(true);
      for (const byte of `${partHead(0, 4)}abcd`) await new Promise((resolve) => socket.write(byte, resolve));
    });
    const into = Buffer.alloc(4);
    await client().fetch(parent, PATH, { start: 0, end: 4 }, into, soon);
    expect(into.toString()).toBe('abcd');
  });

  it('says once that a body is near its end, when three quarters of it are there', async () => {
    const told = Promise.withResolvers<void>();
    const { parent } = await falseParent(async (socket) => {
      socket.write(`${partHead(0, 8)}abcdef`);
      await told.promise;
      socket.write('g');
      setImmediate(() => socket.write('h'));
    });
    const into = Buffer.alloc(8);
    const seen: string[] = [];
    const near = () => {
      seen.push(into.toString('latin1', 0, 6));
      told.resolve();
    };
    await client().fetch(parent, PATH, { start: 0, end: 8 }, into, { ...soon, near });
    expect(seen).toEqual(['abcdef']);
  });

  it('says nothing of the kind of a body that comes all at once, or of a refusal', async () => {
    const near = () => {
      throw new Error('it is there, or never comes');
    };
    const whole = await falseParent((socket) => socket.write(`${partHead(0, 4)}abcd`));
    await client().fetch(whole.parent, PATH, { start: 0, end: 4 }, Buffer.alloc(4), { ...soon, near });
    const refused = await falseParent(async (socket) => {
      socket.setNoDelay(true);
      for (const byte of 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone')
        await new Promise((resolve) => socket.write(byte, resolve));
    });
    const asked = client().fetch(refused.parent, PATH, { start: 0, end: 4 }, Buffer.alloc(4), { ...soon, near });
    expect(await codeOf(asked)).toBe('peer-lacks');
  });

  it('says reset when the parent closes before or within the body', async () => {
    const within = await falseParent((socket) => socket.end(`${partHead(0, 10)}abc`));
    const before = await falseParent((socket) => socket.destroy());
    const span = { start: 0, end: 10 };
    expect(await codeOf(client().fetch(within.parent, PATH, span, Buffer.alloc(10), soon))).toBe('peer-reset');
    expect(await codeOf(client().fetch(before.parent, PATH, span, Buffer.alloc(10), soon))).toBe('peer-reset');
  });

  it('says stalled when nothing comes', async () => {
    const silent = await falseParent(() => undefined);
    const half = await falseParent((socket) => socket.write(`${partHead(0, 10)}abc`));
    const span = { start: 0, end: 10 };
    const fast = { stallMs: 30 };
    expect(await codeOf(client().fetch(silent.parent, PATH, span, Buffer.alloc(10), fast))).toBe('peer-stalled');
    expect(await codeOf(client().fetch(half.parent, PATH, span, Buffer.alloc(10), fast))).toBe('peer-stalled');
  });

  it('gives up what waits behind a request that stalls, blaming nobody for it', async () => {
    let asked = 0;
    const { parent } = await falseParent(() => asked++);
    const one = client({ maxConnectionsPerParent: 1 });
    const fetch = () => codeOf(one.fetch(parent, PATH, { start: 0, end: 10 }, Buffer.alloc(10), { stallMs: 30 }));
    expect(await Promise.all([fetch(), fetch(), fetch()])).toEqual(['peer-stalled', 'cancelled', 'cancelled']);
    expect(asked).toBe(1);
    expect(await fetch()).toBe('peer-stalled');
  });

  it('does not blame the parent for time that its own limit takes', async () => {
    const { parent } = await serve(new MemoryContent());
    const into = Buffer.alloc(24_000);
    // Longer than a loaded machine keeps a process waiting, and shorter than each wait for the limit.
    const pace: Pace = (most, onTurn) => {
      const timer = setTimeout(onTurn, 400);
      return { bytes: Math.min(most, 8000), come: false, cancel: () => clearTimeout(timer) };
    };
    const options = { stallMs: 300, pace };
    await client().fetch(parent, PATH, { start: 0, end: into.length }, into, options);
    expect(into.equals(BODY.subarray(0, into.length))).toBe(true);
  });

  it('says refused when nobody listens', async () => {
    const { parent, sockets } = await falseParent(() => undefined);
    await cleanUp();
    expect(sockets.size).toBe(0);
    expect(await codeOf(client().fetch(parent, PATH, { start: 0, end: 1 }, Buffer.alloc(1), soon))).toBe(
      'peer-refused',
    );
  });

  it('tries once more when a kept connection turns out to be closed', async () => {
    let connections = 0;
    const { parent, sockets } = await falseParent((socket, nth) => {
      connections = sockets.size;
      if (nth === 1) socket.destroy();
      else socket.write(`${partHead(0, 4)}abcd`);
    });
    const fetcher = client();
    const into = Buffer.alloc(4);
    await fetcher.fetch(parent, PATH, { start: 0, end: 4 }, into, soon);
    await fetcher.fetch(parent, PATH, { start: 0, end: 4 }, into, soon);
    expect(into.toString()).toBe('abcd');
    expect(connections).toBe(2);
  });

  it('can be cancelled before, while waiting and within the body', async () => {
    const { parent, sockets } = await falseParent((socket) => socket.write(`${partHead(0, 10)}abc`));
    const fetcher = client({ maxConnectionsPerParent: 1 });
    const gone = AbortSignal.abort();
    const span = { start: 0, end: 10 };
    expect(await codeOf(fetcher.fetch(parent, PATH, span, Buffer.alloc(10), { ...soon, signal: gone }))).toBe(
      'cancelled',
    );
    const first = new AbortController();
    const second = new AbortController();
    const running = codeOf(fetcher.fetch(parent, PATH, span, Buffer.alloc(10), { ...soon, signal: first.signal }));
    const waiting = codeOf(fetcher.fetch(parent, PATH, span, Buffer.alloc(10), { ...soon, signal: second.signal }));
    second.abort();
    expect(await waiting).toBe('cancelled');
    first.abort();
    expect(await running).toBe('cancelled');
    expect(sockets.size).toBeLessThanOrEqual(1);
  });

  it('ends all with close', async () => {
    const { parent } = await falseParent(() => undefined);
    const fetcher = client({ maxConnectionsPerParent: 1 });
    const span = { start: 0, end: 10 };
    const all = [1, 2, 3].map(() => codeOf(fetcher.fetch(parent, PATH, span, Buffer.alloc(10), soon)));
    fetcher.close();
    expect(await Promise.all(all)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(await codeOf(fetcher.fetch(parent, PATH, span, Buffer.alloc(10), soon))).toBe('cancelled');
  });

  it('asks what a parent holds', async () => {
    const content = new MemoryContent();
    const { parent } = await serve(content);
    expect(await client().getJson(parent, piecesPath(CONTENT), soon)).toEqual({ shape: content.shape, held: 'all' });
    expect(await codeOf(client().getJson(parent, piecesPath(CONTENT), { ...soon, maxBytes: 3 }))).toBe('peer-corrupt');
  });
});
