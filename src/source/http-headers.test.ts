import { describe, expect, it } from 'vitest';
import { contentRange, freshForMs, rangeValidator } from './http-headers.ts';

const NOW = Date.parse('Tue, 24 Nov 2026 12:00:00 GMT');

describe('freshness of an answer', () => {
  it.each([
    [{}, null],
    [{ 'cache-control': 'max-age=60' }, 60_000],
    [{ 'cache-control': 'public, max-age=60', age: '50' }, 10_000],
    [{ 'cache-control': 'max-age=60, s-maxage=5' }, 5_000],
    [{ 'cache-control': 'no-cache, max-age=60' }, 0],
    [{ 'cache-control': 'no-store' }, 0],
    [{ expires: 'Tue, 24 Nov 2026 12:01:00 GMT' }, 60_000],
    [{ expires: 'Tue, 24 Nov 2026 12:01:00 GMT', date: 'Tue, 24 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ expires: '0' }, 0],
    [{ 'cache-control': 'max-age=1', age: '50' }, 0],
  ])('of %j is %s', (headers, expected) => {
    expect(freshForMs(headers, NOW)).toBe(expected);
  });
});

describe('the validator of a range', () => {
  it('is a strong ETag, else the date where there is no ETag at all', () => {
    expect(rangeValidator({ etag: '"a"', lastModified: 'x', ranges: true })).toBe('"a"');
    expect(rangeValidator({ etag: 'W/"a"', lastModified: 'x', ranges: true })).toBeUndefined();
    expect(rangeValidator({ lastModified: 'x', ranges: true })).toBe('x');
  });
});

describe('Content-Range', () => {
  it('is read strictly', () => {
    expect(contentRange('bytes 5-9/10')).toEqual({ start: 5, end: 10, length: 10 });
    expect(contentRange('bytes 5-9/*')).toEqual({ start: 5, end: 10, length: null });
    for (const bad of [undefined, '', 'bytes 9-5/10', 'bytes 5-10/10', 'bytes */10', 'items 0-1/2', 'bytes 0-1/2 ']) {
      expect(contentRange(bad)).toBeUndefined();
    }
  });
});
