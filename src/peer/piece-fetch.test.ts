import { expect, test } from 'vitest';
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
const turn = () => new Promise(setImmediate);

/** A parent that gives at once, and a disk whose writes end when they are told to. */
function world(options: { budgetBytes: number; queue: number; bandwidth?: Bandwidth }) {
  const written: { piece: number; end: (fault?: Fault) => void }[] = [];
  let asked = 0;
  const client = {
    async fetch(_parent: unknown, _path: string, span: { start: number }, into: Buffer) {
      asked++;
      await turn();
      bytesOf(span.start / PIECE).copy(into);
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
  const bandwidth = options.bandwidth ?? new Bandwidth({ down: undefined, up: undefined }, clock);
  const told: number[] = [];
  const fresh = Promise.withResolvers<void>();
  const passed: { piece: number; right: boolean }[] = [];
  const fetch = new PieceFetch({ client, pool, bandwidth, clock }, 'task', options.queue, {
    onFresh: (_, piece) => {
      told.push(piece);
      fresh.resolve();
    },
    onBytes: (_, piece, bytes) => void passed.push({ piece, right: bytesOf(piece).equals(bytes) }),
  });
  const run = (piece: number, change: Partial<PieceJob> = {}) =>
    fetch.run({
      ...{ content, piece, parent: { id: parentId as never, ip: '127.0.0.1', port: 1 } },
      ...{ digest: sha256(bytesOf(piece)), stallMs: 1000, signal: new AbortController().signal },
      ...change,
    });
  return { run, pool, written, told, passed, fresh: fresh.promise, asked: () => asked };
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

test('its bytes are passed on in a later turn, and before their memory is used again', async () => {
  const { run, pool, written, passed, fresh } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  const running = run(1);
  await fresh;
  written[0]?.end();
  expect(passed).toEqual([]);
  expect(pool.outBytes).toBe(PIECE);
  await running;
  expect(passed).toEqual([{ piece: 1, right: true }]);
  expect(pool.outBytes).toBe(0);
});

test('what came with the assignment is not asked for, and says nothing of how fast its parent is', async () => {
  const { run, written, told, asked } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  const running = run(1, { given: bytesOf(1) });
  await quiet();
  written[0]?.end();
  expect([await running, told, asked()]).toEqual([0, [1], 0]);
});

test.each([
  ['is not what was assigned', bytesOf(2)],
  ['is too short', bytesOf(1).subarray(1)],
  ['is too long', Buffer.alloc(PIECE + 1, 1)],
])("what came with the assignment and %s is its parent's fault, and is not written", async (_, given) => {
  const { run, pool, written, told } = world({ budgetBytes: 8 * PIECE, queue: 4 });
  await expect(run(1, { given })).rejects.toMatchObject({ code: 'peer-corrupt' });
  expect([written, told, pool.outBytes]).toEqual([[], [], 0]);
});

test('what came with the assignment does not wait for memory: it is asked for like others then', async () => {
  const { run, written, asked } = world({ budgetBytes: PIECE, queue: 4 });
  const first = run(1);
  const second = run(2, { given: bytesOf(2) });
  await quiet();
  written[0]?.end();
  await first;
  await quiet();
  written[1]?.end();
  await second;
  expect(asked()).toBe(2);
});

test('what came with the assignment has its turns where a limit was set meanwhile', async () => {
  const bandwidth = new Bandwidth({ down: undefined, up: undefined }, clock);
  bandwidth.totals = { down: PIECE * 1000, up: undefined };
  const turns: number[] = [];
  bandwidth.taken = (key) => async (most) => {
    expect(key).toBe('task');
    turns.push(most);
    return Math.min(most, PIECE / 4);
  };
  const { run, written } = world({ budgetBytes: 8 * PIECE, queue: 4, bandwidth });
  const running = run(1, { given: bytesOf(1) });
  await quiet();
  written[0]?.end();
  await running;
  expect(turns).toEqual([1, 3 / 4, 1 / 2, 1 / 4].map((share) => share * PIECE));
});
