import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { silentLog } from './log.ts';
import { type Pace, Pacer } from './pacer.ts';
import { PieceServer } from './piece-server.ts';
import { BODY, clean, client, codeOf, MemoryContent, PATH, SIZE, serve, soon } from './piece-transfer.fixture.ts';
import { systemClock } from './system-clock.ts';

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

  it.each(['parent', 'child'])('waits as long as the limit of the %s says, in small chunks', async (side) => {
    const pacer = new Pacer(SIZE * 10, systemClock);
    const chunks: number[] = [];
    const limit: Pace = (most, onTurn) => {
      const turn = pacer.pace('task')?.(most, onTurn);
      if (turn === undefined) throw new Error('no limit');
      chunks.push(turn.bytes);
      return turn;
    };
    const { parent } = await serve(new MemoryContent(), side === 'parent' ? { pace: () => limit } : {});
    const into = Buffer.alloc(SIZE);
    const options = side === 'child' ? { ...soon, pace: limit } : soon;
    const start = performance.now();
    await client().fetch(parent, PATH, { start: 0, end: SIZE }, into, options);
    expect(into.equals(BODY)).toBe(true);
    expect(chunks.reduce((a, b) => a + b, 0)).toBe(SIZE);
    // The first chunk is free, the last one's wait the next fetch's.
    expect(performance.now() - start).toBeGreaterThan(60);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(SIZE * 0.2);
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
    const never: Pace = (bytes) => ({ bytes, come: false, cancel: () => undefined });
    const { parent, server } = await serve(content, { pace: () => never });
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
