import { execFile } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { contentIdOf, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import { contentPath, piecesPath } from '../protocol/piece-path.ts';
import { silentLog } from './log.ts';
import { PieceClient, type PieceClientOptions } from './piece-client.ts';
import { PieceServer, type PieceServerOptions, type Servable } from './piece-server.ts';

const CONTENT = contentIdOf(parseTaskId('ab'.repeat(32)) as TaskId, 'g1');
const PATH = contentPath(CONTENT);
const SIZE = 3 * 1024 * 1024 + 17;
const BODY = Buffer.alloc(SIZE);
for (let i = 0; i < SIZE; i++) BODY[i] = (i * 31 + (i >>> 9)) & 255;

const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of clean.splice(0).reverse()) await close();
});

class MemoryContent implements Servable {
  shape: ContentShape = { length: SIZE, pieceSize: 1024 * 1024 };
  users = 0;
  reads = 0;
  held = true;
  gate: Promise<void> | undefined;
  has() {
    return this.held;
  }
  async read(offset: number, into: Uint8Array) {
    this.reads++;
    await this.gate;
    if (!this.held) throw new Fault('peer-lacks', 'changed');
    into.set(BODY.subarray(offset, offset + into.length));
  }
  acquire() {
    this.users++;
  }
  release() {
    this.users--;
  }
  heldBase64() {
    return 'all';
  }
}

async function serve(content: Servable, options: Partial<PieceServerOptions> = {}) {
  const server = new PieceServer({
    locate: (id) => (id === CONTENT ? content : undefined),
    slots: 0,
    queueLimit: 10,
    log: silentLog,
    ...options,
  });
  const port = await server.listen('127.0.0.1', 0);
  clean.push(() => server.close());
  return { server, parent: { ip: '127.0.0.1', port } };
}

function client(options: Partial<PieceClientOptions> = {}) {
  const made = new PieceClient({ maxConnectionsPerParent: 2, connectTimeoutMs: 2000, ...options });
  clean.push(() => made.close());
  return made;
}

/** A parent that answers every request with `answer`, or does what it likes with the socket. */
async function falseParent(answer: (socket: Socket, nth: number) => void) {
  let count = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer(socket, count++));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  clean.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { parent: { ip: '127.0.0.1', port: (server.address() as { port: number }).port }, sockets };
}

