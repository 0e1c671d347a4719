import { expect, test, vi } from 'vitest';
import { BufferPool } from '../io/buffers.ts';
import { sha256 } from '../io/hash.ts';
import type { PieceClient } from '../io/piece-client.ts';
import { Fault } from '../protocol/faults.ts';
import { contentIdOf, parseHostId, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { StoredContent } from '../store/store.ts';
import { Bandwidth } from './bandwidth.ts';
import { PieceFetch, type PieceJob } from './piece-fetch.ts';

const PIECE = 64 * 1024;
const PIECES = 400;
const bytesOf = (piece: number): Buffer => Buffer.alloc(PIECE, piece);
const id = contentIdOf(parseTaskId('ab'.repeat(32)) as TaskId, 'g1');
const parentId = parseHostId('c'.repeat(32));
const clock = { now: () => performance.now(), wall: () => Date.now() };
/** Time stands, so that only what was paid counts. */
const still = { now: () => 0, wall: () => 0 };
const turn = () => new Promise(setImmediate);

/** A parent that gives at once, and a disk whose writes end when they are told to. */
function world(options: { budgetBytes: number; queue: number; down?: number }) {
  const written: { piece: number; end: (fault?: Fault) => void }[] = [];
  const waits: number[][] = [];
  let asked = 0;
  const client = {
    async fetch(
      _parent: unknown,
      _path: string,
      span: { start: number },
      into: Buffer,
      { throttle }: { throttle?: (bytes: number) => number },
    ) {
      asked++;
      await turn();
      bytesOf(span.start / PIECE).copy(into);
      if (throttle !== undefined) waits.push(Array.from({ length: 4 }, () => throttle(PIECE / 4)));
    },
  } as unknown as PieceClient;
  const content = {
    id,
    shape: { length: PIECE * PIECES, pieceSize: PIECE },
    put: (piece: number) =>
      new Promise<void>((resolve, reject) =>
        written.push({ piece, end: (fault) => (fault === undefined ? resolve() : reject(fault)) }),
      ),
  } as unknown as StoredContent;
  const pool = new BufferPool({ budgetBytes: options.budgetBytes });
  const bandwidth = new Bandwidth({ down: options.down, up: undefined }, options.down === undefined ? clock : still);
  const told: number[] = [];
  const fetch = new PieceFetch({ client, pool, bandwidth, clock }, 'task', options.queue, (_, piece) =>
    told.push(piece),
  );
  const run = (piece: number, change: Partial<PieceJob> = {}) =>
    fetch.run({
      ...{ content, piece, parent: { id: parentId as never, ip: '127.0.0.1', port: 1 } },
      ...{ digest: sha256(bytesOf(piece)), stallMs: 1000, signal: new AbortController().signal },
      ...change,
    });
  return { run, pool, written, told, waits, asked: () => asked };
}

async function quiet(): Promise<void> {
  for (let count = 0; count < 50; count++) await turn();
}

test('a disk that stands still stops the reading, and memory does not grow', async () => {
  const { run, pool, written, asked } = world({ budgetBytes: 1024 * PIECE, queue: 3 });
  const all = Array.from({ length: PIECES }, (_, piece) => run(piece));
  await quiet();
  expect(asked()).toBe(48);
  expect(pool.outBytes).toBe(48 * PIECE);
  // A slow disk: one piece at a time.
  for (let done = 0; done < PIECES; done++) {
    written[done]?.end();
    await quiet();
    expect(pool.outBytes).toBeLessThanOrEqual(48 * PIECE);
  }
  await Promise.all(all);
  expect(pool.outBytes).toBe(0);
  expect(new Set(written.map(({ piece }) => piece)).size).toBe(PIECES);
}, 60_000);

test('what the host has of memory is a limit over all', async () => {
  const { run, pool, written, asked } = world({ budgetBytes: 2 * PIECE, queue: 100 });
  const all = [0, 1, 2, 3].map((piece) => run(piece));
  await quiet();
  expect(asked()).toBe(2);
  for (let done = 0; done < 4; done++) {
    written[done]?.end();
    await quiet();
  }
  await Promise.all(all);
  expect(pool.outBytes).toBe(0);
});

test('a piece that is not what was assigned is not written', async () => {
  const { run, pool, written } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  await expect(run(1, { digest: sha256(bytesOf(2)) })).rejects.toMatchObject({ code: 'peer-corrupt' });
  expect(written).toHaveLength(0);
  expect(pool.outBytes).toBe(0);
});

test('a full disk is told, and the memory comes back', async () => {
  const { run, pool, written } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  const full = run(1);
  await quiet();
  written[0]?.end(new Fault('no-space', 'full'));
  await expect(full).rejects.toMatchObject({ code: 'no-space' });
  expect(pool.outBytes).toBe(0);
});

test('what is proved is told before it is written, and nothing else is', async () => {
  const { run, written, told } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  const wrong = run(2, { digest: sha256(bytesOf(1)) });
  await expect(wrong).rejects.toMatchObject({ code: 'peer-corrupt' });
  const running = run(1);
  await quiet();
  expect([told, written.map(({ piece }) => piece)]).toEqual([[1], [1]]);
  written[0]?.end();
  await running;
});

test('under a limit each request waits for its first portion, and pays each byte once', async () => {
  const down = PIECE * 100;
  const { run, written, waits, asked } = world({ budgetBytes: 8 * PIECE, queue: 8, down });
  const first = run(0);
  const second = run(1);
  await quiet();
  // Neither has begun: a quarter of a piece is 2.5 ms of the limit, and the second has to wait behind the first.
  expect(asked()).toBe(0);
  await vi.waitFor(() => expect(written).toHaveLength(2), { timeout: 10_000 });
  for (const { end } of written) end();
  await Promise.all([first, second]);
  // The quarters of both, of which the last one is paid already: 20 ms of the limit are taken altogether.
  expect(waits.map((four) => four.map(Math.round))).toEqual([
    [8, 10, 13, 0],
    [15, 18, 20, 0],
  ]);
}, 30_000);
