import { describe, expect, test } from 'vitest';
import type { ContentId } from '../protocol/ids.ts';
import { table } from './cache-command.ts';

const MIB = 1024 * 1024;
const content = {
  content: `${'ab'.repeat(32)}.d` as ContentId,
  task: 'ab'.repeat(32),
  url: 'http://source.example/a',
  length: 10 * MIB,
  pieceSize: MIB,
  held: 10,
  heldBytes: 10 * MIB,
  complete: true,
  pinned: true,
  usedAt: 60_000,
};

describe('the table of contents', () => {
  test('has a line for each and a sum', () => {
    const part = { ...content, pinned: false, complete: false, held: 4, heldBytes: 4 * MIB, url: 'http://x/y' };
    const text = table([content, part, { ...part, length: null }], 120_000);
    expect(text.split('\n')).toEqual([
      'ID            SIZE    HELD      USED       PIN     URL',
      'abababababab  10 MiB  all       1m00s ago  pinned  http://source.example/a',
      'abababababab  10 MiB  40 %      1m00s ago          http://x/y',
      'abababababab  ?       4 pieces  1m00s ago          http://x/y',
      '3 contents, 18 MiB',
      '',
    ]);
  });

  test('of nothing says so', () => {
    expect(table([], 0)).toBe('ID  SIZE  HELD  USED  PIN  URL\n0 contents, 0 B\n');
  });
});
