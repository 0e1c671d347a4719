import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContentRange, parseRange, printContentRange, printRange } from './byte-range.ts';

const span = fc
  .tuple(fc.nat(1e9), fc.integer({ min: 1, max: 1e9 }))
  .map(([start, size]) => ({ start, end: start + size }));

describe('a Range header', () => {
  it.each([
    ['bytes=0-0', 10, 0, 1],
    ['bytes=3-', 10, 3, 10],
    ['bytes=3-99', 10, 3, 10],
    ['bytes=-4', 10, 6, 10],
    ['bytes=-99', 10, 0, 10],
    [' bytes=1-2 ', 10, 1, 3],
    ['bytes=5-8', null, 5, 9],
  ])('%j of %s bytes is a part', (header, length, start, end) => {
    expect(parseRange(header, length)).toEqual({ type: 'part', span: { start, end } });
  });

  it.each([
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=2-1',
    'bytes=0-1,3-4',
    'items=0-1',
    'bytes=a-b',
    `bytes=${'9'.repeat(20)}-`,
  ])('%j is no range and means the whole', (header) => {
    expect(parseRange(header, 10)).toEqual({ type: 'whole' });
  });

  it.each([
    ['bytes=10-', 10],
    ['bytes=10-20', 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
    ['bytes=-5', 0],
    ['bytes=-5', null],
    ['bytes=5-', null],
  ])('%j of %s bytes cannot be satisfied', (header, length) => {
    expect(parseRange(header, length)).toEqual({ type: 'unsatisfiable' });
  });

  it('is read as it was printed', () => {
    fc.assert(
      fc.property(span, ({ start, end }) => {
        expect(parseRange(printRange(start, end), null)).toEqual({ type: 'part', span: { start, end } });
        expect(parseRange(printRange(start), end)).toEqual({ type: 'part', span: { start, end } });
      }),
    );
  });

  it('never yields a part outside the content', () => {
    fc.assert(
      fc.property(
        fc.option(fc.nat(50), { nil: '' as const }),
        fc.option(fc.nat(50), { nil: '' as const }),
        fc.nat(50),
        (a, b, length) => {
          const answer = parseRange(`bytes=${a}-${b}`, length);
          if (answer.type !== 'part') return;
          expect(answer.span.start).toBeGreaterThanOrEqual(0);
          expect(answer.span.start).toBeLessThan(answer.span.end);
          expect(answer.span.end).toBeLessThanOrEqual(length);
        },
      ),
    );
  });
});

describe('a Content-Range header', () => {
  it('is read as it was printed', () => {
    fc.assert(
      fc.property(span, fc.option(fc.nat(1e9)), (part, more) => {
        const length = more === null ? null : part.end + more;
        expect(parseContentRange(printContentRange(part, length))).toEqual({ span: part, length });
      }),
    );
    expect(parseContentRange(printContentRange(undefined, 5))).toEqual({ span: undefined, length: 5 });
  });

  it.each(['', 'bytes 0-0', 'bytes 1-0/5', 'bytes 0-5/5', 'bytes */*', 'bytes=0-1/5', 'items 0-1/5', 'bytes 0-1/x'])(
    '%j is refused',
    (header) => {
      expect(parseContentRange(header)).toBeUndefined();
    },
  );
});
