import { expect, test } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { AgentDownloadRequest, BatchEvent, Download, DownloadRequest } from './engine.ts';
import { type Lines, tellBatch } from './telling.ts';

const clock = { now: () => 0, wall: () => 0 };
const counts = { length: 1, done: 1, fromPeers: 1, fromSupernode: 0, fromSource: 0, fromDisk: 0 };
const content = 'c' as ContentId;

/** Downloads that end when the test says so. */
class StandIn {
  readonly running = new Map<string, { finish(): void; fail(fault: Fault): void }>();
  readonly released: string[] = [];
  most = 0;

  open({ spec: { url } }: DownloadRequest): Download {
    if (url === 'refused') throw new Fault('usage', 'no such thing');
    const finished = Promise.withResolvers<void>();
    finished.promise.catch(() => undefined);
    this.running.set(url, { finish: finished.resolve, fail: finished.reject });
    this.most = Math.max(this.most, this.running.size);
    const shape = { length: 1, pieceSize: 1 };
    return {
      task: 't' as TaskId,
      progress: counts,
      opened: Promise.resolve({ content, shape, facts: { ranges: false } }),
      finished: finished.promise.then(() => ({ ...counts, content })),
      onProgress: () => () => undefined,
      read: async function* () {},
      flush: async () => undefined,
      handOver: async () => 'copy',
      release: () => {
        this.running.delete(url);
        this.released.push(url);
        finished.reject(new Fault('cancelled', 'given up'));
      },
    };
  }
}

function requestsFor(urls: readonly string[]): AgentDownloadRequest[] {
  return urls.map((url) => ({
    spec: { url, headers: [], filter: [] },
    pattern: 'p2p',
    nodes: [],
    noBackToSource: false,
    output: `/${url}`,
    copy: false,
    sync: false,
  }));
}

function collect(): Lines & { events: BatchEvent[]; ended: boolean } {
  return {
    events: [],
    ended: false,
    writableNeedDrain: false,
    write(text) {
      for (const line of text.trimEnd().split('\n')) this.events.push(JSON.parse(line) as BatchEvent);
      return true;
    },
    end() {
      this.ended = true;
    },
  };
}

const turn = () => new Promise(setImmediate);

test('of a batch a bounded number runs at once, and every file has one end', async () => {
  const engine = new StandIn();
  const urls = Array.from({ length: 200 }, (_, index) => `file${index}`);
  const lines = collect();
  const over = tellBatch({ engine, requests: requestsFor(urls), clock, signal: new AbortController().signal }, lines);
  while (engine.released.length < urls.length) {
    await turn();
    for (const [url, { finish, fail }] of engine.running) {
      if (url.endsWith('7')) fail(new Fault('source-refused', 'no'));
      else finish();
    }
  }
  await over;
  expect(engine.most).toBe(64);
  expect(lines.ended).toBe(true);
  const ends = lines.events.filter(({ type }) => type === 'done' || type === 'failed');
  expect(new Set(ends.map(({ item }) => item)).size).toBe(200);
  expect(ends.filter(({ type }) => type === 'failed').map(({ item }) => item % 10)).toEqual(Array(20).fill(7));
});

test('a file that cannot be opened fails alone', async () => {
  const engine = new StandIn();
  const lines = collect();
  const requests = requestsFor(['refused', 'good']);
  const over = tellBatch({ engine, requests, clock, signal: new AbortController().signal }, lines);
  await turn();
  engine.running.get('good')?.finish();
  await over;
  expect(lines.events).toContainEqual({ item: 0, type: 'failed', fault: { code: 'usage', message: 'no such thing' } });
  expect(lines.events).toContainEqual(expect.objectContaining({ item: 1, type: 'done', output: '/good' }));
});

test('who hangs up releases what runs, and nothing more is started', async () => {
  const engine = new StandIn();
  const urls = Array.from({ length: 100 }, (_, index) => `file${index}`);
  const hungUp = new AbortController();
  const over = tellBatch({ engine, requests: requestsFor(urls), clock, signal: hungUp.signal }, collect());
  await turn();
  hungUp.abort();
  await over;
  expect(engine.running.size).toBe(0);
  expect(new Set(engine.released).size).toBe(64);
});
