import { describe, expect, it } from 'vitest';
import { contentRange, factsOf, freshForMs, retryAfterMs, statusFault } from './http-headers.ts';

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

describe('the facts of an answer', () => {
  const lastModified = 'Tue, 24 Nov 2026 11:59:59 GMT';
  it('have no date that another change within the same second would share, unless an ETag stands beside it', () => {
    const within = { 'last-modified': lastModified, date: lastModified };
    const after = { 'last-modified': lastModified, date: 'Tue, 24 Nov 2026 12:00:00 GMT' };
    expect(factsOf(within, 200)).toEqual({ ranges: false });
    expect(factsOf(after, 206)).toEqual({ lastModified, ranges: true });
    expect(factsOf({ ...within, etag: '"a"' }, 200)).toEqual({ etag: '"a"', lastModified, ranges: false });
    expect(factsOf({ 'last-modified': lastModified, 'accept-ranges': 'bytes' }, 200)).toEqual({
      lastModified,
      ranges: true,
    });
  });
});

describe('Retry-After', () => {
  it.each([
    ['5', 5_000],
    ['Tue, 24 Nov 2026 12:01:00 GMT', 60_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
    ['999999999', 3_600_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s is %s ms', (text, expected) => {
    expect(retryAfterMs({ 'retry-after': text }, NOW)).toBe(expected);
    const fault = statusFault(503, 'x', retryAfterMs({ 'retry-after': text }, NOW));
    expect(fault.retryAfterMs).toBe(expected);
    expect(statusFault(404, 'x', 5).retryAfterMs).toBeUndefined();
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
