/** What the operator orders, what is remembered of hosts that are away, and what silence does. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { type Assign, content, id, SchedulerLab } from './scheduler.fixture.ts';

function labOf(pieces = 32): SchedulerLab {
  const lab = new SchedulerLab([], pieces);
  lab.send({ type: 'host-left', host: id('seed') });
  lab.join('p');
  lab.enter('p', Bitfield.full(pieces), 'nothing');
  lab.join('a');
  lab.enter('a');
  return lab;
}

const open = (lab: SchedulerLab): Assign[] =>
  lab.assigns().filter((assign) => lab.scheduler.state.leases.find(assign.lease) !== undefined);

describe('an operator', () => {
  it('isolates a host until it is released', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: null, note: 'a bad disk' });
    expect(open(lab)).toEqual([]);
    lab.advance(10_000_000);
    expect(lab.scheduler.standingOf(id('p'), lab.now)).toMatchObject({
      state: 'isolated',
      reason: 'operator',
      note: 'a bad disk',
      leftMs: null,
    });
    lab.send({ type: 'release-ordered', host: id('p') });
    expect(lab.scheduler.standingOf(id('p'), lab.now)).toEqual({ state: 'ok', score: 0, witnesses: 0, excluded: [] });
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('isolates for a time, after which it is on probation', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: 5_000, note: 'x' });
    lab.advance(4_000);
    expect(lab.scheduler.standingOf(id('p'), lab.now)?.leftMs).toBe(1_000);
    lab.advance(1_000);
    expect(lab.scheduler.standingOf(id('p'), lab.now)?.state).toBe('probation');
    expect(open(lab)).toHaveLength(1);
  });

  it('is obeyed when the host comes back, and for hosts that are away', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: null, note: 'x' });
    lab.send({ type: 'host-left', host: id('p') });
    expect(lab.scheduler.isolatedAway()).toEqual(['p']);
    lab.join('p');
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(open(lab)).toEqual([]);
    expect(lab.scheduler.isolatedAway()).toEqual([]);
    lab.send({ type: 'host-left', host: id('p') });
    lab.send({ type: 'release-ordered', host: id('p') });
    lab.join('p');
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(open(lab).length).toBeGreaterThan(0);
    lab.send({ type: 'isolation-ordered', host: id('nobody'), forMs: null, note: 'x' });
    expect(lab.scheduler.standingOf(id('nobody'), lab.now)?.state).toBe('isolated');
  });

  it('lets a host that gave wrong bytes back at once', () => {
    const lab = labOf();
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-corrupt');
    const out = lab.send({ type: 'release-ordered', host: id('p') });
    expect(out).toContainEqual({ type: 'admitted', host: 'p', content });
    lab.advance(2500);
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('has no power over the seed', () => {
    const lab = new SchedulerLab(['a'], 8);
    lab.send({ type: 'isolation-ordered', host: id('seed'), forMs: null, note: 'x' });
    expect(open(lab).length).toBeGreaterThan(0);
  });
});

describe('what is remembered', () => {
  it('of a host that leaves in isolation keeps it out when it is back', () => {
    const lab = labOf();
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-corrupt');
    lab.send({ type: 'host-left', host: id('p') });
    lab.join('p');
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(open(lab)).toEqual([]);
    lab.advance(lab.scheduler.state.limits.doubtfulExclusionMs);
    lab.advance(100);
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('is nothing of a host that did nothing wrong, and never more than ten thousand hosts', () => {
    const lab = labOf();
    lab.send({ type: 'host-left', host: id('p') });
    expect(lab.scheduler.standingOf(id('p'), lab.now)).toBeUndefined();
    const { book } = lab.scheduler.state.hosts;
    lab.send({ type: 'isolation-ordered', host: id('kept'), forMs: null, note: 'x' });
    for (let i = 0; i < 10_050; i++) {
      const trust = book.take(id(`h${i}`));
      trust.failed('peer-reset', 'somebody', 0, lab.scheduler.state.limits);
      book.keep(id(`h${i}`), trust);
    }
    expect(book.size).toBe(10_000);
    expect(lab.scheduler.standingOf(id('kept'), 0)?.state).toBe('isolated');
  });
});

describe('a busy host that falls silent', () => {
  it('gives and gets nothing, keeps what it holds, and goes on where it was when it is heard', () => {
    const lab = labOf();
    lab.join('b');
    lab.enter('b');
    const held = open(lab).find(({ child }) => child === 'a');
    if (held !== undefined) lab.held(held);
    expect([...lab.scheduler.busyHosts()]).toContain('a');
    const out = lab.send({ type: 'host-silent', host: id('a') });
    expect(out.some((command) => command.type === 'cancel' && command.child === 'a')).toBe(true);
    expect(open(lab).some(({ child, parent }) => child === 'a' || parent === 'a')).toBe(false);
    for (let i = 0; i < 5; i++) lab.advance(1_000);
    expect(open(lab).some(({ child, parent }) => child === 'a' || parent === 'a')).toBe(false);
    lab.send({ type: 'host-heard', host: id('a') });
    expect(lab.scheduler.heldBy(id('a'), content)?.count).toBe(1);
    expect(open(lab).some(({ child }) => child === 'a')).toBe(true);
    expect(lab.assigns().filter(({ child, piece }) => child === 'a' && piece === held?.piece)).toHaveLength(1);
  });

  it('starves nobody: it may be back in a moment', () => {
    const lab = labOf();
    lab.send({ type: 'host-silent', host: id('p') });
    lab.advance(3_000);
    expect(open(lab)).toEqual([]);
    expect(lab.commands.some(({ type }) => type === 'starved')).toBe(false);
    for (const type of ['host-silent', 'host-heard'] as const) lab.send({ type, host: id('unknown') });
    lab.send({ type: 'host-heard', host: id('p') });
    expect(open(lab).length).toBeGreaterThan(0);
  });
});
