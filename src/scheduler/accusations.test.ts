/** Who is right when a child says that a piece is wrong. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { type Assign, content, id, SchedulerLab } from './scheduler.fixture.ts';

type Check = { check: number; host: string; piece: number };

/** The seed has left; `parents` hold everything. */
function labOf(parents: readonly string[], children: readonly string[], pieces = 32): SchedulerLab {
  const lab = new SchedulerLab([], pieces);
  lab.send({ type: 'host-left', host: id('seed') });
  for (const parent of parents) {
    lab.join(parent);
    lab.enter(parent, Bitfield.full(pieces), 'nothing');
  }
  for (const child of children) {
    lab.join(child);
    lab.enter(child);
  }
  return lab;
}

const open = (lab: SchedulerLab, parent: string, child?: string): Assign[] =>
  lab
    .assigns()
    .filter(
      (assign) =>
        assign.parent === parent &&
        (child === undefined || assign.child === child) &&
        lab.scheduler.state.leases.find(assign.lease) !== undefined,
    );

const checks = (lab: SchedulerLab): Check[] =>
  lab.commands.flatMap((command) => (command.type === 'check-piece' ? [command] : []));

function accuse(lab: SchedulerLab, parent: string, child?: string): Assign {
  const assign = open(lab, parent, child)[0];
  if (assign === undefined) throw new Error(`${parent} gives nothing`);
  lab.failed(assign, 'peer-corrupt');
  return assign;
}

function answer(lab: SchedulerLab, outcome: 'right' | 'wrong' | 'unknown'): void {
  const last = checks(lab).at(-1);
  if (last !== undefined) lab.send({ type: 'piece-checked', check: last.check, outcome });
}

const isolated = (lab: SchedulerLab): string[] =>
  lab.commands.flatMap((command) => (command.type === 'isolated' ? [`${command.host} ${command.reason}`] : []));

describe('a parent that is accused of wrong bytes', () => {
  it('gives nothing of that content from the first word on, and the same piece is looked at', () => {
    const lab = labOf(['p'], ['a', 'b']);
    const { piece } = accuse(lab, 'p');
    expect(open(lab, 'p')).toEqual([]);
    expect(lab.commands).toContainEqual(expect.objectContaining({ type: 'excluded', host: 'p', content }));
    expect(checks(lab)).toMatchObject([{ host: 'p', piece, content }]);
    expect(isolated(lab)).toEqual([]);
  });

  it('is isolated for everything when the supernode sees it too, on three pieces in all', () => {
    const lab = labOf(['p'], ['a']);
    const { piece } = accuse(lab, 'p');
    answer(lab, 'wrong');
    lab.advance(100);
    expect(checks(lab)).toHaveLength(2);
    expect(checks(lab)[1]?.piece).not.toBe(piece);
    answer(lab, 'wrong');
    expect(isolated(lab)).toEqual(['p peer-corrupt']);
    expect(lab.scheduler.standingOf(id('p'), lab.now)).toMatchObject({
      state: 'isolated',
      witnesses: 3,
      excluded: [content],
    });
  });

  it('that has one bad piece is out of that content alone', () => {
    const lab = labOf(['p'], ['a']);
    accuse(lab, 'p');
    answer(lab, 'wrong');
    lab.advance(100);
    answer(lab, 'right');
    expect(isolated(lab)).toEqual([]);
    lab.advance(lab.scheduler.state.limits.doubtfulExclusionMs);
    expect(open(lab, 'p')).toEqual([]);
    lab.advance(lab.scheduler.state.limits.exclusionMs);
    expect(lab.commands).toContainEqual({ type: 'admitted', host: 'p', content });
    expect(open(lab, 'p').length).toBeGreaterThan(0);
  });

  it('and is right is back at once; the accuser is in doubt', () => {
    const lab = labOf(['p'], ['a', 'b']);
    const { child } = accuse(lab, 'p');
    answer(lab, 'right');
    expect(lab.commands).toContainEqual({ type: 'admitted', host: 'p', content });
    expect(open(lab, 'p').length).toBeGreaterThan(0);
    expect(lab.scheduler.standingOf(id(child), lab.now)).toMatchObject({ state: 'ok', score: 1 });
  });

  it('stays out for a while when nobody can tell', () => {
    const lab = labOf(['p'], ['a']);
    accuse(lab, 'p');
    answer(lab, 'unknown');
    lab.advance(10_000);
    expect(open(lab, 'p')).toEqual([]);
    lab.advance(lab.scheduler.state.limits.doubtfulExclusionMs);
    expect(open(lab, 'p').length).toBeGreaterThan(0);
    expect(lab.scheduler.standingOf(id('a'), lab.now)?.state).toBe('ok');
  });

  it('stays out when the check is never answered, and the case ends', () => {
    const lab = labOf(['p'], ['a']);
    accuse(lab, 'p');
    lab.advance(lab.scheduler.state.limits.checkPatienceMs);
    answer(lab, 'right');
    expect(open(lab, 'p')).toEqual([]);
  });

  it('leaves, and the answer that comes then means nothing', () => {
    const lab = labOf(['p'], ['a']);
    accuse(lab, 'p');
    lab.send({ type: 'host-left', host: id('p') });
    answer(lab, 'wrong');
    lab.advance(1000);
    expect(isolated(lab)).toEqual([]);
  });

  it('and was isolated by three children, of three contents, before it was looked at is released when it was right', () => {
    const lab = new SchedulerLab([], 8, { checks: 1 });
    lab.send({ type: 'host-left', host: id('seed') });
    lab.join('p');
    const contents = [0, 1, 2].map((at) => `${`${at}`.repeat(64)}.1` as typeof content);
    for (const [at, which] of contents.entries()) {
      lab.shape(8, true, which);
      lab.send({ type: 'peer-joined', host: id('p'), content: which, held: Bitfield.full(8), wants: 'nothing' });
      lab.join(`c${at}`);
      lab.send({ type: 'peer-joined', host: id(`c${at}`), content: which, held: new Bitfield(8), wants: 'all' });
    }
    for (let round = 0; round < 20 && isolated(lab).length === 0; round++) {
      for (const { child, content: which, piece, lease } of open(lab, 'p')) {
        lab.send({ type: 'piece-failed', host: child, content: which, piece, lease, fault: 'peer-corrupt' });
      }
      lab.advance(10);
    }
    expect(isolated(lab)).toEqual(['p peer-corrupt']);
    answer(lab, 'right');
    expect(lab.commands).toContainEqual({ type: 'released', host: 'p', why: 'refuted' });
    expect(lab.scheduler.standingOf(id('p'), lab.now)?.state).toBe('ok');
  });
});

