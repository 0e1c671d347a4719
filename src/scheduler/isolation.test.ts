/** What the operator orders, what is remembered of hosts that are away, and what silence does. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import type { SchedulerCommand, SchedulerEvent } from './events.ts';
import { DEFAULT_LIMITS } from './limits.ts';
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

  it('isolates a host that is away no longer than said, and it is on probation when it is back', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: 5_000, note: 'x' });
    lab.send({ type: 'host-left', host: id('p') });
    lab.advance(4_000);
    expect(lab.scheduler.isolatedAway(lab.now)).toEqual(['p']);
    lab.advance(1_000);
    expect(lab.scheduler.isolatedAway(lab.now)).toEqual([]);
    const standing = lab.scheduler.standingOf(id('p'), lab.now);
    expect(standing?.state).toBe('probation');
    expect(standing).not.toHaveProperty('leftMs');
    expect(standing).not.toHaveProperty('note');
    const out = lab.join('p');
    expect(out.some(({ type }) => type === 'isolated')).toBe(false);
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(lab.scheduler.standingOf(id('p'), lab.now)?.state).toBe('probation');
    expect(open(lab)).toHaveLength(1);
  });

  it('is obeyed when the host comes back, and for hosts that are away', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: null, note: 'x' });
    lab.send({ type: 'host-left', host: id('p') });
    expect(lab.scheduler.isolatedAway(lab.now)).toEqual(['p']);
    lab.join('p');
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(open(lab)).toEqual([]);
    expect(lab.scheduler.isolatedAway(lab.now)).toEqual([]);
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

type Told = Extract<SchedulerEvent, { type: 'isolation-told' }>;

describe('what another supernode holds against a host', () => {
  const limits = DEFAULT_LIMITS;
  const told = (lab: SchedulerLab, what: Partial<Told> = {}) =>
    lab.send({ type: 'isolation-told', host: id('p'), reason: 'peer-corrupt', forMs: 5_000, by: id('s2'), ...what });
  const stands = (lab: SchedulerLab) => lab.scheduler.standingOf(id('p'), lab.now);
  const changes = (out: readonly SchedulerCommand[]) =>
    out.filter(({ type }) => type === 'isolated' || type === 'released');
  /** Judged here: a child gets wrong bytes, and so does the supernode when it looks. */
  function judge(lab: SchedulerLab): void {
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-corrupt');
    for (let looks = 0; looks < 4 && stands(lab)?.state !== 'isolated'; looks++) {
      const look = lab.commands.findLast((command) => command.type === 'check-piece');
      if (look?.type === 'check-piece') lab.send({ type: 'piece-checked', check: look.check, outcome: 'wrong' });
      if (stands(lab)?.state !== 'isolated') lab.advance(limits.checkEveryMs);
    }
    expect(stands(lab)).toMatchObject({ state: 'isolated', reason: 'peer-corrupt' });
  }

  it('isolates it for the time that is left, as that one said, and puts it on probation after', () => {
    const lab = labOf();
    const out = told(lab, { note: 'noises' });
    expect(out).toContainEqual({
      type: 'isolated',
      host: 'p',
      reason: 'peer-corrupt',
      until: 5_000,
      note: 'noises',
      by: 's2',
    });
    expect(open(lab)).toEqual([]);
    expect(stands(lab)).toMatchObject({ state: 'isolated', by: 's2', leftMs: 5_000 });
    lab.advance(5_000);
    expect(stands(lab)).toMatchObject({ state: 'probation' });
    expect(stands(lab)).not.toHaveProperty('by');
    expect(open(lab)).toHaveLength(1);
  });

  it('does not make the first isolation of its own longer', () => {
    const lab = labOf();
    told(lab);
    lab.advance(5_000);
    judge(lab);
    expect(stands(lab)?.leftMs).toBe(limits.corruptIsolationMs);
  });

  it('counts for a host that is away, and for one that was never here', () => {
    const lab = labOf();
    lab.send({ type: 'host-left', host: id('p') });
    told(lab, { reason: 'operator', forMs: null });
    expect(lab.scheduler.isolatedAway(lab.now)).toEqual(['p']);
    lab.join('p');
    expect(changes(lab.commands).at(-1)).toMatchObject({ type: 'isolated', by: 's2', again: true });
    lab.enter('p', Bitfield.full(32), 'nothing');
    expect(open(lab)).toEqual([]);
  });

  it('has no power over the seed', () => {
    const lab = new SchedulerLab(['a'], 8);
    expect(told(lab, { host: id('seed') }).some(({ type }) => type === 'isolated')).toBe(false);
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('is the shorter one of two: nothing changes; an operator here: only another operator changes it', () => {
    const lab = labOf();
    judge(lab);
    expect(changes(told(lab, { forMs: limits.corruptIsolationMs }))).toEqual([]);
    expect(stands(lab)).not.toHaveProperty('by');
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: 1_000, note: 'x' });
    told(lab, { forMs: null });
    expect(stands(lab)).toMatchObject({ reason: 'operator', note: 'x', leftMs: 1_000 });
    told(lab, { reason: 'operator', forMs: 500 });
    expect(stands(lab)).toMatchObject({ reason: 'operator', by: 's2', leftMs: 500 });
  });

  it('is over when an operator says so there, with all that is held against the host here', () => {
    const lab = labOf();
    judge(lab);
    expect(lab.send({ type: 'release-ordered', host: id('p'), by: id('s3') })).toContainEqual({
      type: 'released',
      host: 'p',
      why: 'operator',
      by: 's3',
    });
    expect(stands(lab)).toMatchObject({ state: 'ok', score: 0 });
    lab.advance(2_500);
    expect(open(lab).length).toBeGreaterThan(0);
    expect(changes(lab.send({ type: 'release-ordered', host: id('p'), by: id('s3') }))).toEqual([]);
  });

  it('is withdrawn by the one that said it alone, and what was judged here comes forth again', () => {
    const lab = labOf();
    judge(lab);
    told(lab, { forMs: 10 * limits.corruptIsolationMs });
    expect(stands(lab)).toMatchObject({ by: 's2' });
    expect(changes(lab.send({ type: 'isolation-withdrawn', host: id('p'), by: id('s3') }))).toEqual([]);
    lab.advance(1_000);
    lab.send({ type: 'isolation-withdrawn', host: id('p'), by: id('s2') });
    expect(stands(lab)).toMatchObject({ state: 'isolated', leftMs: limits.corruptIsolationMs - 1_000 });
    expect(stands(lab)).not.toHaveProperty('by');
    lab.send({ type: 'release-ordered', host: id('p') });
    told(lab);
    lab.send({ type: 'isolation-withdrawn', host: id('p'), by: id('s2') });
    expect(stands(lab)).toEqual({ state: 'ok', score: 0, witnesses: 0, excluded: [] });
    lab.advance(2_500);
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('counts again when what was judged here has run out while the host was away', () => {
    const lab = labOf();
    lab.send({ type: 'isolation-ordered', host: id('p'), forMs: 1_000, note: 'x' });
    lab.send({ type: 'host-left', host: id('p') });
    lab.advance(1_000);
    told(lab);
    expect(stands(lab)).toMatchObject({ state: 'isolated', reason: 'peer-corrupt', leftMs: 5_000 });
  });

  it('withdrawn leaves one with points of its own here on probation', () => {
    const lab = labOf();
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-reset');
    told(lab);
    lab.send({ type: 'isolation-withdrawn', host: id('p'), by: id('s2') });
    expect(stands(lab)).toMatchObject({ state: 'probation', score: 1 });
  });

  it('is not undone by a witness here who was wrong', () => {
    const lab = labOf();
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-corrupt');
    const look = lab.commands.findLast((command) => command.type === 'check-piece');
    told(lab);
    if (look?.type === 'check-piece') lab.send({ type: 'piece-checked', check: look.check, outcome: 'right' });
    expect(look).toBeDefined();
    expect(stands(lab)).toMatchObject({ state: 'isolated', by: 's2' });
  });

  it('as a false witness silences it here too', () => {
    const lab = labOf();
    told(lab, { host: id('a'), reason: 'false-witness' });
    const [first] = open(lab);
    if (first !== undefined) lab.failed(first, 'peer-corrupt');
    expect(lab.commands.some(({ type }) => type === 'check-piece')).toBe(false);
    expect(stands(lab)).toMatchObject({ state: 'ok' });
  });

  it('withdrawn of a host that is away leaves nothing, and an operator withdraws nothing', () => {
    const lab = labOf();
    told(lab, { host: id('away') });
    lab.send({ type: 'isolation-withdrawn', host: id('away'), by: id('s2') });
    expect(lab.scheduler.standingOf(id('away'), lab.now)).toBeUndefined();
    told(lab, { reason: 'operator', forMs: null });
    expect(changes(lab.send({ type: 'isolation-withdrawn', host: id('p'), by: id('s2') }))).toEqual([]);
  });
});
