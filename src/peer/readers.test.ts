import { describe, expect, test } from 'vitest';
import { Bitfield } from '../base/bitfield.ts';
import { MIN_PIECE_BYTES } from '../protocol/piece.ts';
import { Readers } from './readers.ts';

const PIECE = 1024 * 1024;
const shape = { length: 100 * PIECE, pieceSize: PIECE };
const held = (...pieces: number[]) => {
  const field = new Bitfield(100);
  for (const piece of pieces) field.set(piece);
  return field;
};

describe('the window of a content that is wanted as a whole', () => {
  test('begins at the reader that is furthest behind', () => {
    const readers = new Readers(() => true);
    const [a, b] = [{}, {}];
    readers.want(a, 30, 100);
    readers.want(b, 20, 100);
    expect(readers.move(shape, held())).toBe(true);
    expect(readers.window).toEqual({ from: 20, count: 16 });
    expect(readers.move(shape, held())).toBe(false);
    readers.leave(b);
    readers.move(shape, held());
    expect(readers.window?.from).toBe(30);
    readers.leave(a);
    expect([readers.move(shape, held()), readers.window]).toEqual([true, null]);
  });
});

test('the window of a whole moves on when a quarter of it was read, and back at once', () => {
  const readers = new Readers(() => true);
  const reader = {};
  readers.want(reader, 8, 100);
  readers.move(shape, held());
  readers.want(reader, 11, 100);
  expect([readers.move(shape, held()), readers.window?.from]).toEqual([false, 8]);
  readers.want(reader, 12, 100);
  expect([readers.move(shape, held()), readers.window?.from]).toEqual([true, 12]);
  readers.want(reader, 7, 100);
  expect([readers.move(shape, held()), readers.window?.from]).toEqual([true, 7]);
});

test('a reader who is expected has his window before he comes, and it is the one that he then needs', () => {
  const readers = new Readers(() => true, true);
  expect(readers.window?.from).toBe(0);
  readers.want({}, 0, 8);
  const small = { length: 8 * MIN_PIECE_BYTES, pieceSize: MIN_PIECE_BYTES };
  expect(readers.move(small, new Bitfield(8))).toBe(false);
  expect(readers.window).toEqual({ from: 0, count: 128 });
});

describe('the window where only what is read is wanted', () => {
  const readers = () => new Readers(() => false);

  test('has what the reader needs and no more, without what is held already', () => {
    const made = readers();
    made.want({}, 10, 13);
    made.move(shape, held(10));
    expect(made.window).toEqual({ from: 11, count: 2 });
    made.move(shape, held(10, 11, 12));
    expect(made.window).toBeNull();
  });

  test('gives readers their turn, the longest waiting first', () => {
    const made = readers();
    made.want({}, 50, 51);
    made.want({}, 10, 11);
    made.move(shape, held());
    expect(made.window).toEqual({ from: 50, count: 1 });
    made.move(shape, held(50));
    expect(made.window).toEqual({ from: 10, count: 1 });
  });

  test('joins readers whose needs touch', () => {
    const made = readers();
    made.want({}, 50, 52);
    made.want({}, 52, 54);
    made.want({}, 70, 71);
    made.move(shape, held());
    expect(made.window).toEqual({ from: 50, count: 4 });
  });

  test('runs ahead of a slow reader only so far', () => {
    const made = readers();
    made.want({}, 0, 100);
    made.move(shape, held());
    expect(made.window).toEqual({ from: 0, count: 16 });
    made.move(shape, held(...Array.from({ length: 16 }, (_, piece) => piece)));
    expect(made.window).toBeNull();
  });
});

test('a waiting reader is woken by its piece, by the end, and by its own leaving', async () => {
  const made = new Readers(() => true);
  const piece = made.wait(3, undefined);
  made.wake(3);
  await piece;
  const end = made.wait(4, undefined);
  made.wakeAll();
  await end;
  const leaving = new AbortController();
  const gone = made.wait(5, leaving.signal);
  leaving.abort();
  await gone;
  await made.wait(6, AbortSignal.abort());
});
