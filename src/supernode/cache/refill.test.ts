import { describe, expect, it } from 'vitest';
import type { Manifest, SourceFacts } from '../../protocol/task.ts';
import { IteratedBytes } from '../../source/byte-stream.ts';
import type { SourceBody } from '../../source/source.ts';
import { requireSame } from './refill.ts';

const manifest = {} as Manifest;
const of = (facts: Partial<SourceFacts>): SourceFacts => ({ ranges: true, ...facts });

function judge(
  before: Partial<SourceFacts>,
  now: Partial<SourceFacts>,
  more: { start?: number; length?: number; proved?: boolean } = {},
) {
  const { start = 5, length = 10, proved = false } = more;
  const known = { facts: of(before), shape: { length: 10, pieceSize: 5 }, manifest: proved ? manifest : undefined };
  const answer: SourceBody = {
    type: 'body',
    start,
    length,
    facts: of(now),
    freshForMs: null,
    body: new IteratedBytes((async function* () {})()),
  };
  try {
    requireSame(known, answer);
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('an answer to a read that goes on', () => {
  it.each([
    ['the same strong ETag', { etag: '"a"' }, { etag: '"a"' }, {}, 'taken'],
    ['no ETag, under If-Range with a strong one', { etag: '"a"' }, {}, {}, 'taken'],
    ['the same date', { lastModified: 'x' }, { lastModified: 'x' }, {}, 'taken'],
    ['a weak ETag', { etag: 'W/"a"' }, { etag: 'W/"a"' }, {}, 'source-changed'],
    ['a weak ETag, from the first byte', { etag: 'W/"a"' }, { etag: 'W/"a"' }, { start: 0 }, 'taken'],
    ['a weak ETag, and each piece is proved', { etag: 'W/"a"' }, { etag: 'W/"a"' }, { proved: true }, 'taken'],
    ['no validator at all', {}, {}, {}, 'source-changed'],
    ['no validator at all, from the first byte', {}, {}, { start: 0 }, 'taken'],
    ['another ETag', { etag: '"a"' }, { etag: '"b"' }, { start: 0, proved: true }, 'source-changed'],
    ['another date', { lastModified: 'x' }, { lastModified: 'y' }, {}, 'source-changed'],
    ['another length', { etag: '"a"' }, { etag: '"a"' }, { length: 11 }, 'source-changed'],
  ] as const)('with %s', (_, before, now, more, expected) => {
    expect(judge(before, now, more)).toBe(expected);
  });
});
