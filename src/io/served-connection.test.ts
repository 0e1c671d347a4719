import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { PieceServerOptions } from './piece-server.ts';
import { BODY, clean, MemoryContent, PATH, SIZE, serve } from './piece-transfer.fixture.ts';

const part = (from: number, to: number, ...headers: string[]) =>
  `GET ${PATH} HTTP/1.1\r\nHost: x\r\nRange: bytes=${from}-${to - 1}\r\n${headers.join('')}\r\n`;

async function child(options: Partial<PieceServerOptions> = {}, content = new MemoryContent()) {
  const { parent, server } = await serve(content, options);
  const socket = connect({ port: parent.port, host: parent.ip, allowHalfOpen: true });
  clean.push(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, content, server, answers: new Answers(socket) };
}

/** What comes back, read by its own lengths. */
class Answers {
  #bytes = Buffer.alloc(0);
  #ended = false;
  #wake = () => {};

  constructor(socket: Socket) {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Undefined when the connection ended before one came. */
  async next(): Promise<{ status: number; head: string; body: Buffer } | undefined> {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n');
      const head = end < 0 ? '' : this.#bytes.toString('latin1', 0, end);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
      if (end >= 0 && this.#bytes.length >= end + 4 + length) {
        const body = this.#bytes.subarray(end + 4, end + 4 + length);
        this.#bytes = this.#bytes.subarray(end + 4 + length);
        return { status: Number(head.split(' ')[1]), head, body };
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('a child’s connection', () => {
  it('is kept, and a head that comes byte by byte is understood', async () => {
    const { socket, answers } = await child();
    for (const byte of part(3, 9)) await new Promise((resolve) => socket.write(byte, resolve));
    expect((await answers.next())?.body.equals(BODY.subarray(3, 9))).toBe(true);
    socket.write(part(0, SIZE));
    const whole = await answers.next();
    expect([whole?.status, whole?.body.equals(BODY)]).toEqual([206, true]);
    expect(whole?.head).toMatch(/^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/m);
  });

  it('answers what was asked without waiting in its order, more than is read ahead too', async () => {
    const { socket, answers } = await child();
    const count = 400;
    socket.write(Array.from({ length: count }, (_, at) => part(at, at + 5)).join(''));
    for (let at = 0; at < count; at++) {
      expect((await answers.next())?.body.equals(BODY.subarray(at, at + 5))).toBe(true);
    }
  });

  it.each([
    ['400 to what is no request', 'SSH-2.0-OpenSSH\r\n\r\n', 400],
    ['431 to a head without an end', `GET ${PATH} HTTP/1.1\r\nX: ${'x'.repeat(9000)}`, 431],
    ['431 to a long head with an end', `GET ${PATH} HTTP/1.1\r\nX: ${'x'.repeat(9000)}\r\n\r\n`, 431],
    ['405 to a body', `POST ${PATH} HTTP/1.1\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`, 405],
    ['206 to who wants to close', part(0, 4, 'Connection: close\r\n'), 206],
    ['206 to a GET with a body', part(0, 4, 'Content-Length: 4\r\n').concat('GET '), 206],
  ])('says %s, and ends', async (_, text, status) => {
    const { socket, answers } = await child();
    socket.write(text);
    const answer = await answers.next();
    expect(answer?.status).toBe(status);
    expect(answer?.head).toMatch(/^Connection: close$/m);
    expect(await answers.next()).toBeUndefined();
  });

  it('ends when it is idle for too long', async () => {
    const { socket, answers } = await child({ idleMs: 40 });
    socket.write(part(0, 4));
    expect((await answers.next())?.status).toBe(206);
    expect(await answers.next()).toBeUndefined();
  });

  it('ends when a child begins a request and does not go on', async () => {
    const { socket, answers } = await child({ headMs: 40 });
    socket.write('GET ');
    expect(await answers.next()).toBeUndefined();
  });

  it('is given up by a child that leaves while it waits, and by one that leaves within a piece', async () => {
    let open = () => {};
    const content = new MemoryContent();
    content.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = await child({ slots: 1, queueLimit: 5 }, content);
    first.socket.write(part(0, SIZE));
    await expect.poll(() => first.server.load.sending).toBe(1);
    const port = first.socket.remotePort as number;
    const second = connect(port, '127.0.0.1', () => second.write(part(0, 4)));
    clean.push(() => second.destroy());
    await expect.poll(() => first.server.load.waiting).toBe(1);
    second.destroy();
    await expect.poll(() => first.server.load.waiting).toBe(0);
    first.socket.destroy();
    open();
    await expect.poll(() => [first.server.load.sending, content.users]).toEqual([0, 0]);
    expect(content.reads).toBe(1);
  });

  it('is refused beyond the limit of connections', async () => {
    const { server, socket } = await child({ maxConnections: 1 });
    const second = connect(socket.remotePort as number, '127.0.0.1');
    second.on('error', () => undefined);
    await once(second, 'close');
    expect(server.load.sending).toBe(0);
  });
});
