import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { contentIdOf, type HostId, type LeaseId, type TaskId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import { Outbox } from './outbox.ts';

const CONTENT = contentIdOf('a'.repeat(64) as TaskId, '1');
const OTHER = contentIdOf('b'.repeat(64) as TaskId, '1');
const CHILD = 'child' as HostId;
const PARENT = { id: 'parent' as HostId, ip: '10.0.0.2', port: 1 };
const HOLD_MS = 50;

function lab() {
  const sent: { readonly host: HostId; readonly pieces: readonly number[]; readonly cancels: readonly LeaseId[] }[] =
    [];
  const coming = new Map<HostId, number>();
  const clock = new ManualClock();
  /** How long a message takes to be sent. */
  const times = { sendMs: 0 };
  const outbox = new Outbox({
    clock,
    send: (host, messages: readonly SupernodeMessage[]) => {
      clock.advance(times.sendMs);
      sent.push({
        host,
        pieces: messages.flatMap((message) =>
          message.type === 'assign' ? message.pieces.map(([piece]) => piece) : [],
        ),
        cancels: messages.flatMap((message) => (message.type === 'cancel' ? message.leases : [])),
      });
    },
    addressOf: (host) => (host === PARENT.id ? PARENT : undefined),
    digestsFor: () => undefined,
    comingTo: (host) => coming.get(host) ?? 0,
  });
  const assign = (piece: number, now: number, { child = CHILD, content = CONTENT, near = false } = {}) =>
    outbox.assign({ type: 'assign', content, child, parent: PARENT.id, piece, lease: 100 + piece, near }, now);
  const sendAt = (now: number, holdMs: number) => {
    clock.advance(now - clock.now());
    return outbox.send(holdMs);
  };
  return { outbox, sent, coming, assign, sendAt, times };
}

test('with time to spare everything leaves at once', () => {
  const { outbox, sent, coming, assign, sendAt } = lab();
  coming.set(CHILD, 100);
  assign(1, 0);
  assign(2, 0, { content: OTHER });
  sendAt(0, 0);
  expect(sent).toEqual([{ host: CHILD, pieces: [1, 2], cancels: [] }]);
  expect(outbox.empty).toBe(true);
});

test('a child that has more to do than it would hear of waits, until it has not, or for so long', () => {
  const { sent, coming, assign, sendAt } = lab();
  coming.set(CHILD, 5);
  assign(1, 0);
  sendAt(0, HOLD_MS);
  assign(2, 10);
  sendAt(10, HOLD_MS);
  expect(sent).toEqual([]);
  // One of its five has come: two that it knows of, two that it does not.
  coming.set(CHILD, 4);
  sendAt(20, HOLD_MS);
  expect(sent).toEqual([{ host: CHILD, pieces: [1, 2], cancels: [] }]);
  coming.set(CHILD, 9);
  assign(3, 30);
  sendAt(79, HOLD_MS);
  expect(sent).toHaveLength(1);
  sendAt(80, HOLD_MS);
  expect(sent.at(-1)).toEqual({ host: CHILD, pieces: [3], cancels: [] });
});

test('who has nothing to do hears at once, whoever else waits', () => {
  const { outbox, sent, coming, assign, sendAt } = lab();
  const idle = 'idle' as HostId;
  coming.set(CHILD, 20);
  coming.set(idle, 1);
  assign(1, 0);
  assign(2, 0, { child: idle });
  sendAt(0, HOLD_MS);
  expect(sent).toEqual([{ host: idle, pieces: [2], cancels: [] }]);
  expect(outbox.empty).toBe(false);
});

test('what is to end ends at once, and what it was about is not told if it had not been', () => {
  const { outbox, sent, coming, assign, sendAt } = lab();
  coming.set(CHILD, 20);
  assign(1, 0);
  assign(2, 0);
  sendAt(0, HOLD_MS);
  outbox.cancel({ type: 'cancel', content: CONTENT, child: CHILD, piece: 2, lease: 102 }, 5);
  sendAt(5, HOLD_MS);
  expect(sent).toEqual([{ host: CHILD, pieces: [1], cancels: [102] }]);
});

test('a busy supernode asks for gathered reports, and for no words about what is near its end', () => {
  const gathered: (readonly [gatherMs: number | undefined, near: true | undefined])[] = [];
  const outbox = new Outbox({
    clock: new ManualClock(),
    send: (_, messages) => {
      for (const message of messages) if (message.type === 'assign') gathered.push([message.gatherMs, message.near]);
    },
    addressOf: () => PARENT,
    digestsFor: () => undefined,
    comingTo: () => 0,
  });
  for (const holdMs of [0, HOLD_MS]) {
    outbox.assign(
      { type: 'assign', content: CONTENT, child: CHILD, parent: PARENT.id, piece: 1, lease: 1, near: true },
      0,
    );
    outbox.send(holdMs);
  }
  expect(gathered).toEqual([
    [undefined, true],
    [HOLD_MS, undefined],
  ]);
});

test('of a parent that has left nothing is told', () => {
  const { outbox, sent, coming, sendAt } = lab();
  coming.set(CHILD, 1);
  outbox.assign({ type: 'assign', content: CONTENT, child: CHILD, parent: CHILD, piece: 1, lease: 1, near: true }, 0);
  sendAt(0, 0);
  expect(sent).toEqual([]);
});

test('what takes longer than a slice goes on in the next turn, the oldest first, and nobody is told twice', () => {
  const { outbox, sent, assign, sendAt, times } = lab();
  const children = Array.from({ length: 6 }, (_, i) => `child-${i}` as HostId);
  for (const [i, child] of children.entries()) assign(i, 0, { child });
  times.sendMs = 2;
  expect(sendAt(0, 0)).toBe(false);
  expect(sent.map(({ host }) => host)).toEqual(children.slice(0, 2));
  // Meanwhile there is more to say to one that waits: it hears of both at once.
  assign(9, 4, { child: 'child-2' as HostId });
  expect(sendAt(4, 0)).toBe(false);
  expect(sent.slice(2)).toEqual([
    { host: children[2], pieces: [2, 9], cancels: [] },
    { host: children[3], pieces: [3], cancels: [] },
  ]);
  expect(sendAt(8, 0)).toBe(true);
  expect(sent.map(({ host }) => host)).toEqual(children);
  expect(outbox.empty).toBe(true);
});
