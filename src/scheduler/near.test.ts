import { expect, test } from 'vitest';
import { downLine, upLine } from './lines.ts';
import { content, id, SchedulerLab } from './scheduler.fixture.ts';

const SIZE = 256 * 1024;

function outstanding(lab: SchedulerLab, host: string) {
  const { hosts } = lab.scheduler.state;
  const { index = -1 } = hosts.get(id(host)) ?? {};
  const { lines } = hosts;
  return {
    up: lines.bytes(upLine(index)) / SIZE,
    down: lines.bytes(downLine(index)) / SIZE,
    coming: lines.count(downLine(index)),
  };
}

test('a transfer that is near its end makes room for the next one at both ends, once', () => {
  const lab = new SchedulerLab(['a'], 64, { firstWindowPieces: 2, seedExtraPieces: 0 });
  expect(lab.assigns().map(({ near }) => near)).toEqual([true, true]);
  expect(outstanding(lab, 'seed').up).toBe(2);
  lab.near(lab.assign(0));
  expect(lab.assigns()).toHaveLength(3);
  expect([outstanding(lab, 'seed').up, outstanding(lab, 'a')]).toEqual([2, { up: 0, down: 2, coming: 3 }]);
  lab.near(lab.assign(0));
  expect(lab.assigns()).toHaveLength(3);
  // Its end makes no room a second time.
  lab.held(lab.assign(0), 0);
  expect(outstanding(lab, 'a')).toEqual({ up: 0, down: 2, coming: 2 });
  for (const one of lab.runDry(1)) expect(one.child).toBe('a');
  expect(outstanding(lab, 'a')).toEqual({ up: 0, down: 0, coming: 0 });
  expect(lab.scheduler.heldBy(id('a'), content)?.full).toBe(true);
});

test('one that fails after that gives nothing back twice, and its piece comes again', () => {
  const lab = new SchedulerLab(['a'], 8, { firstWindowPieces: 2, seedExtraPieces: 0 });
  const first = lab.assign(0);
  lab.near(first);
  lab.failed(first, 'peer-reset');
  expect(outstanding(lab, 'seed').up).toBe(lab.scheduler.state.leases.live);
  lab.advance(2_100);
  lab.runDry(1);
  expect(lab.scheduler.heldBy(id('a'), content)?.full).toBe(true);
  expect(outstanding(lab, 'seed').up).toBe(0);
});

test('a child that calls everything near has no more than two windows on their way', () => {
  const lab = new SchedulerLab(['a'], 512, { firstWindowPieces: 2, seedExtraPieces: 0 });
  for (let at = 0; at < lab.assigns().length && at < 400; at++) lab.near(lab.assign(at));
  expect(lab.assigns().length).toBeLessThanOrEqual(9);
});

test('a word about a lease that is over, or of somebody else, changes nothing', () => {
  const lab = new SchedulerLab(['a', 'b'], 8, { firstWindowPieces: 1 });
  const [first] = lab.assigns();
  if (first === undefined) throw new Error('nothing was assigned');
  const other = first.child === 'a' ? 'b' : 'a';
  const before = lab.assigns().length;
  lab.send({ type: 'piece-near', host: id(other), content, piece: first.piece, lease: first.lease });
  expect(lab.assigns()).toHaveLength(before);
  lab.held(first);
  const { up } = outstanding(lab, 'seed');
  lab.near(first);
  expect(outstanding(lab, 'seed').up).toBe(up);
});
