import { expect, test } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { BufferPool } from '../../io/buffers.ts';
import { pieceCount } from '../../protocol/piece.ts';
import { IteratedBytes } from '../../source/byte-stream.ts';
import { idOf, META } from '../../store/content.fixture.ts';
import { MemoryStore } from '../../store/memory-store.ts';
import { Fill } from './fill.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A content of which no piece ever gets onto the disk, and the pieces that were told of before the reading stopped. */
async function toldOf(pieceSize: number, pieces: number): Promise<number> {
  const store = new MemoryStore({ clock: new ManualClock(0) });
  const content = await store.create(idOf('a'), { length: pieces * pieceSize, pieceSize }, META);
  content.put = () => new Promise(() => undefined);
  const told: number[] = [];
  const facts = { ranges: false };
  const fill = new Fill(
    content,
    {
      ...{ pool: new BufferPool({ budgetBytes: 256 * MIB }), turn: undefined, delay: async () => undefined },
      ...{ reopen: () => Promise.reject(new Error('again')), random: () => 0, signal: new AbortController().signal },
    },
    { facts, digest: undefined, onPiece: (piece) => told.push(piece), onLength: () => undefined },
  );
  const body = new IteratedBytes(
    (async function* () {
      for (let piece = 0; piece < pieceCount(content.shape); piece++) yield Buffer.alloc(pieceSize, piece);
    })(),
  );
  void fill.run({ type: 'body', start: 0, length: content.shape.length, facts, freshForMs: null, body });
  for (let before = -1; before !== told.length; ) {
    before = told.length;
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  }
  return told.length;
}

test.each([
  [128 * KIB, 16],
  [512 * KIB, 4],
  [4 * MIB, 4],
])('a disk that stands still stops the reading: of pieces of %i bytes after %i', async (pieceSize, most) => {
  expect(await toldOf(pieceSize, 20)).toBe(most);
});
