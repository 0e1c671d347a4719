import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { BufferPool } from './buffers.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

afterEach(() => {
  vi.useRealTimers();
});

/** Resolves to whether the promise has settled by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
}

test('a buffer has exactly the length that was asked for', async () => {
  const pool = new BufferPool({ budgetBytes: MIB });
  for (const size of [1, 4096, 4097, 131072, 300_000]) {
    const buffer = await pool.acquire(size);
    expect(buffer.length).toBe(size);
    buffer.fill(1);
    pool.release(buffer);
  }
  expect(pool.outBytes).toBe(0);
});

test('memory is used again', async () => {
  const pool = new BufferPool({ budgetBytes: MIB });
  const first = await pool.acquire(100 * KIB);
  pool.release(first);
  expect((await pool.acquire(128 * KIB)).buffer).toBe(first.buffer);
  expect(pool.spareBytes).toBe(0);
});

test('who finds the budget used up waits in line, and nobody overtakes', async () => {
  const pool = new BufferPool({ budgetBytes: 512 * KIB });
  const small = await pool.acquire(128 * KIB);
  const other = await pool.acquire(256 * KIB);
  const large = pool.acquire(512 * KIB);
  const late = pool.acquire(128 * KIB);
  expect(await settled(large)).toBe(false);
  pool.release(small);
  expect(await settled(late)).toBe(false);
  expect(pool.waiting).toBe(2);
  pool.release(other);
  const got = await large;
  expect(await settled(late)).toBe(false);
  pool.release(got);
  expect((await late).length).toBe(128 * KIB);
  expect(pool.waiting).toBe(0);
});

test('a piece larger than the budget is given when nothing else is out', async () => {
  const pool = new BufferPool({ budgetBytes: MIB });
  const small = await pool.acquire(1);
  const large = pool.acquire(16 * MIB);
  expect(await settled(large)).toBe(false);
  pool.release(small);
  expect((await large).length).toBe(16 * MIB);
  expect(pool.spareBytes).toBe(0);
});

test('a wait can be stopped, and lets those behind go on', async () => {
  const pool = new BufferPool({ budgetBytes: 256 * KIB });
  const first = await pool.acquire(128 * KIB);
  const stop = new AbortController();
  const large = pool.acquire(256 * KIB, stop.signal);
  const small = pool.acquire(128 * KIB);
  stop.abort();
  await expect(large).rejects.toMatchObject({ code: 'cancelled' });
  await expect(pool.acquire(1, stop.signal)).rejects.toMatchObject({ code: 'cancelled' });
  pool.release(await small);
  pool.release(first);
});

test('a buffer is released once', async () => {
  const pool = new BufferPool({ budgetBytes: MIB });
  const buffer = await pool.acquire(10);
  pool.release(buffer);
  expect(() => pool.release(buffer)).toThrow('not out');
  expect(() => pool.release(Buffer.alloc(5))).toThrow('not out');
});

test('spare memory is given back when nothing is acquired for a while', async () => {
  vi.useFakeTimers();
  const pool = new BufferPool({ budgetBytes: MIB, idleMs: 1000 });
  pool.release(await pool.acquire(MIB));
  vi.advanceTimersByTime(900);
  expect(pool.spareBytes).toBe(MIB);
  pool.release(await pool.acquire(MIB));
  vi.advanceTimersByTime(900);
  expect(pool.spareBytes).toBe(MIB);
  vi.advanceTimersByTime(200);
  expect(pool.spareBytes).toBe(0);
});

test('out and spare together never exceed the budget', async () => {
  const size = fc.constantFrom(4 * KIB, 100 * KIB, 128 * KIB, 256 * KIB, 500 * KIB);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(size, fc.constant(0)), { maxLength: 60 }), async (steps) => {
      const pool = new BufferPool({ budgetBytes: 600 * KIB });
      const out: Buffer[] = [];
      let asked = 0;
      const waits: Promise<void>[] = [];
      const releaseOne = async () => {
        const buffer = out.shift();
        if (buffer !== undefined) pool.release(buffer);
        await new Promise<void>((resolve) => setImmediate(resolve));
        expect(pool.outBytes + pool.spareBytes).toBeLessThanOrEqual(600 * KIB);
      };
      for (const step of steps) {
        if (step === 0) await releaseOne();
        else {
          asked++;
          waits.push(pool.acquire(step).then((buffer) => void out.push(buffer)));
        }
      }
      let given = 0;
      for (const wait of waits) void wait.then(() => given++);
      for (let rounds = 0; rounds <= asked * 2; rounds++) await releaseOne();
      expect(given).toBe(asked);
      expect(pool.outBytes).toBe(0);
      pool.trim();
    }),
    { numRuns: 50 },
  );
});
