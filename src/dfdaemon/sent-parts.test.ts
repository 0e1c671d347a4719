import { expect, test } from 'vitest';
import { SentCheck, SentParts } from './sent-parts.ts';

const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, at) => (at * 7) % 251));

/** Parts of `BYTES` that went out, in portions of 30. */
function sent(...parts: readonly (readonly [from: number, to: number])[]): SentParts {
  const made = new SentParts();
  for (const [from, to] of parts)
    for (let at = from; at < to; at += 30) made.add(at, BYTES.subarray(at, Math.min(to, at + 30)));
  return made;
}

function comesAgain(parts: SentParts, bytes: Buffer, portion: number): boolean {
  const check = new SentCheck(parts.all);
  for (let at = 0; at < bytes.length; at += portion) check.take(at, bytes.subarray(at, at + portion));
  return check.same;
}

test('what follows on each other is one part, and a gap makes another', () => {
  expect(sent([0, 100]).all).toMatchObject([{ from: 0, to: 100 }]);
  expect(sent([10, 100], [100, 160], [500, 640]).all).toMatchObject([
    { from: 10, to: 160 },
    { from: 500, to: 640 },
  ]);
});

test.each([1, 7, 64, 1000])(
  'what comes again in portions of %i is the same, and one other byte of it is not',
  (portion) => {
    const parts = sent([10, 160], [500, 640]);
    expect(comesAgain(parts, BYTES, portion)).toBe(true);
    for (const at of [10, 159, 500, 639]) {
      const other = Buffer.from(BYTES);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(comesAgain(parts, other, portion)).toBe(false);
    }
    for (const at of [9, 160, 499, 640]) {
      const other = Buffer.from(BYTES);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(comesAgain(parts, other, portion)).toBe(true);
    }
  },
);

test('where nothing unproved went out nothing has to come again', () => {
  expect(comesAgain(new SentParts(), BYTES, 64)).toBe(true);
});

test('what is sent on while it is compared is not compared', () => {
  const parts = sent([0, 100]);
  const check = new SentCheck(parts.all);
  check.take(0, BYTES.subarray(0, 150));
  parts.add(100, BYTES.subarray(100, 150));
  check.take(150, BYTES.subarray(150));
  expect(check.same).toBe(true);
});
