import { describe, expect, it } from 'vitest';
import { canResume, likeness, strongValidator } from './validators.ts';

describe('the validator of a range', () => {
  it('is a strong ETag, else the date where there is no ETag at all', () => {
    expect(strongValidator({ etag: '"a"', lastModified: 'x', ranges: true })).toBe('"a"');
    expect(strongValidator({ etag: 'W/"a"', lastModified: 'x', ranges: true })).toBeUndefined();
    expect(strongValidator({ lastModified: 'x', ranges: true })).toBe('x');
  });

  it('lets a read go on only together with ranges', () => {
    expect(canResume({ etag: '"a"', ranges: true })).toBe(true);
    expect(canResume({ etag: '"a"', ranges: false })).toBe(false);
    expect(canResume({ etag: 'W/"a"', ranges: true })).toBe(false);
    expect(canResume({ ranges: true })).toBe(false);
  });
});

describe('two answers', () => {
  const of = (facts: { etag?: string; lastModified?: string }) => ({ ...facts, ranges: true });
  it.each([
    ['same', { etag: '"a"' }, { etag: '"a"' }],
    ['other', { etag: '"a"' }, { etag: '"b"' }],
    ['other', { etag: 'W/"a"' }, { etag: '"a"' }],
    ['unknown', { etag: 'W/"a"' }, { etag: 'W/"a"' }],
    ['same', { lastModified: 'x' }, { lastModified: 'x' }],
    ['other', { lastModified: 'x' }, { lastModified: 'y' }],
    ['same', { etag: '"a"', lastModified: 'x' }, { lastModified: 'x' }],
    ['other', { etag: '"a"', lastModified: 'x' }, { etag: '"b"', lastModified: 'x' }],
    ['unknown', {}, { etag: '"a"' }],
    ['unknown', {}, {}],
  ] as const)('are %s: %j and %j', (expected, now, before) => {
    expect(likeness(of(now), of(before))).toBe(expected);
    expect(likeness(of(before), of(now))).toBe(expected);
  });
});
