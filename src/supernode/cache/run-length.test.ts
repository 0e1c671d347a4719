import { describe, expect, it } from 'vitest';
import { RunLength } from './run-length.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Reads over a link of so many bytes per millisecond, until `total` bytes are here. */
function readAll(length: RunLength, total: number, rate: number): number[] {
  const reads: number[] = [];
  for (let left = total; left > 0; ) {
    const bytes = Math.min(left, length.bytes);
    reads.push(bytes);
    length.took(bytes, bytes / rate);
    left -= bytes;
  }
  return reads;
}

describe('the length of reads', () => {
  it('stays short over a slow link', () => {
    expect(Math.max(...readAll(new RunLength(0, 8 * MIB), 16 * MIB, 1.25 * KIB))).toBeLessThanOrEqual(512 * KIB);
  });

  it('grows over a fast one', () => {
    const reads = readAll(new RunLength(0, 8 * MIB), 128 * MIB, 100 * KIB);
    expect(reads[0]).toBe(256 * KIB);
    expect(Math.max(...reads)).toBe(8 * MIB);
    expect(reads.length).toBeLessThan(24);
  });

  it('shrinks when the link becomes slow, and not below what the tier asks for', () => {
    const length = new RunLength(MIB, 8 * MIB);
    readAll(length, 64 * MIB, 100 * KIB);
    expect(length.bytes).toBe(8 * MIB);
    readAll(length, 32 * MIB, KIB);
    expect(length.bytes).toBe(MIB);
  });

  it('is what the tier asks for where each read begins at the first byte', () => {
    expect(new RunLength(32 * MIB, 32 * MIB).bytes).toBe(32 * MIB);
  });
});
