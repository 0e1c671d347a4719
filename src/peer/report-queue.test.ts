import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HostMessage } from '../protocol/messages.ts';
import type { StoredContent } from '../store/store.ts';
import { ReportQueue } from './report-queue.ts';

const content = (id: string) => ({ id }) as unknown as StoredContent;
const A = content('a');
const B = content('b');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

function lab() {
  const sent: { readonly at: number; readonly content: string; readonly pieces: readonly number[] }[] = [];
  const start = performance.now();
  const queue = new ReportQueue({
    send: ({ content: id, held, failed }: Extract<HostMessage, { type: 'report' }>) =>
      void sent.push({
        at: performance.now() - start,
        content: id,
        pieces: [...held, ...failed].map(([piece]) => piece),
      }),
    now: () => performance.now(),
  });
  let piece = 0;
  const holds = async (of = A) => {
    queue.held(of, [piece++, 1, 1]);
    await Promise.resolve();
  };
  return { queue, sent, holds };
}

test('a piece after a pause is told at once, those that follow within milliseconds together', async () => {
  const { sent, holds } = lab();
  await holds();
  expect(sent).toEqual([{ at: 0, content: 'a', pieces: [0] }]);
  await holds();
  vi.advanceTimersByTime(5);
  await holds();
  vi.advanceTimersByTime(2);
  expect(sent).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(sent.slice(1)).toEqual([{ at: 8, content: 'a', pieces: [1, 2] }]);
});

test('a busy supernode has reports gathered for longer, while there is more to do than to tell', async () => {
  const { queue, sent, holds } = lab();
  await holds();
  queue.assigned(5, 100);
  await holds();
  vi.advanceTimersByTime(50);
  await holds();
  expect(sent).toHaveLength(1);
  // Three to tell, two to come: now it is the supernode that must not be kept waiting.
  await holds();
  expect(sent.slice(1)).toEqual([{ at: 50, content: 'a', pieces: [1, 2, 3] }]);
});

test('it is gathered for no longer than asked for, and no longer than a limit whatever is asked for', async () => {
  const { queue, sent, holds } = lab();
  await holds();
  queue.assigned(50, 100);
  await holds();
  vi.advanceTimersByTime(100);
  expect(sent.at(-1)).toEqual({ at: 100, content: 'a', pieces: [1] });
  queue.assigned(50, 1e9);
  await holds();
  vi.advanceTimersByTime(200);
  expect(sent.at(-1)).toEqual({ at: 300, content: 'a', pieces: [2] });
  queue.assigned(1, 0);
  await holds();
  vi.advanceTimersByTime(8);
  expect(sent.at(-1)).toEqual({ at: 308, content: 'a', pieces: [3] });
});

test('a failure is told soon, and another content after what was gathered of the first', async () => {
  const { queue, sent, holds } = lab();
  await holds();
  queue.assigned(50, 100);
  await holds();
  vi.advanceTimersByTime(10);
  queue.failed(A, [9, 1, 'peer-lacks']);
  await Promise.resolve();
  expect(sent.at(-1)).toEqual({ at: 10, content: 'a', pieces: [1, 9] });
  await holds();
  await holds(B);
  expect(sent.at(-1)).toEqual({ at: 10, content: 'a', pieces: [2] });
  vi.advanceTimersByTime(8);
  expect(sent.at(-1)?.content).toBe('a');
  vi.advanceTimersByTime(92);
  expect(sent.at(-1)).toEqual({ at: 110, content: 'b', pieces: [3] });
});

test('what an earlier session assigned counts no more', async () => {
  const { queue, sent, holds } = lab();
  await holds();
  queue.assigned(50, 100);
  queue.restart();
  await holds();
  vi.advanceTimersByTime(8);
  expect(sent.at(-1)).toEqual({ at: 8, content: 'a', pieces: [1] });
  queue.assigned(2, 100);
  queue.cancelled(2);
  await holds();
  vi.advanceTimersByTime(8);
  expect(sent.at(-1)).toEqual({ at: 16, content: 'a', pieces: [2] });
});

test('what is near its end is told as soon as what is held, with it where both are due, and never twice', async () => {
  const reports: Extract<HostMessage, { type: 'report' }>[] = [];
  const queue = new ReportQueue({ send: (report) => void reports.push(report), now: () => performance.now() });
  queue.near(A, [3, 30]);
  await Promise.resolve();
  expect(reports).toEqual([{ type: 'report', content: 'a', held: [], failed: [], near: [[3, 30]] }]);
  queue.held(A, [3, 30, 5]);
  queue.near(A, [4, 40]);
  queue.near(B, [1, 10]);
  vi.advanceTimersByTime(8);
  await Promise.resolve();
  expect(reports.slice(1)).toEqual([
    { type: 'report', content: 'a', held: [[3, 30, 5]], failed: [], near: [[4, 40]] },
    { type: 'report', content: 'b', held: [], failed: [], near: [[1, 10]] },
  ]);
});
