/** What the scheduler does when transfers fail, parents lie or stall, and pieces are lost. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { upLine } from './lines.ts';
import { type Assign, content, id, SchedulerLab } from './scheduler.fixture.ts';

/** Lab in which `p` holds everything beside the seed and the seed gives nothing. */
function withParent(children: readonly string[], pieces = 16): SchedulerLab {
  const lab = new SchedulerLab([], pieces);
  lab.send({ type: 'host-left', host: id('seed') });
  lab.join('p');
  lab.enter('p', Bitfield.full(pieces), 'nothing');
  for (const child of children) {
    lab.join(child);
    lab.enter(child);
  }
  return lab;
}

const open = (lab: SchedulerLab): Assign[] =>
  lab.assigns().filter((assign) => lab.scheduler.state.leases.find(assign.lease) !== undefined);

/** Lets every child report this fault for all that it is getting. */
function failAll(lab: SchedulerLab, fault: Parameters<SchedulerLab['failed']>[1]): void {
  for (const assign of open(lab)) lab.failed(assign, fault);
}

describe('a failed piece', () => {
  it('is not asked again from the same parent by the same child for a while', () => {
    const lab = withParent(['a']);
    failAll(lab, 'peer-reset');
    expect(open(lab)).toEqual([]);
    lab.advance(lab.scheduler.state.limits.avoidMs + 600);
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('goes to another parent at once', () => {
    const lab = withParent(['a'], 1);
    lab.join('q');
    lab.enter('q', Bitfield.full(1), 'nothing');
    const first = open(lab)[0];
    expect(first?.parent).toBe('p');
    if (first !== undefined) lab.failed(first, 'peer-stalled');
    expect(open(lab).some(({ parent, piece }) => parent === 'q' && piece === first?.piece)).toBe(true);
  });

  it('tells that the parent lacks it: nobody is sent there for it again', () => {
    const lab = withParent(['a'], 2);
    const [first] = open(lab);
    if (first === undefined) throw new Error('nothing was assigned');
    lab.failed(first, 'peer-lacks');
    for (let i = 0; i < 10; i++) lab.advance(1000);
    expect(lab.assigns().filter(({ piece }) => piece === first.piece)).toHaveLength(1);
    expect(lab.commands).toContainEqual({ type: 'starved', content, pieces: [first.piece] });
  });

  it('starves nobody while another serving host holds it', () => {
    const lab = withParent(['a'], 2);
    lab.join('q');
    lab.enter('q', Bitfield.full(2), 'nothing');
    failAll(lab, 'peer-lacks');
    expect(lab.commands.filter((command) => command.type === 'starved')).toEqual([]);
  });
});

describe('a parent that fails', () => {
  it('is limited, then isolated by the word of two children, and gets one at a time afterwards', () => {
    const lab = withParent(['a', 'b']);
    const trust = lab.scheduler.state.hosts.get(id('p'))?.trust;
    failAll(lab, 'peer-stalled');
    lab.advance(2500);
    failAll(lab, 'peer-stalled');
    expect(trust).toMatchObject({ limited: true, isolated: false });
    for (let i = 0; i < 6 && trust?.isolated === false; i++) {
      lab.advance(2500);
      failAll(lab, 'peer-stalled');
    }
    expect(lab.commands.find((command) => command.type === 'isolated')).toMatchObject({
      host: 'p',
      reason: 'peer-stalled',
    });
    expect(open(lab)).toEqual([]);
    lab.advance(lab.scheduler.state.limits.isolationMs);
    lab.advance(2500);
    expect(open(lab)).toHaveLength(1);
    const fromP = (): Assign[] => open(lab).filter(({ parent }) => parent === 'p');
    for (let i = 0; i < 3; i++) for (const assign of fromP()) lab.held(assign);
    expect(lab.commands).toContainEqual({ type: 'released', host: 'p', why: 'proved' });
    expect(fromP().length).toBeGreaterThan(1);
  });

  it('is not isolated, nor limited, by one child alone, however often it complains', () => {
    const lab = withParent(['a']);
    for (let i = 0; i < 20; i++) {
      failAll(lab, 'peer-stalled');
      lab.advance(2500);
    }
    expect(lab.commands.some(({ type }) => type === 'isolated')).toBe(false);
    expect(lab.scheduler.state.hosts.get(id('p'))?.trust.limited).toBe(false);
  });

  it('is not isolated by what many children say at one moment', () => {
    const lab = withParent(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 64);
    failAll(lab, 'peer-stalled');
    expect(lab.commands.some(({ type }) => type === 'isolated')).toBe(false);
  });

  it('goes back into isolation, for longer, when it fails on probation', () => {
    const lab = withParent(['a', 'b']);
    const isolations = (): { at: number; until: number }[] => found;
    const found: { at: number; until: number }[] = [];
    for (let i = 0; i < 60 && isolations().length < 2; i++) {
      failAll(lab, 'peer-reset');
      const last = lab.commands.findLast((command) => command.type === 'isolated');
      if (last?.type === 'isolated' && found.at(-1)?.until !== last.until)
        found.push({ at: lab.now, until: last.until });
      lab.advance(2500);
    }
    const [first, second] = isolations().map(({ at, until }) => until - at);
    expect(first).toBe(lab.scheduler.state.limits.isolationMs);
    expect(second).toBe(2 * (first ?? 0));
  });

  it('that gives nothing at all is left by all that wait at it, and what goes well is left alone', () => {
    const stuck = withParent(['a'], 64);
    const [one] = open(stuck);
    expect(open(stuck).length).toBeGreaterThan(1);
    stuck.now += 2000;
    if (one !== undefined) stuck.failed(one, 'peer-stalled');
    expect(open(stuck)).toEqual([]);
    const going = withParent(['a'], 64);
    const [given, late, ...rest] = open(going);
    going.now += 2000;
    if (given !== undefined) going.held(given, 1900);
    if (late !== undefined) going.failed(late, 'peer-stalled');
    const left = open(going).map(({ lease }) => lease);
    for (const { lease } of rest) expect(left).toContain(lease);
  });

  it('is given less when it stalls', () => {
    const lab = withParent(['a'], 64);
    for (let i = 0; i < 8; i++) {
      lab.now += 300;
      lab.held(lab.assign(i));
    }
    const { hosts } = lab.scheduler.state;
    const rate = (): number => hosts.lines.rate(upLine(hosts.get(id('p'))?.index ?? -1));
    const before = rate();
    const [assign] = open(lab);
    if (assign !== undefined) lab.failed(assign, 'peer-stalled');
    expect(rate()).toBeLessThan(before);
  });
});

describe('lost pieces', () => {
  it('are brought again, and nobody is sent to the loser', () => {
    const lab = new SchedulerLab(['a'], 8);
    lab.runDry();
    lab.send({ type: 'pieces-lost', host: id('a'), content, pieces: [3, 5, 99, -1] });
    lab.runDry(8);
    const again = lab.assigns().slice(8);
    expect(again.map(({ piece }) => piece).sort()).toEqual([3, 5]);
    lab.send({ type: 'pieces-lost', host: id('a'), content, pieces: 'all' });
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('end the transfers that the loser was giving', () => {
    const lab = withParent(['a'], 8);
    const [first] = open(lab);
    const out = lab.send({ type: 'pieces-lost', host: id('p'), content, pieces: [first?.piece ?? 0] });
    expect(out).toContainEqual({ type: 'cancel', content, child: 'a', piece: first?.piece, lease: first?.lease });
  });
});

describe('a late piece', () => {
  it('is asked from a second parent near the end; the first that comes ends the other', () => {
    const lab = withParent(['a'], 2);
    const late = open(lab)[0];
    const rest = open(lab)[1];
    if (late === undefined || rest === undefined) throw new Error('two pieces were expected');
    lab.now += 20;
    lab.held(rest);
    lab.join('q');
    lab.enter('q', Bitfield.full(2), 'nothing');
    for (let i = 0; i < 4 && open(lab).length < 2; i++) lab.advance(600);
    const hedge = open(lab).find(({ parent }) => parent === 'q');
    expect(hedge?.piece).toBe(late.piece);
    if (hedge === undefined) return;
    const out = lab.held(hedge);
    expect(out).toContainEqual({ type: 'cancel', content, child: 'a', piece: late.piece, lease: late.lease });
    expect(open(lab)).toEqual([]);
  });
});

describe('a host that says less', () => {
  it('gives nothing when it does not upload, and again when it does', () => {
    const lab = withParent(['a'], 8);
    const out = lab.join('p', { uploads: false });
    expect(out.filter(({ type }) => type === 'cancel').length).toBeGreaterThan(0);
    expect(open(lab)).toEqual([]);
    lab.join('p', { uploads: true });
    expect(open(lab).length).toBeGreaterThan(0);
  });

  it('starts anew when it comes back in another IDC', () => {
    const lab = withParent(['a'], 8);
    lab.join('p', { idc: 'elsewhere' });
    expect(open(lab)).toEqual([]);
    expect(lab.scheduler.state.hosts.size).toBe(2);
  });

  it('ends its own leases when it wants no more, and goes on serving', () => {
    const lab = new SchedulerLab(['a'], 8);
    const [first] = open(lab);
    if (first !== undefined) lab.held(first);
    lab.send({ type: 'peer-left', host: id('a'), content, keeps: true });
    expect(open(lab)).toEqual([]);
    lab.send({ type: 'host-left', host: id('seed') });
    lab.join('b');
    lab.enter('b');
    expect(open(lab)).toMatchObject([{ parent: 'a', child: 'b', piece: first?.piece }]);
    lab.send({ type: 'peer-left', host: id('a'), content, keeps: false });
    expect(open(lab)).toEqual([]);
  });
});
