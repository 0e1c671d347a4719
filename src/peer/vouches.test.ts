import { expect, test } from 'vitest';
import { sha256 } from '../io/hash.ts';
import { type ContentId, contentIdOf, parseTaskId, type TaskId } from '../protocol/ids.ts';
import { parseVouched, Vouches } from './vouches.ts';

const id = (at: number): ContentId => contentIdOf(parseTaskId('ab'.repeat(32)) as TaskId, `g${at}`);
const digestOf = (piece: number) => sha256(Buffer.from([piece]));

test('another host reads all of it, part by part, and what it had already is not said again', () => {
  const vouches = new Vouches();
  for (let piece = 0; piece < 5_000; piece++) vouches.add(id(1), piece, digestOf(piece));
  const heard = new Map<number, string>();
  let from = 0;
  for (let turns = 0; turns < 3; turns++) {
    const part = parseVouched(vouches.since(id(1), from), 5_000);
    for (const [piece, digest] of part?.vouched ?? []) {
      expect(heard.has(piece)).toBe(false);
      heard.set(piece, digest);
    }
    from = part?.next ?? -1;
  }
  expect([from, heard.size]).toEqual([5_000, 5_000]);
  expect(heard.get(4_999)).toBe(digestOf(4_999).toString('base64'));
});

test('who comes with a number that was never given hears all of it', () => {
  const vouches = new Vouches();
  vouches.add(id(1), 3, digestOf(3));
  expect(parseVouched(vouches.since(id(1), 900), 10)).toEqual({
    vouched: [[3, digestOf(3).toString('base64')]],
    next: 1,
  });
  expect(vouches.since(id(2), 0)).toEqual({ vouched: '', next: 0 });
});

test('only the contents touched last are kept', () => {
  const vouches = new Vouches();
  for (let at = 0; at < 70; at++) vouches.add(id(at), 0, digestOf(0));
  expect([vouches.since(id(5), 0).next, vouches.since(id(69), 0).next]).toEqual([0, 1]);
});

test('what is no list of digests, or of pieces that there are not, is not heard', () => {
  expect(parseVouched({ vouched: 'AAAA', next: 1 }, 10)).toBeUndefined();
  expect(parseVouched({ vouched: 5, next: 1 }, 10)).toBeUndefined();
  expect(parseVouched({ vouched: '', next: -1 }, 10)).toBeUndefined();
  const beyond = Buffer.concat([Buffer.from([0, 0, 0, 10]), digestOf(1)]).toString('base64');
  expect(parseVouched({ vouched: beyond, next: 1 }, 10)).toEqual({ vouched: [], next: 1 });
});
