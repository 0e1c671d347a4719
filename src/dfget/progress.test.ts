import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../peer/engine.ts';
import { barLine, type ProgressState, plainLine, shareFromPeers, withSample } from './progress.ts';

const MIB = 1024 * 1024;
const progress = (change: Partial<DownloadProgress>): DownloadProgress => ({
  length: 100 * MIB,
  done: 0,
  fromPeers: 0,
  fromSupernode: 0,
  fromSource: 0,
  fromDisk: 0,
  ...change,
});

function stateOf(...samples: [atMs: number, change: Partial<DownloadProgress>][]): ProgressState {
  let state: ProgressState | undefined;
  for (const [atMs, change] of samples) state = withSample(state, progress(change), atMs);
  if (state === undefined) throw new Error('no sample');
  return state;
}

describe('the rate', () => {
  it('is that of the last seconds, not the mean since the start', () => {
    const state = stateOf([0, {}], [1000, { done: 80 * MIB }], [4500, { done: 80 * MIB }], [5500, { done: 81 * MIB }]);
    expect(state.bytesPerSecond).toBe(MIB);
  });

  it('is 0 for one sample and never negative', () => {
    expect(stateOf([0, { done: MIB }]).bytesPerSecond).toBe(0);
    expect(stateOf([0, { done: MIB }], [100, { done: 0 }]).bytesPerSecond).toBe(0);
  });

  it('needs a bounded memory', () => {
    const state = stateOf(...Array.from({ length: 1000 }, (_, at): [number, object] => [at, { done: at }]));
    expect(state.samples.length).toBeLessThanOrEqual(64);
  });
});

describe('a line', () => {
  it('has share, bytes, rate, time left and what peers gave', () => {
    const state = stateOf([0, {}], [1000, { done: 50 * MIB, fromPeers: 30 * MIB, fromSupernode: 10 * MIB }]);
    expect(plainLine(state)).toBe('50 %  50 MiB of 100 MiB  50 MiB/s  1.0 s left  75 % from peers');
  });

  it('goes without a share when the length is unknown', () => {
    expect(plainLine(stateOf([0, { length: null, done: MIB }]))).toBe('1 MiB  0 B/s  0 % from peers');
  });

  it('has a bar of constant width that is cut to the screen', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.integer({ min: 10, max: 200 }), (done, columns) => {
        const line = barLine(stateOf([0, { done: done * MIB }]), columns);
        expect(line.length).toBeLessThanOrEqual(columns);
        if (columns > 30) expect(line).toMatch(/^\[[█·]{24}\] /);
      }),
    );
    expect(barLine(stateOf([0, { length: 0 }]), 80)).toMatch(/^\[█{24}\] 100 %/);
  });

  it('says nothing of what lay on disk in the share of peers', () => {
    expect(shareFromPeers(progress({ fromDisk: 90, fromPeers: 5, fromSupernode: 5 }))).toBe(0.5);
    expect(shareFromPeers(progress({ fromDisk: 90 }))).toBe(0);
  });
});