describe('a liar', () => {
  it('is not heard any more after two parents, gives nothing for a while, and gets its pieces from the seed', () => {
    const lab = labOf(['p', 'q'], ['a'], 64);
    accuse(lab, 'p', 'a');
    answer(lab, 'right');
    lab.advance(100);
    accuse(lab, 'q', 'a');
    answer(lab, 'right');
    expect(isolated(lab)).toEqual(['a false-witness']);
    lab.advance(2500);
    expect([...open(lab, 'p'), ...open(lab, 'q')]).toEqual([]);
    lab.join('s', { seed: true });
    lab.enter('s', Bitfield.full(64), 'nothing');
    expect(open(lab, 's', 'a').length).toBeGreaterThan(0);
    const before = checks(lab).length;
    lab.advance(lab.scheduler.state.limits.corruptIsolationMs);
    lab.advance(2500);
    expect(open(lab, 'p', 'a').length + open(lab, 'q', 'a').length).toBeGreaterThan(0);
    expect(checks(lab)).toHaveLength(before);
  });

  it('is not forgotten when the seed has nothing: the seed is told to get what hosts hold, each piece once', () => {
    const lab = labOf(['p', 'q'], ['a'], 64);
    for (const parent of ['p', 'q']) {
      accuse(lab, parent, 'a');
      answer(lab, 'right');
      lab.advance(100);
    }
    expect(isolated(lab)).toEqual(['a false-witness']);
    lab.join('s', { seed: true });
    lab.enter('s', new Bitfield(64), 'nothing');
    const told = () => lab.commands.flatMap((command) => (command.type === 'starved' ? command.pieces : []));
    lab.advance(1000);
    const held = lab.scheduler.heldBy(id('a'), content);
    expect(told()).toEqual(
      Array.from({ length: 64 }, (_, piece) => piece).filter((piece) => held?.has(piece) !== true),
    );
    const { length } = told();
    lab.advance(1000);
    expect(told()).toHaveLength(length);
    const piece = told()[0] ?? 0;
    lab.send({ type: 'piece-held', host: id('s'), content, piece, lease: 0, millis: 0 });
    expect(open(lab, 's', 'a').map((assign) => assign.piece)).toEqual([piece]);
  });

  it('cannot put more than two parents out at a time', () => {
    const parents = ['p', 'q', 'r', 't'];
    const lab = labOf(parents, ['a'], 256);
    for (const parent of parents) if (open(lab, parent, 'a').length > 0) accuse(lab, parent, 'a');
    const out = lab.commands.filter(({ type }) => type === 'excluded');
    expect(out.length).toBeLessThanOrEqual(lab.scheduler.state.limits.openAccusations);
    expect(isolated(lab)).toEqual([]);
  });

  it('does nothing to the seed', () => {
    const lab = new SchedulerLab(['a'], 32);
    const first = lab.assign(0);
    lab.failed(first, 'peer-corrupt');
    expect(checks(lab)).toEqual([]);
    expect(lab.commands.some(({ type }) => type === 'excluded')).toBe(false);
  });
});
