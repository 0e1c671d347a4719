/** Real piece servers, clients and false parents on 127.0.0.1; all are closed after each test. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { contentIdOf, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import { contentPath } from '../protocol/piece-path.ts';
import { silentLog } from './log.ts';
import { PieceClient, type PieceClientOptions } from './piece-client.ts';
import { PieceServer, type PieceServerOptions, type Servable } from './piece-server.ts';

export const CONTENT = contentIdOf(parseTaskId('ab'.repeat(32)) as TaskId, 'g1');
export const PATH = contentPath(CONTENT);
export const SIZE = 3 * 1024 * 1024 + 17;
export const BODY = Buffer.alloc(SIZE);
for (let i = 0; i < SIZE; i++) BODY[i] = (i * 31 + (i >>> 9)) & 255;

/** Called in reverse order after each test. */
export const clean: (() => unknown)[] = [];

export async function cleanUp() {
  for (const close of clean.splice(0).reverse()) await close();
}
afterEach(cleanUp);

export class MemoryContent implements Servable {
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

export async function serve(content: Servable, options: Partial<PieceServerOptions> = {}) {
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

export function client(options: Partial<PieceClientOptions> = {}) {
  const made = new PieceClient({ maxConnectionsPerParent: 2, connectTimeoutMs: 2000, ...options });
  clean.push(() => made.close());
  return made;
}

/** A parent that answers every request with `answer`, or does what it likes with the socket. */
export async function falseParent(answer: (socket: Socket, nth: number) => void) {
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

export const soon = { stallMs: 5000 };
export const partHead = (from: number, to: number, extra = '') =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${to - from}\r\nContent-Range: bytes ${from}-${to - 1}/${SIZE}\r\n${extra}\r\n`;

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof Fault ? error.code : `not a fault: ${error}`),
  );
}
