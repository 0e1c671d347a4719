import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration, parseRate, parseSize, printDuration, printSize } from './units.ts';

describe('sizes', () => {
  it.each([
    ['20M', 20 * 1024 ** 2],
    ['64KB', 64 * 1024],
    ['3g', 3 * 1024 ** 3],
    ['512', 512],
    ['100B', 100],
    ['1.5MiB', 1.5 * 1024 ** 2],
  ])('%s is read', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
    expect(parseRate(`${text}/s`)).toBe(bytes);
  });

  it.each(['', 'M', '-1', '1X', '20MM', '1e3', 'fast', '99999999999G'])('%j is not a size', (text) => {
    expect(() => parseSize(text)).toThrow(RangeError);
  });

  it('that are shown are read back within the rounding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => {
        expect(Math.abs(parseSize(printSize(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.05 + 0.5);
      }),
    );
  });
});

describe('durations', () => {
  it.each([
    ['15s', 15_000],
    ['3m0s', 180_000],
    ['1h30m', 5_400_000],
    ['200ms', 200],
    ['1.5s', 1500],
    ['90', 90_000],
    ['0', 0],
  ])('%s is read', (text, millis) => {
    expect(parseDuration(text)).toBe(millis);
  });

  it.each(['', 's', '3x', '3s ago'])('%j is not a duration', (text) => {
    expect(() => parseDuration(text)).toThrow(RangeError);
  });

  it('are shown short', () => {
    expect([0, 1234, 59_999, 61_000, 3_660_000].map(printDuration)).toEqual([
      '0 ms',
      '1.2 s',
      '1m00s',
      '1m01s',
      '1h01m',
    ]);
  });
});
