import { describe, expect, it } from 'vitest';
import { parseHostId } from '../protocol/ids.ts';
import { TRANSFER_LIMITS } from './limits.ts';
import { Pieces } from './pieces.ts';
import { runInTurn, type Sharing } from './source-turns.ts';
import { heldOf, shapeOf } from './transfer.fixture.ts';

const COUNT = 256;
const HOSTS = Array.from({ length: 16 }, (_, at) => `host-${at}`).map((name) => parseHostId(name) ?? '') as never[];

const PROVED = { stuck: false, wanting: () => 1, spoke: () => false };

/** What each host reads when nobody gains anything from others, in runs. */
function allRuns(hosts: readonly never[], obtainable: Sharing['obtainable'] = () => false): number[][] {
  return hosts.map((self) => {
    const pieces = new Pieces(shapeOf(COUNT), heldOf(COUNT, [0, 1, 2]));
    const others = hosts.filter((other) => other !== self);
    const read: number[] = [];
    for (;;) {
      const run = runInTurn(pieces, { ...PROVED, self, others, obtainable }, TRANSFER_LIMITS);
      if (run === undefined) return read;
      for (let piece = run.from; piece < (run.end ?? COUNT); piece++) {
        read.push(piece);
        pieces.hold(piece);
      }
    }
  });
}

describe('turns at the source', () => {
  it('are for few hosts, who read every missing piece once between them', () => {
    const reads = allRuns(HOSTS);
    expect(reads.filter((read) => read.length > 0)).toHaveLength(TRANSFER_LIMITS.sourceReaders);
    expect(reads.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: COUNT - 3 }, (_, at) => at + 3));
  });

  it('give each reader a fair part', () => {
    const lengths = allRuns(HOSTS)
      .map((read) => read.length)
      .filter((length) => length > 0);
    expect(Math.max(...lengths)).toBeLessThan(COUNT / 2);
    expect(Math.min(...lengths)).toBeGreaterThan(COUNT / 20);
  });

  it('leave out what a parent holds', () => {
    expect(
      allRuns(HOSTS, (piece) => piece < 200)
        .flat()
        .every((piece) => piece >= 200),
    ).toBe(true);
  });

  it('are all its own for a host that knows nobody', () => {
    expect(allRuns(HOSTS.slice(0, 1)).flat()).toHaveLength(COUNT - 3);
  });
});
