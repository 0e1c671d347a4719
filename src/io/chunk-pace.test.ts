import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateTree } from '../base/rate-tree.ts';
import { FIRST_CHUNK_BYTES, nextChunk } from './chunk-pace.ts';

const MAX = 1024 * 1024;

describe('the pace of chunks', () => {
  it('stays within its bounds whatever the limit answers', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })), (waits) => {
        let chunk = FIRST_CHUNK_BYTES;
        for (const wait of waits) {
          chunk = nextChunk(chunk, wait, MAX);
          expect(Number.isInteger(chunk) && chunk >= 4096 && chunk <= MAX).toBe(true);
        }
      }),
    );
  });

  it('grows to the largest chunk where nothing limits', () => {
    let chunk = FIRST_CHUNK_BYTES;
    for (let i = 0; i < 10; i++) chunk = nextChunk(chunk, 0, MAX);
    expect(chunk).toBe(MAX);
  });

  it.each([200_000, 2_000_000, 50_000_000, 500_000_000])('holds %i bytes per second without lumps', (rate) => {
    const tree = new RateTree(rate);
    let chunk = FIRST_CHUNK_BYTES;
    let now = 0;
    let bytes = 0;
    let longest = 0;
    while (now < 4000) {
      const wait = tree.take('task', chunk, now);
      bytes += chunk;
      chunk = nextChunk(chunk, wait, MAX);
      // Timers count whole milliseconds, and come late.
      now += Math.max(0.05, Math.ceil(wait));
      if (now > 500) longest = Math.max(longest, wait);
    }
    expect(Math.abs((bytes * 1000) / now / rate - 1)).toBeLessThan(0.03);
    expect(longest).toBeLessThan(60);
  });
});
