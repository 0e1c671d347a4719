import { expect, test } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { Random } from '../base/random.ts';
import { contentIdOf, type TaskId } from '../protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { idOf } from './memory.fixture.ts';
import { SeedPeer } from './seed-peer.ts';

const content = contentIdOf('a'.repeat(64) as TaskId, '1');
const [seed, child] = [idOf('seed'), idOf('child')];
const pieceSize = 65536;

function lab(length: number | null) {
  const scheduler = new Scheduler({ random: new Random(1) });
  const told: string[] = [];
  const said: SchedulerCommand[] = [];
  const loop = {
    handle: (event: SchedulerEvent) => {
      told.push(event.type);
      said.push(...scheduler.handle(event, 0));
    },
    decideNow: () => void told.push('now'),
  };
  for (const host of [seed, child]) {
    const site = { idc: '', location: '', machine: host };
    scheduler.handle({ type: 'host-joined', host, site, seed: host === seed, uploads: true }, 0);
  }
  const shape = { length, pieceSize };
  const peer = new SeedPeer(shape, { loop, host: seed, content });
  peer.shaped(shape, 0);
  const childJoins = () => {
    peer.join();
    loop.handle({ type: 'peer-joined', host: child, content, held: new Bitfield(4), wants: 'all' });
  };
  const held = () => [...(scheduler.heldBy(seed, content) ?? [])];
  return { peer, told, said, held, childJoins };
}

test('the scheduler hears of the cache’s pieces when a host joins, and from then on at once', () => {
  const { peer, told, held } = lab(4 * pieceSize);
  peer.holds(0);
  peer.holds(2);
  expect(told).toEqual([]);
  peer.join();
  expect(told.splice(0)).toEqual(['content-shaped', 'peer-joined']);
  expect(held()).toEqual([0, 2]);
  peer.join();
  peer.holds(1);
  peer.holds(0);
  expect(told).toEqual(['piece-held', 'piece-held', 'now']);
  expect(held()).toEqual([0, 1, 2]);
});

test('pieces that it had and lost before anybody came are starved for as soon as somebody wants them', () => {
  const { peer, said, childJoins } = lab(2 * pieceSize);
  for (const piece of [0, 1]) peer.holds(piece);
  peer.lost([0, 1]);
  peer.holds(1);
  childJoins();
  expect(said.filter(({ type }) => type === 'starved')).toEqual([{ type: 'starved', content, pieces: [0] }]);
});

test('a content whose length is not known grows, before and after a host has joined', () => {
  const { peer, held, childJoins } = lab(null);
  for (const piece of [0, 1, 2]) peer.holds(piece);
  childJoins();
  expect(held()).toEqual([0, 1, 2]);
  peer.holds(3);
  peer.shaped({ length: 3 * pieceSize + 5, pieceSize }, 4);
  expect(held()).toEqual([0, 1, 2, 3]);
});

test('the end of a content of which nothing was told is not told either', () => {
  const { peer, told } = lab(pieceSize);
  peer.close();
  expect(told).toEqual([]);
  peer.join();
  peer.close();
  expect(told.at(-1)).toBe('content-closed');
});
