/** Readers: what they need comes first and in order, and who wants only a window gets only that. */
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import type { Wants } from './events.ts';
import { type Assign, content, id, SchedulerLab } from './scheduler.fixture.ts';

function reader(window: { from: number; count: number }, wants: Wants, pieces = 64): SchedulerLab {
  const lab = new SchedulerLab([], pieces);
  lab.join('r');
  lab.enter('r', new Bitfield(pieces), wants, window);
  return lab;
}

const piecesOf = (assigns: readonly Assign[]): number[] => assigns.map(({ piece }) => piece).sort((a, b) => a - b);
const wanting = (lab: SchedulerLab): number => lab.scheduler.state.swarms.get(content)?.wanting ?? -1;

describe('a peer that wants only its window', () => {
  it('gets the pieces of the window and no others', () => {
    const lab = reader({ from: 10, count: 6 }, 'window');
    lab.runDry();
    expect(piecesOf(lab.assigns())).toEqual([10, 11, 12, 13, 14, 15]);
    expect(wanting(lab)).toBe(0);
  });

  it('gets those of the next window when it moves, whatever it holds already', () => {
    const lab = reader({ from: 10, count: 6 }, 'window');
    lab.runDry();
    lab.send({ type: 'window-moved', host: id('r'), content, window: { from: 14, count: 4 } });
    expect(wanting(lab)).toBe(1);
    lab.runDry();
    expect(piecesOf(lab.assigns())).toEqual([10, 11, 12, 13, 14, 15, 16, 17]);
    lab.send({ type: 'window-moved', host: id('r'), content, window: null });
    lab.advance(1000);
    expect(lab.assigns()).toHaveLength(8);
  });

  it('is given nothing without a window, nor beyond the end', () => {
    const lab = new SchedulerLab([], 8);
    lab.join('r');
    lab.enter('r', new Bitfield(8), 'window');
    expect(lab.assigns()).toEqual([]);
    lab.send({ type: 'window-moved', host: id('r'), content, window: { from: 6, count: 100 } });
    lab.runDry();
    expect(piecesOf(lab.assigns())).toEqual([6, 7]);
  });

  it('gets the rest when it asks for the whole', () => {
    const lab = reader({ from: 2, count: 2 }, 'window', 8);
    lab.runDry();
    lab.send({ type: 'window-moved', host: id('r'), content, window: null, wants: 'all' });
    lab.runDry();
    expect(piecesOf(lab.assigns())).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(wanting(lab)).toBe(0);
  });

  it('feeds others with what it has', () => {
    const lab = reader({ from: 2, count: 2 }, 'window', 8);
    lab.runDry();
    lab.send({ type: 'host-left', host: id('seed') });
    lab.join('b');
    lab.enter('b');
    expect(piecesOf(lab.assigns().filter(({ parent }) => parent === 'r'))).toEqual([2, 3]);
  });

  it('waits for a piece of its window that the source has not brought yet', () => {
    const lab = new SchedulerLab([], 8);
    lab.send({ type: 'peer-joined', host: id('seed'), content, held: new Bitfield(8), wants: 'nothing' });
    lab.join('r');
    lab.enter('r', new Bitfield(8), 'window', { from: 5, count: 1 });
    lab.send({ type: 'piece-held', host: id('seed'), content, piece: 4, lease: 0, millis: 0 });
    expect(lab.assigns()).toEqual([]);
    lab.send({ type: 'piece-held', host: id('seed'), content, piece: 5, lease: 0, millis: 0 });
    expect(piecesOf(lab.assigns())).toEqual([5]);
  });

  it('is told starved only of pieces of windows', () => {
    const lab = reader({ from: 2, count: 2 }, 'window', 8);
    const out = lab.send({ type: 'host-left', host: id('seed') });
    expect(out.filter(({ type }) => type === 'starved')).toEqual([{ type: 'starved', content, pieces: [2, 3] }]);
    const more = lab.send({ type: 'window-moved', host: id('r'), content, window: { from: 3, count: 2 } });
    expect(more.filter(({ type }) => type === 'starved')).toEqual([{ type: 'starved', content, pieces: [4] }]);
  });

  it('does not come back to life by a window after it has left', () => {
    const lab = reader({ from: 2, count: 2 }, 'window', 8);
    lab.runDry();
    lab.send({ type: 'peer-left', host: id('r'), content, keeps: true });
    lab.send({ type: 'window-moved', host: id('r'), content, window: { from: 5, count: 1 }, wants: 'all' });
    expect(lab.assigns()).toHaveLength(2);
    expect(wanting(lab)).toBe(0);
  });
});

describe('a peer that wants all and reads somewhere', () => {
  it('gets its window first and in order', () => {
    const lab = reader({ from: 40, count: 8 }, 'all');
    expect(
      lab
        .assigns()
        .slice(0, 4)
        .map(({ piece }) => piece),
    ).toEqual([40, 41, 42, 43]);
    lab.runDry();
    expect(lab.assigns()).toHaveLength(64);
  });
});
