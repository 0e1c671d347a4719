/** Whom the scheduler brings together: places, IDCs, rates, several contents, contents that still grow. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { contentIdOf, type TaskId } from '../protocol/ids.ts';
import type { Wants } from './events.ts';
import { id, SchedulerLab } from './scheduler.fixture.ts';
import { nearness, Place } from './site-distance.ts';

const MIB = 1024 * 1024;

describe('nearness', () => {
  it('is greatest on one machine, then on one rack, then by common levels, and never a whole piece', () => {
    const at = (location: string, machine = ''): Place => new Place({ idc: '', location, machine });
    const here = at('row1|rack2', 'm');
    const order = [at('x', 'm'), at('row1|rack2'), at('row1|rack3'), at('row2|rack2'), at('')].map((b) =>
      nearness(here, b),
    );
    expect(order).toEqual([...order].sort((a, b) => b - a));
    expect(new Set(order.slice(0, 4)).size).toBe(4);
    expect(Math.max(...order)).toBeLessThan(1);
    expect(order[4]).toBe(0);
  });

  it('decides between equal children', () => {
    const lab = new SchedulerLab([], 1);
    const site = (location: string, machine: string) => ({ idc: '', location, machine });
    lab.send({ type: 'host-left', host: id('seed') });
    for (const [host, machine] of [
      ['far', 'm1'],
      ['near', 'm2'],
    ] as const) {
      lab.join(host, { site: site('row|rack', machine) });
      lab.enter(host);
    }
    lab.join('p', { site: site('row|rack', 'm2') });
    lab.enter('p', Bitfield.full(1), 'nothing');
    expect(lab.assign(0)).toMatchObject({ parent: 'p', child: 'near' });
  });
});

describe('data centres', () => {
  it('let a child import what its own IDC has after failures in a row', () => {
    const lab = new SchedulerLab([], 4);
    for (const host of ['x1', 'x2']) {
      lab.join(host, { idc: 'x' });
      lab.enter(host);
    }
    lab.runDry();
    lab.join('x3', { idc: 'x' });
    lab.enter('x3');
    const from = (parent: string): number =>
      lab.assigns().filter((assign) => assign.child === 'x3' && assign.parent === parent).length;
    for (let round = 0; round < 6 && from('seed') === 0; round++) {
      for (const assign of lab.assigns()) if (assign.child === 'x3') lab.failed(assign, 'peer-reset');
      lab.advance(2600);
    }
    expect(from('x1') + from('x2')).toBeGreaterThan(0);
    expect(from('seed')).toBeGreaterThan(0);
  });

  it('count as one when there are too many to tell apart, and their numbers come back', () => {
    const lab = new SchedulerLab([], 4, { maxIdcs: 3 });
    const numberOf = (host: string): number | undefined => lab.scheduler.state.hosts.get(id(host))?.idc;
    for (const idc of ['x', 'y', 'z']) lab.join(`h-${idc}`, { idc });
    expect([numberOf('h-x'), numberOf('h-y'), numberOf('h-z')]).toEqual([1, 2, 0]);
    lab.send({ type: 'host-left', host: id('h-x') });
    lab.join('again', { idc: 'w' });
    expect(numberOf('again')).toBe(1);
  });
});

describe('rates', () => {
  /** Outstanding after ten pieces whose control rounds took 20 ms. */
  function outstanding(bytesPerSecond: number): number {
    const lab = new SchedulerLab([], 512);
    lab.join('seed', { seed: true, up: bytesPerSecond });
    lab.join('a', { up: bytesPerSecond, down: bytesPerSecond });
    lab.enter('a');
    for (let i = 0; i < 10; i++) {
      const assign = lab.assign(i);
      lab.now += 25;
      const { leases } = lab.scheduler.state;
      const begun = leases.startedAt(leases.find(assign.lease) ?? -1);
      lab.held(assign, lab.now - begun - 20);
    }
    return lab.scheduler.state.leases.live;
  }

  it('that are slow get a piece at a time, fast ones what they carry in the time of a control round', () => {
    expect(outstanding(0.5 * MIB)).toBe(1);
    const some = outstanding(12.5 * MIB);
    expect(some).toBeGreaterThanOrEqual(7);
    expect(some).toBeLessThan(16);
    expect(outstanding(1000 * MIB)).toBeGreaterThan(60);
  });
});

