import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_PIECE_BYTES,
  MIN_PIECE_BYTES,
  PIECES_PER_CONTENT,
  parseShape,
  pieceCount,
  pieceSizeFor,
  pieceSpan,
  piecesOf,
  UNKNOWN_LENGTH_PIECE_BYTES,
} from './piece.ts';

const shape = fc
  .tuple(fc.integer({ min: 1, max: 5e9 }), fc.integer({ min: 17, max: 24 }))
  .map(([length, power]) => ({ length, pieceSize: 2 ** power }));

describe('the piece layout', () => {
  it('covers a content without gap or overlap', () => {
    fc.assert(
      fc.property(shape, (one) => {
        const count = pieceCount(one);
        expect(pieceSpan(one, 0).start).toBe(0);
        expect(pieceSpan(one, count - 1).end).toBe(one.length);
        const middle = Math.floor(count / 2);
        if (middle > 0) expect(pieceSpan(one, middle).start).toBe(pieceSpan(one, middle - 1).end);
        expect(() => pieceSpan(one, count)).toThrow(RangeError);
      }),
    );
  });

  it('finds the pieces that a span touches', () => {
    fc.assert(
      fc.property(shape, fc.nat(), fc.nat(), (one, a, b) => {
        const start = a % one.length;
        const end = Math.min(one.length, start + 1 + b);
        const { first, last } = piecesOf(one, { start, end });
        expect(pieceSpan(one, first).start).toBeLessThanOrEqual(start);
        expect(pieceSpan(one, first).end).toBeGreaterThan(start);
        expect(pieceSpan(one, last).end).toBeGreaterThanOrEqual(end);
        expect(pieceSpan(one, last).start).toBeLessThan(end);
      }),
    );
  });

  it('aims at 512 pieces within its limits', () => {
    expect(pieceSizeFor(0)).toBe(MIN_PIECE_BYTES);
    expect(pieceSizeFor(MIN_PIECE_BYTES * PIECES_PER_CONTENT)).toBe(MIN_PIECE_BYTES);
    expect(pieceSizeFor(MIN_PIECE_BYTES * PIECES_PER_CONTENT + 1)).toBe(MIN_PIECE_BYTES * 2);
    expect(pieceSizeFor(1e15)).toBe(MAX_PIECE_BYTES);
    expect(pieceSizeFor(null)).toBe(UNKNOWN_LENGTH_PIECE_BYTES);
  });

  it('of an unknown length has full pieces and no count', () => {
    const open = { length: null, pieceSize: MIN_PIECE_BYTES };
    expect(pieceSpan(open, 3)).toEqual({ start: 3 * MIN_PIECE_BYTES, end: 4 * MIN_PIECE_BYTES });
    expect(() => pieceCount(open)).toThrow(RangeError);
    expect(pieceCount({ length: 0, pieceSize: MIN_PIECE_BYTES })).toBe(0);
    for (const wrong of [-1, 0.5, Number.NaN]) expect(() => pieceSpan(open, wrong)).toThrow(RangeError);
  });

  it('is taken from outside only when it is one of ours', () => {
    expect(parseShape({ length: 5, pieceSize: MIN_PIECE_BYTES, more: 1 })).toEqual({
      length: 5,
      pieceSize: MIN_PIECE_BYTES,
    });
    expect(parseShape({ length: null, pieceSize: MAX_PIECE_BYTES })).toEqual({
      length: null,
      pieceSize: MAX_PIECE_BYTES,
    });
    const wrong = [
      null,
      1,
      'a',
      {},
      { length: 1 },
      { length: 1, pieceSize: '131072' },
      { length: 1, pieceSize: 131073 },
    ];
    const sizes = [
      { length: 1, pieceSize: MIN_PIECE_BYTES / 2 },
      { length: 1, pieceSize: MAX_PIECE_BYTES * 2 },
    ];
    const lengths = [-1, 1.5, 2 ** 53, '1', undefined].map((length) => ({ length, pieceSize: MIN_PIECE_BYTES }));
    for (const value of [...wrong, ...sizes, ...lengths]) expect(parseShape(value)).toBeUndefined();
  });
});
