import { expect, test } from 'vitest';
import { isPassing, retryAfterMs } from './retry-after.ts';

const now = Date.UTC(2026, 0, 1, 12, 0, 0);

test.each([
  ['3', 3000],
  ['Thu, 01 Jan 2026 12:00:05 GMT', 5000],
  ['Thu, 01 Jan 2026 11:00:00 GMT', 0],
  ['soon', undefined],
  ['-3', undefined],
  [undefined, undefined],
])('Retry-After: %s', (value, millis) => {
  expect(retryAfterMs(value, now)).toBe(millis);
});

test('what may pass and what stays', () => {
  expect([429, 503, 500, 408].map(isPassing)).toEqual([true, true, true, true]);
  expect([200, 401, 403, 404, 416, 501].map(isPassing)).toEqual([false, false, false, false, false, false]);
});
