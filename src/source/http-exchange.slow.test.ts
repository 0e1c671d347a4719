/** Bodies of any shape over connections that are used again, taken by readers of any habit: every byte must be where it belongs. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Random } from '../base/random.ts';
import type { ByteStream } from './byte-stream.ts';
import { createHttpSource, type HttpSource } from './http-source.ts';

const FRAMINGS = ['length', 'chunked', 'close'] as const;
type Framing = (typeof FRAMINGS)[number];

let server: Server;
let source: HttpSource;
let sockets: Set<Socket>;

beforeEach(async () => {
  sockets = new Set();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      const [, seed = '', framing = ''] = /^GET \/(\d+)\/(\w+)/.exec(data.toString('latin1')) ?? [];
      void answer(socket, Number(seed), framing as Framing);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  source = createHttpSource(() => Date.now(), {});
});

afterEach(async () => {
  await source.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** Each 32-bit word says where it lies and in which body, so that a byte of elsewhere is seen. */
function bodyOf(seed: number): Buffer {
  const bytes =
    new Random(seed).below(3) === 0 ? new Random(seed).below(70_000) : 200_000 + new Random(seed).below(3_000_000);
  const body = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) body.writeUInt32LE((Math.imul(seed + 1, 2_654_435_761) ^ at) >>> 0, at);
  return body;
}

async function answer(socket: Socket, seed: number, framing: Framing): Promise<void> {
  const random = new Random(seed + 7);
  const body = bodyOf(seed);
  const head = {
    length: `Content-Length: ${body.length}`,
    chunked: 'Transfer-Encoding: chunked',
    close: 'Connection: close',
  };
  // A head that comes in several reads, right before a body that comes in large ones.
  const text = `HTTP/1.1 200 OK\r\nX-Long: ${'y'.repeat(random.below(9000))}\r\n${head[framing]}\r\n\r\n`;
  const cut = random.below(text.length);
  socket.write(text.slice(0, cut));
  await turn();
  socket.write(text.slice(cut));
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + 1 + random.below(random.below(4) === 0 ? 5_000 : 600_000));
    at += part.length;
    if (framing === 'chunked') socket.write(`${part.length.toString(16)}\r\n`);
    const room = socket.write(part);
    if (framing === 'chunked') socket.write('\r\n');
    if (!room) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
    if (random.below(3) === 0) await turn();
  }
  if (framing === 'chunked') socket.write(`0\r\nX-Trailer: ${'z'.repeat(random.below(3000))}\r\n\r\n`);
  if (framing === 'close') socket.end();
}

async function take(body: ByteStream, random: Random): Promise<Buffer> {
  const parts: Buffer[] = [];
  if (random.below(4) === 0) {
    for await (const part of body) {
      parts.push(part as Buffer);
      if (random.below(5) === 0) await turn();
    }
    return Buffer.concat(parts);
  }
  for (;;) {
    const into = Buffer.alloc(1 + random.below(700_000));
    const least = random.below(2) === 0 ? into.length : 1 + random.below(into.length);
    const filled = await body.fill(into, least);
    parts.push(into.subarray(0, filled));
    if (filled < least) return Buffer.concat(parts);
    if (random.below(3) === 0) await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a body', () => {
  test.each(FRAMINGS)('of framing %s arrives as it was sent', { timeout: 60_000 }, async (framing) => {
    const { port } = server.address() as { port: number };
    const random = new Random(3);
    for (let round = 0; round < 25; round++) {
      const seeds = Array.from({ length: 1 + random.below(3) }, () => random.below(1_000_000));
      await Promise.all(
        seeds.map(async (seed) => {
          const url = `http://127.0.0.1:${port}/${seed}/${framing}`;
          const opened = await source.open({ url, headers: [], stallMs: 20_000 });
          if (opened.type !== 'body') throw new Error('no body');
          const got = await take(opened.body, new Random(seed));
          expect(got.equals(bodyOf(seed))).toBe(true);
        }),
      );
    }
  });

  test('that is left goes no further, and the next one on the same source is right', async () => {
    const { port } = server.address() as { port: number };
    const open = async (seed: number) => {
      const opened = await source.open({
        url: `http://127.0.0.1:${port}/${seed}/length`,
        headers: [],
        stallMs: 20_000,
      });
      if (opened.type !== 'body') throw new Error('no body');
      return opened.body;
    };
    const left = await open(11);
    await left.fill(Buffer.alloc(1000));
    left.close();
    expect((await take(await open(12), new Random(1))).equals(bodyOf(12))).toBe(true);
  });
});
