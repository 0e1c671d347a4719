import { expect, test } from 'vitest';
import type { StoredContent } from '../store/store.ts';
import { FreshPieces } from './fresh-pieces.ts';

const content = {} as StoredContent;
const other = {} as StoredContent;

test('a piece can be read from memory until its buffer goes, and only as a piece of its content', () => {
  const told: number[] = [];
  const fresh = new FreshPieces((_, piece) => told.push(piece));
  const bytes = Buffer.from('abcdef');
  fresh.put(content, 3, bytes);
  expect(told).toEqual([3]);
  const into = Buffer.alloc(2);
  expect([fresh.has(content, 3), fresh.copy(content, 3, 4, into), into.toString()]).toEqual([true, true, 'ef']);
  expect(fresh.copy(content, 3, 5, into)).toBe(false);
  expect([fresh.has(other, 3), fresh.copy(other, 3, 0, into)]).toEqual([false, false]);
  fresh.drop(3, Buffer.from('abcdef'));
  expect(fresh.has(content, 3)).toBe(true);
  fresh.drop(3, bytes);
  expect([fresh.has(content, 3), fresh.copy(content, 3, 0, into)]).toEqual([false, false]);
});
