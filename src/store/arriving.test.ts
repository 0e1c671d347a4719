import { expect, test } from 'vitest';
import { ArrivingPieces } from './arriving.ts';

const digest = new Uint8Array(32).fill(7);

test('a piece can be read from the call on until it is written, and not beyond its end', async () => {
  const arriving = new ArrivingPieces();
  const disk = Promise.withResolvers<void>();
  const done = arriving.during(3, { digest, data: Buffer.from('abcdef') }, () => disk.promise);
  const into = Buffer.alloc(2);
  expect([arriving.has(3), arriving.copy(3, 4, into), into.toString()]).toEqual([true, true, 'ef']);
  expect([arriving.copy(3, 5, into), arriving.copy(2, 0, into)]).toEqual([false, false]);
  expect(arriving.digestOf(3)).toEqual(digest);
  disk.resolve();
  await done;
  expect([arriving.count, arriving.has(3), arriving.digestOf(3), arriving.copy(3, 0, into)]).toEqual([
    0,
    false,
    undefined,
    false,
  ]);
});

test('who comes with a piece that is on its way waits for it, and a failure is told to both', async () => {
  const arriving = new ArrivingPieces();
  const disk = Promise.withResolvers<void>();
  let writes = 0;
  const come = () =>
    arriving.during(0, { digest, data: Buffer.from('x') }, () => {
      writes++;
      return disk.promise;
    });
  const both = [come(), come()];
  disk.reject(new Error('full'));
  const ended = await Promise.allSettled(both);
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect([writes, arriving.count]).toEqual([1, 0]);
});
