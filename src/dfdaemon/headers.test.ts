import { expect, test } from 'vitest';
import { allOf, endToEnd, headerOf, withHeader } from './headers.ts';

const lines = [
  'Host',
  'a',
  'Accept',
  'one',
  'accept',
  'two',
  'Connection',
  'keep-alive, X-Mine',
  'X-Mine',
  '1',
  'TE',
  'trailers',
];

test('repeated lines stay repeated, in their order and their letters', () => {
  expect(endToEnd(lines)).toEqual(['Host', 'a', 'Accept', 'one', 'accept', 'two']);
  expect(allOf(lines, 'accept')).toEqual(['one', 'two']);
  expect(headerOf(lines, 'x-none')).toBeUndefined();
});

test('one line stands in for all of its name', () => {
  expect(withHeader(lines.slice(0, 6), 'Accept', 'three')).toEqual(['Host', 'a', 'Accept', 'three']);
});
