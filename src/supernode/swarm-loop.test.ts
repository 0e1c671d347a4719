import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { contentIdOf, type HostId, type LeaseId, type TaskId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import { SwarmLoop } from './swarm-loop.ts';

const CONTENT = contentIdOf('a'.repeat(64) as TaskId, '1');
const CHILD = 'child' as HostId;
const PARENT = { id: 'parent' as HostId, ip: '10.0.0.2', port: 1 };

const report = (piece: number): SchedulerEvent => ({
  ...{ type: 'piece-held', host: CHILD, content: CONTENT, piece, lease: 0, millis: 1 },
});
const assign = (piece: number, lease: LeaseId): SchedulerCommand => ({
  ...{ type: 'assign', content: CONTENT, child: CHILD, parent: PARENT.id, piece, lease, near: false },
});

/** A loop around a scheduler that only answers; `answer` sees the lots. */
function lab(answer: (events: readonly SchedulerEvent[]) => readonly SchedulerCommand[] = () => []) {
  const lots: number[] = [];
  const sent: (readonly SupernodeMessage[])[] = [];
  let crowded = 0;
  const clock = new ManualClock(0);
  /** How long a message takes to be sent. */
  const times = { sendMs: 0 };
  const loop = new SwarmLoop({
    scheduler: {
      handleAll: (events) => {
        lots.push(events.length);
        return answer(events);
      },
      heldBy: () => undefined,
      standingOf: () => undefined,
      comingTo: () => 0,
    },
    clock,
    send: (_, messages) => {
      clock.advance(times.sendMs);
      sent.push(messages);
    },
    addressOf: (host) => (host === PARENT.id ? PARENT : undefined),
    digestsFor: () => undefined,
    starved: () => loop.handle(report(0)),
    trust: () => undefined,
    load: () => 0,
    crowded: () => crowded++,
  });
  return { loop, lots, sent, times, crowded: () => crowded, turn: () => new Promise((done) => setImmediate(done)) };
}

test('what comes in one turn is decided together', async () => {
  const { loop, lots, turn, crowded } = lab();
  for (let piece = 0; piece < 100; piece++) loop.handle(report(piece));
  expect(lots).toEqual([]);
  await turn();
  expect(lots).toEqual([100]);
  expect(crowded()).toBe(0);
  loop.close();
});

test('a turn that brings very much is decided in lots, and the first are answered before the last are read', async () => {
  const { loop, lots, sent, turn, crowded } = lab(() => [assign(1, 7)]);
  for (let piece = 0; piece < 9_000; piece++) loop.handle(report(piece));
  expect(lots).toEqual([4096, 4096]);
  expect(sent).toHaveLength(2);
  await turn();
  expect(lots).toEqual([4096, 4096, 808]);
  expect(crowded()).toBe(1);
  loop.close();
});

test('between two slices of what a turn has to say others are read and answered', async () => {
  const children = Array.from({ length: 5 }, (_, i) => `child-${i}` as HostId);
  const { loop, sent, times, lots, turn } = lab((events) =>
    events.length > 1 ? children.map((child) => ({ ...assign(1, 1), child })) : [assign(2, 2)],
  );
  times.sendMs = 2;
  loop.handle(report(0));
  loop.handle(report(1));
  await turn();
  expect(sent).toHaveLength(2);
  // Decided in its turn, said after what was decided before.
  loop.handle(report(2));
  await turn();
  expect([lots, sent.length]).toEqual([[2, 1], 4]);
  await turn();
  expect(sent).toHaveLength(6);
  loop.close();
});

test('what somebody waits for is decided at once, together with what came before it in the turn', async () => {
  const { loop, lots, turn } = lab();
  loop.handle(report(0));
  loop.handle(report(1));
  loop.decideNow();
  expect(lots).toEqual([2]);
  await turn();
  expect(lots).toEqual([2]);
  loop.close();
});

test('what a decision brings about is decided after it, however much it is', async () => {
  let first = true;
  const { loop, lots, turn } = lab(() => {
    if (!first) return [];
    first = false;
    return Array.from({ length: 600 }, () => ({ type: 'starved', content: CONTENT, pieces: [0] }));
  });
  loop.handle(report(0));
  await turn();
  await turn();
  expect(lots).toEqual([1, 600]);
  loop.close();
});

test('a child gets one assignment per content, a parent is named once, and what was cancelled in the same turn is not told', async () => {
  const cancel: SchedulerCommand = { type: 'cancel', content: CONTENT, child: CHILD, piece: 2, lease: 22 };
  const lost: SchedulerCommand = {
    ...{ type: 'assign', content: CONTENT, child: CHILD, piece: 4, lease: 44, near: false },
    parent: CHILD,
  };
  const { loop, sent, turn } = lab(() => [assign(1, 11), assign(2, 22), cancel, assign(3, 33), lost]);
  loop.handle(report(0));
  await turn();
  expect(sent).toEqual([
    [
      { type: 'cancel', content: CONTENT, leases: [22] },
      {
        type: 'assign',
        content: CONTENT,
        parents: [PARENT],
        pieces: [
          [1, 0, 11],
          [3, 0, 33],
        ],
      },
    ],
  ]);
  loop.close();
});
