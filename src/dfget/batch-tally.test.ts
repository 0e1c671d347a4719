import { expect, test } from 'vitest';
import type { DownloadEvent } from '../peer/engine.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import { BatchTally } from './batch-tally.ts';

const none = { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 };
const content = 'c' as ContentId;
const opened = (length: number): DownloadEvent => ({ type: 'opened', task: 't' as TaskId, content, length });
const done = (bytes: number): DownloadEvent => ({
  type: 'done',
  result: { length: bytes, done: bytes, ...none, fromPeers: bytes, content },
  output: '/x',
  by: 'copy',
  millis: 1,
});

test('bytes of all files are summed, each counted once however often it is told', () => {
  const tally = new BatchTally(2);
  tally.note('a', opened(100));
  tally.note('a', { type: 'progress', length: 100, done: 40, ...none, fromPeers: 40 });
  expect(tally.progress).toMatchObject({ length: null, done: 40, fromPeers: 40 });
  tally.note('b', opened(10));
  tally.note('a', { type: 'progress', length: 100, done: 60, ...none, fromPeers: 60 });
  expect(tally.progress).toMatchObject({ length: 110, done: 60, fromPeers: 60 });
  tally.note('a', done(100));
  tally.note('b', { type: 'failed', fault: { code: 'no-space', message: 'full' } });
  expect(tally.label).toBe('2 of 2 files');
  expect(tally.summary).toEqual({ files: 2, saved: 1, failed: 1, bytes: 100, ...none, fromPeers: 100 });
});
