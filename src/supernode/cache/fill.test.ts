import { expect, test } from 'vitest';
import { Bitfield } from '../../base/bitfield.ts';
import { BufferPool } from '../../io/buffers.ts';
import { Fault } from '../../protocol/faults.ts';
import type { Digest } from '../../protocol/task.ts';
import { IteratedBytes } from '../../source/byte-stream.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import type { StoredContent } from '../../store/store.ts';
import { type BodyAnswer, Fill } from './fill.ts';

const PIECE = 128 * 1024;
const PIECES = 8;

async function* parts(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

/** A fill over a disk of the test's own. */
function failing(shape: StoredContent['shape'], more: Partial<StoredContent>, digest?: Digest) {
  const pool = new BufferPool({ budgetBytes: 4 * PIECE });
  const content = { shape, held: new Bitfield(PIECES), digestOf: () => undefined, ...more } as unknown as StoredContent;
  const fill = new Fill(
    content,
    {
      pool,
      reopen: () => Promise.reject(new Fault('internal', 'nothing to mend')),
      turn: undefined,
      delay: async () => undefined,
      random: () => 0.5,
      signal: new AbortController().signal,
    },
    { facts: { ranges: true }, digest, onPiece: () => undefined, onLength: () => undefined },
  );
  const run = (bytes: number) =>
    fill.run({
      ...{ type: 'body', start: 0, length: shape.length, facts: { ranges: true }, freshForMs: null },
      body: new IteratedBytes(parts(bytesOf(bytes))),
    } satisfies BodyAnswer);
  return { pool, fill, run };
}

const FULL = () => Promise.reject(new Fault('no-space', 'the disk is full'));

test('a fill that the disk refuses gives all its memory back, or later fills would wait for it for ever', async () => {
  const { pool, run } = failing({ length: PIECES * PIECE, pieceSize: PIECE }, { put: FULL });
  await expect(run(PIECES * PIECE)).rejects.toMatchObject({ code: 'no-space' });
  expect(pool.outBytes).toBe(0);
});

test('so does one that cannot take on the length when the source has told it', async () => {
  const { pool, run } = failing({ length: null, pieceSize: PIECE }, { put: async () => undefined, reshape: FULL });
  await expect(run(PIECE + 1)).rejects.toMatchObject({ code: 'no-space' });
  expect(pool.outBytes).toBe(0);
});

test('that all of it is wrong is said before the disk has taken it', async () => {
  const named = `sha256:${'0'.repeat(64)}` as Digest;
  const shape = { length: 2 * PIECE, pieceSize: PIECE };
  const { run } = failing(shape, { put: () => new Promise(() => undefined) }, named);
  await expect(run(2 * PIECE)).rejects.toMatchObject({ code: 'digest-mismatch' });
});

test('that all digests are known is said before the disk has taken the pieces, and of the disk when it has', async () => {
  const disk = Promise.withResolvers<void>();
  const { fill, run } = failing({ length: PIECE, pieceSize: PIECE }, { put: () => disk.promise });
  await run(PIECE);
  const written = fill.written();
  disk.reject(new Fault('no-space', 'the disk is full'));
  await expect(written).rejects.toMatchObject({ code: 'no-space' });
});
