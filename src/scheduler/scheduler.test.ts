import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { contentIdOf, type TaskId } from '../protocol/ids.ts';
import { type Assign, content, id, SchedulerLab } from './scheduler.fixture.ts';

describe('Scheduler', () => {
  it('gives a lone child every piece from the seed, each once, several at a time', () => {
    const lab = new SchedulerLab(['a']);
    expect(lab.assigns().length).toBeGreaterThanOrEqual(4);
    const done = lab.runDry();
    expect(done.map((assign) => assign.piece).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(lab.scheduler.state.leases.live).toBe(0);
  });

  it('does not let the seed repeat a piece while unsent ones exist', () => {
    const lab = new SchedulerLab(['a', 'b', 'c', 'd'], 32);
    lab.runDry();
    const fromSeed = lab.assigns().filter((assign) => assign.parent === 'seed');
    expect(new Set(fromSeed.slice(0, 32).map((assign) => assign.piece)).size).toBe(Math.min(32, fromSeed.length));
    expect(lab.assigns().length).toBe(4 * 32);
  });

  it('never assigns a piece twice to one child nor from a host that lacks it', () => {
    const lab = new SchedulerLab(['a', 'b', 'c'], 16);
    const holds = new Map<string, Set<number>>([['seed', new Set(Array.from({ length: 16 }, (_, i) => i))]]);
    const given = new Set<string>();
    for (let i = 0; i < lab.assigns().length; i++) {
      const assign = lab.assign(i);
      expect(given.has(`${assign.child} ${assign.piece}`)).toBe(false);
      given.add(`${assign.child} ${assign.piece}`);
      lab.held(assign);
      holds.set(assign.child, (holds.get(assign.child) ?? new Set()).add(assign.piece));
    }
    for (const assign of lab.assigns()) expect(holds.get(assign.parent)?.has(assign.piece)).toBe(true);
    expect(given.size).toBe(48);
  });

  it('gives the pieces of a reader window first and in order', () => {
    const lab = new SchedulerLab([], 64);
    lab.join('r');
    lab.enter('r', new Bitfield(64), 'all', { from: 40, count: 8 });
    expect(
      lab
        .assigns()
        .slice(0, 4)
        .map((assign) => assign.piece),
    ).toEqual([40, 41, 42, 43]);
  });

  it('moves the transfers of a parent that leaves to another holder and cancels them', () => {
    const lab = new SchedulerLab(['a'], 4);
    lab.runDry();
    lab.send({ type: 'host-left', host: id('seed') });
    lab.join('b');
    const before = lab.assigns().length;
    lab.enter('b', new Bitfield(4), 'all');
    expect(
      lab
        .assigns()
        .slice(before)
        .every((assign) => assign.parent === 'a'),
    ).toBe(true);
    lab.join('seed', { seed: true });
    lab.enter('seed', Bitfield.full(4), 'nothing');
    const out = lab.send({ type: 'host-left', host: id('a') });
    expect(out.filter((command) => command.type === 'cancel')).toHaveLength(4);
    expect(out.filter((command): command is Assign => command.type === 'assign').map((a) => a.parent)).toEqual(
      Array(4).fill('seed'),
    );
  });

  it('looks only at contents of which somebody wants something', () => {
    const lab = new SchedulerLab(['a']);
    const { swarms } = lab.scheduler.state;
    expect([...swarms.active]).toEqual([swarms.get(content)]);
    lab.runDry();
    expect([swarms.size, swarms.active.size]).toEqual([1, 0]);
    lab.join('b');
    lab.enter('b');
    lab.send({ type: 'content-closed', content });
    expect([swarms.size, swarms.active.size]).toEqual([0, 0]);
  });

  it('says starved once when the last holder of wanted pieces goes', () => {
    const lab = new SchedulerLab(['a'], 4);
    const out = lab.send({ type: 'host-left', host: id('seed') });
    expect(out.filter((command) => command.type === 'starved')).toEqual([
      { type: 'starved', content, pieces: [0, 1, 2, 3] },
    ]);
    expect(lab.advance(1000).filter((command) => command.type === 'starved')).toEqual([]);
  });

  it('ends a silent lease at its deadline and gives the piece again', () => {
    const lab = new SchedulerLab(['a'], 1);
    expect(lab.assigns()).toHaveLength(1);
    for (let i = 0; i < 40; i++) lab.advance(500);
    expect(lab.commands.some((command) => command.type === 'cancel')).toBe(true);
    expect(lab.assigns().length).toBeGreaterThan(1);
    lab.runDry();
    expect(lab.scheduler.state.leases.live).toBe(0);
  });

  it('imports each piece once into a foreign IDC', () => {
    const lab = new SchedulerLab([], 16);
    for (const host of ['x1', 'x2', 'x3']) lab.join(host, { idc: 'x' });
    for (const host of ['x1', 'x2', 'x3']) lab.enter(host, new Bitfield(16), 'all');
    lab.runDry();
    expect(lab.assigns().filter((assign) => assign.parent === 'seed')).toHaveLength(16);
    expect(lab.assigns()).toHaveLength(48);
  });

  it('lets the seed bring a piece in once while hosts can pass it on', () => {
    const lab = new SchedulerLab(['a', 'b', 'c', 'd'], 32);
    lab.runDry();
    expect(lab.assigns()).toHaveLength(4 * 32);
    expect(lab.assigns().filter(({ parent }) => parent === 'seed')).toHaveLength(32);
  });

  it('takes from hosts that hold all, and not from the seed', () => {
    const lab = new SchedulerLab([], 32);
    lab.join('old');
    lab.enter('old', Bitfield.full(32), 'nothing');
    lab.advance(10_000);
    lab.join('new');
    lab.enter('new', new Bitfield(32), 'all');
    lab.runDry();
    expect(lab.assigns()).toHaveLength(32);
    expect(new Set(lab.assigns().map(({ parent }) => parent))).toEqual(new Set(['old']));
  });

  it('lets the seed repeat a piece that hosts lack for long', () => {
    const lab = new SchedulerLab(['a', 'b'], 1);
    const first = lab.assigns();
    expect(first).toHaveLength(1);
    // The first host never reports, so nobody can pass the piece on.
    lab.advance(600);
    lab.advance(600);
    const second = lab.assigns().filter(({ child }) => child !== first[0]?.child);
    expect(second.map(({ parent }) => parent)).toEqual(['seed']);
  });

  it('ignores what it cannot know: strangers, spent leases, pieces out of range', () => {
    const lab = new SchedulerLab(['a'], 4);
    const assign = lab.assign(0);
    lab.held({ ...assign, child: id('nobody') });
    lab.held({ ...assign, piece: 99 });
    lab.held({ ...assign, piece: -1 });
    lab.failed({ ...assign, lease: 12345 }, 'peer-corrupt');
    lab.send({ type: 'content-closed', content: contentIdOf('b'.repeat(64) as TaskId, '1') });
    lab.runDry();
    lab.runDry();
    expect(lab.scheduler.state.leases.live).toBe(0);
  });

  it('forgets everything of a closed content and of hosts that left', () => {
    const lab = new SchedulerLab(['a', 'b'], 8);
    lab.send({ type: 'content-closed', content });
    expect(lab.scheduler.state.leases.live).toBe(0);
    expect(lab.scheduler.state.swarms.size).toBe(0);
    for (const host of ['a', 'b', 'seed']) lab.send({ type: 'host-left', host: id(host) });
    expect(lab.scheduler.state.hosts.size).toBe(0);
  });
});
