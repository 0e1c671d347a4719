import { describe, expect, it } from 'vitest';
import { LeftAlone, type LostHosts } from './left-alone.fixture.ts';

/** Pieces of 1 MiB at 100 Mbit/s; a third of the content is held by all when the supernode is lost. */
const PIECES = 192;
const WORLD: LostHosts = {
  hosts: 8,
  pieces: PIECES,
  held: (_, piece) => piece % 3 === 0,
  hasManifest: false,
  linkMs: 84,
  sourceMs: 84,
};

function run(change: Partial<LostHosts>) {
  const world = new LeftAlone({ ...WORLD, ...change });
  world.run();
  expect([...world.ends.keys()].sort()).toEqual([...world.honest].sort());
  const missing = Array.from({ length: PIECES }, (_, piece) => piece).filter((piece) => piece % 3 !== 0).length;
  return {
    timesRead: world.reads.length / missing,
    readers: new Set(world.reads.map(({ host }) => host)).size,
    seconds: Math.max(...world.ends.values()) / 1000,
  };
}

describe('hosts that lost their supernode for good', () => {
  it('read each missing piece once between them where a manifest proves it', () => {
    const { timesRead, readers, seconds } = run({ hasManifest: true });
    expect(timesRead).toBeLessThan(1.1);
    expect(readers).toBeLessThanOrEqual(4);
    expect(seconds).toBeLessThan(40);
  });

  it('read each missing piece twice between them where nothing but their agreement proves it', () => {
    const { timesRead, readers, seconds } = run({});
    expect(timesRead).toBeLessThan(2.1);
    expect(readers).toBeLessThanOrEqual(4);
    expect(seconds).toBeLessThan(40);
  });

  it('go on as before with one that does not say in time what it holds', () => {
    expect(run({ hasManifest: true, askFails: 0.3 }).timesRead).toBeLessThan(1.2);
    expect(run({ askFails: 0.1 }).timesRead).toBeLessThan(2.2);
  });

  it('give what they hold to each other before they read anything', () => {
    const half = (host: number, piece: number) => piece % 3 === 0 || (piece + host) % 2 === 0;
    const { timesRead } = run({ held: half });
    expect(timesRead).toBe(0);
  });

  it('take no wrong byte of a liar, and do not wait for it for ever', () => {
    for (const liars of [[0], [3], [7]]) {
      const { timesRead } = run({ liars });
      expect(timesRead).toBeLessThan(2.2);
    }
  });

  it('read for themselves where there are no two others', () => {
    expect(run({ hosts: 2 }).timesRead).toBeLessThanOrEqual(2);
    expect(run({ hosts: 3 }).timesRead).toBeLessThanOrEqual(3);
  });
});