describe('several contents on the same hosts', () => {
  it('get like numbers of bytes in any stretch', () => {
    const other = contentIdOf('b'.repeat(64) as TaskId, '1');
    const lab = new SchedulerLab(['a'], 64);
    lab.shape(64, true, other);
    const enter = (host: string, held: Bitfield, wants: Wants) =>
      lab.send({ type: 'peer-joined', host: id(host), content: other, held, wants });
    enter('seed', Bitfield.full(64), 'nothing');
    enter('a', new Bitfield(64), 'all');
    for (let i = 0; i < 60; i++) {
      const assign = lab.assign(i);
      const { child, piece, lease } = assign;
      lab.now += 5;
      lab.send({ type: 'piece-held', host: child, content: assign.content, piece, lease, millis: 5 });
    }
    const later = lab.assigns().slice(20, 60);
    const share = later.filter((assign) => assign.content === other).length / later.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
  });
});

describe('a content that still grows', () => {
  it('is given piece by piece as it comes, and is complete only when its end is known', () => {
    const lab = new SchedulerLab([], 1);
    const growing = contentIdOf('c'.repeat(64) as TaskId, '1');
    lab.shape(0, false, growing);
    lab.send({ type: 'peer-joined', host: id('seed'), content: growing, held: new Bitfield(0), wants: 'nothing' });
    lab.join('a');
    lab.send({ type: 'peer-joined', host: id('a'), content: growing, held: new Bitfield(0), wants: 'all' });
    for (let pieces = 1; pieces <= 100; pieces++) {
      lab.shape(pieces, pieces === 100, growing);
      const out = lab.send({
        type: 'piece-held',
        host: id('seed'),
        content: growing,
        piece: pieces - 1,
        lease: 0,
        millis: 0,
      });
      const [assign] = out.filter((command) => command.type === 'assign');
      expect(assign).toMatchObject({ child: 'a', piece: pieces - 1 });
      expect(lab.scheduler.state.swarms.get(growing)?.wanting).toBe(1);
      if (assign === undefined) continue;
      const { piece, lease } = assign;
      lab.send({ type: 'piece-held', host: id('a'), content: growing, piece, lease, millis: 1 });
    }
    expect(lab.scheduler.state.swarms.get(growing)?.wanting).toBe(0);
  });

  it('never shrinks, and a shape that makes no sense is ignored', () => {
    const lab = new SchedulerLab(['a'], 8);
    lab.shape(4);
    lab.shape(-1);
    lab.shape(1.5);
    lab.shape(2 ** 30);
    expect([...lab.scheduler.state.swarms.values()].map((swarm) => swarm.pieces)).toEqual([8]);
    lab.runDry();
    expect(lab.assigns()).toHaveLength(8);
  });
});

describe('a child far behind with a parent that holds little', () => {
  it('gets the useful piece although the rarest ones are elsewhere', () => {
    const pieces = 256;
    const lab = new SchedulerLab([], pieces);
    lab.send({ type: 'host-left', host: id('seed') });
    lab.join('p');
    const held = new Bitfield(pieces);
    held.set(200);
    lab.enter('p', held, 'nothing');
    // Pieces 0 to 199 are rarer than 200: only one host has them, and that one serves nobody.
    for (const host of ['q', 'r']) {
      lab.join(host);
      const all = new Bitfield(pieces);
      for (let piece = host === 'q' ? 0 : 200; piece < (host === 'q' ? 200 : 201); piece++) all.set(piece);
      lab.enter(host, all, 'nothing');
    }
    lab.join('q', { uploads: false });
    lab.join('q', { uploads: true, up: 1 });
    lab.join('c');
    lab.enter('c');
    expect(lab.assigns().some(({ parent, piece }) => parent !== 'q' && piece === 200)).toBe(true);
  });
});