const soon = { stallMs: 5000 };
const partHead = (from: number, to: number, extra = '') =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${to - from}\r\nContent-Range: bytes ${from}-${to - 1}/${SIZE}\r\n${extra}\r\n`;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof Fault ? error.code : `not a fault: ${error}`),
  );
}

describe('a piece on its way', () => {
  it('arrives whole in the buffer, over one kept connection', async () => {
    const content = new MemoryContent();
    const { parent, server } = await serve(content);
    const fetcher = client({ maxConnectionsPerParent: 1 });
    const spans = [
      [0, 1],
      [1, 100_000],
      [0, SIZE],
      [SIZE - 1, SIZE],
    ] as const;
    for (const [start, end] of spans) {
      const into = Buffer.alloc(end - start);
      await fetcher.fetch(parent, PATH, { start, end }, into, soon);
      expect(into.equals(BODY.subarray(start, end))).toBe(true);
    }
    expect(content.users).toBe(0);
    expect(server.load.bytesSent).toBe(1 + 99_999 + SIZE + 1);
  });

  it('leaves the rest of a larger buffer alone', async () => {
    const { parent } = await serve(new MemoryContent());
    const into = Buffer.alloc(200, 7);
    await client().fetch(parent, PATH, { start: 50, end: 150 }, into, soon);
    expect(into.subarray(0, 100).equals(BODY.subarray(50, 150))).toBe(true);
    expect(into.subarray(100).every((byte) => byte === 7)).toBe(true);
  });

  it('keeps order and count when many ask over few connections', async () => {
    const { parent } = await serve(new MemoryContent(), { slots: 1, queueLimit: 100 });
    const fetcher = client({ maxConnectionsPerParent: 3 });
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const into = Buffer.alloc(100_000);
        await fetcher.fetch(parent, PATH, { start: i * 100_000, end: (i + 1) * 100_000 }, into, soon);
        expect(into.equals(BODY.subarray(i * 100_000, (i + 1) * 100_000))).toBe(true);
      }),
    );
  });

  it('is served over IPv6 too', async () => {
    const server = new PieceServer({ locate: () => new MemoryContent(), slots: 0, queueLimit: 1, log: silentLog });
    clean.push(() => server.close());
    const port = await server.listen('::1', 0);
    const into = Buffer.alloc(10);
    await client().fetch({ ip: '::1', port }, PATH, { start: 0, end: 10 }, into, soon);
    expect(into.equals(BODY.subarray(0, 10))).toBe(true);
  });

  it('waits as long as the limits on both ends say', async () => {
    const asked: number[] = [];
    const given: number[] = [];
    const { parent } = await serve(new MemoryContent(), {
      give: (bytes) => {
        given.push(bytes);
        return 1;
      },
    });
    const into = Buffer.alloc(SIZE);
    const throttle = (bytes: number) => {
      asked.push(bytes);
      return 1;
    };
    await client().fetch(parent, PATH, { start: 0, end: SIZE }, into, { stallMs: 5000, throttle });
    expect(into.equals(BODY)).toBe(true);
    const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
    expect(sum(asked)).toBe(SIZE);
    expect(sum(given)).toBe(SIZE);
    expect(Math.max(...asked, ...given)).toBeLessThanOrEqual(64 * 1024);
  });

  it('takes the whole-client limit into account as well', async () => {
    let taken = 0;
    const { parent } = await serve(new MemoryContent());
    const fetcher = client({
      take: (bytes) => {
        taken += bytes;
        return 0;
      },
    });
    await fetcher.fetch(parent, PATH, { start: 0, end: SIZE }, Buffer.alloc(SIZE), soon);
    expect(taken).toBe(SIZE);
  });
});

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

  it('does not blame the parent for time that its own limit takes', async () => {
    const { parent } = await serve(new MemoryContent());
    const into = Buffer.alloc(300_000);
    const options = { stallMs: 20, throttle: () => 40 };
    await client().fetch(parent, PATH, { start: 0, end: into.length }, into, options);
    expect(into.equals(BODY.subarray(0, into.length))).toBe(true);
  });

  it('says refused when nobody listens', async () => {
    const { parent, sockets } = await falseParent(() => undefined);
    for (const close of clean.splice(0)) await close();
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

describe('the piece server', () => {
  const get = (port: number, init: RequestInit = {}, path = PATH) => fetch(`http://127.0.0.1:${port}${path}`, init);

  it('gives curl a piece and a whole content', async () => {
    const { parent } = await serve(new MemoryContent());
    const url = `http://127.0.0.1:${parent.port}${PATH}`;
    const options = { encoding: 'buffer' as const, maxBuffer: 2 * SIZE };
    const part = await promisify(execFile)('curl', ['-sS', '-r', '5-104', url], options);
    expect(part.stdout.equals(BODY.subarray(5, 105))).toBe(true);
    const all = await promisify(execFile)('curl', ['-sS', url], options);
    expect(all.stdout.equals(BODY)).toBe(true);
  });

  it('answers as HTTP wants it', async () => {
    const content = new MemoryContent();
    const {
      parent: { port },
    } = await serve(content);
    const suffix = await get(port, { headers: { Range: 'bytes=-7' } });
    expect(suffix.status).toBe(206);
    expect(suffix.headers.get('content-range')).toBe(`bytes ${SIZE - 7}-${SIZE - 1}/${SIZE}`);
    const outside = await get(port, { headers: { Range: `bytes=${SIZE}-` } });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, `bytes */${SIZE}`]);
    const head = await get(port, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(SIZE)]);
    expect((await get(port, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await get(port, {}, '/v1/contents/nonsense')).status).toBe(404);
    content.held = false;
    expect((await get(port, { headers: { Range: 'bytes=0-1' } })).status).toBe(404);
    content.shape = { length: 0, pieceSize: 1024 * 1024 };
    const empty = await get(port);
    expect([empty.status, await empty.text()]).toEqual([200, '']);
  });

  it('says not found when a piece turns out to be changed', async () => {
    const content = new MemoryContent();
    content.has = () => true;
    content.held = false;
    const { parent } = await serve(content);
    expect(await codeOf(client().fetch(parent, PATH, { start: 0, end: 9 }, Buffer.alloc(9), soon))).toBe('peer-lacks');
    expect(content.users).toBe(0);
  });

  it('sends as many at once as it has slots, and says 503 when the queue is full', async () => {
    const content = new MemoryContent();
    let open = () => {};
    content.gate = new Promise((resolve) => {
      open = resolve;
    });
    const { parent, server } = await serve(content, { slots: 1, queueLimit: 1 });
    const fetcher = client({ maxConnectionsPerParent: 5 });
    const ask = () => codeOf(fetcher.fetch(parent, PATH, { start: 0, end: 9 }, Buffer.alloc(9), soon));
    const all = [ask(), ask(), ask()];
    expect(await Promise.race(all)).toBe('peer-refused');
    expect(server.load).toMatchObject({ sending: 1, waiting: 1 });
    expect(content.reads).toBe(1);
    open();
    expect((await Promise.all(all)).sort()).toEqual(['none', 'none', 'peer-refused']);
  });

  it('gives the slot of a child that takes nothing to the next', async () => {
    const content = new MemoryContent();
    const { parent } = await serve(content, { slots: 1, stallMs: 50 });
    const { connect } = await import('node:net');
    const dead = connect(parent.port, parent.ip, () => dead.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(8)));
    dead.pause();
    dead.on('error', () => undefined);
    clean.push(() => dead.destroy());
    const into = Buffer.alloc(9);
    await client().fetch(parent, PATH, { start: 0, end: 9 }, into, soon);
    expect(into.equals(BODY.subarray(0, 9))).toBe(true);
  });

  it('names a port that is taken', async () => {
    const { parent } = await serve(new MemoryContent());
    const second = new PieceServer({ locate: () => undefined, slots: 0, queueLimit: 0, log: silentLog });
    expect(await codeOf(second.listen('127.0.0.1', parent.port))).toBe('port-in-use');
    expect(await codeOf(second.listen('203.0.113.1', 0))).toBe('usage');
  });

  it('lets go of every content when it is closed', async () => {
    const content = new MemoryContent();
    const { parent, server } = await serve(content, { give: () => 10_000 });
    const fetching = codeOf(client().fetch(parent, PATH, { start: 0, end: 9 }, Buffer.alloc(9), soon));
    await new Promise<void>((resolve) => {
      const look = () => (content.users === 1 ? resolve() : setImmediate(look));
      look();
    });
    await server.close();
    expect(content.users).toBe(0);
    expect(await fetching).toBe('peer-reset');
  });
});
