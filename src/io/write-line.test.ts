import { expect, test } from 'vitest';
import { type Write, WriteLine } from './write-line.ts';

/** A disk whose writes end when they are told to. */
function slowDisk() {
  const begun: { position: number; end: (error?: Error) => void }[] = [];
  const write: Write = (_fd, _data, position) =>
    new Promise((resolve, reject) => {
      begun.push({ position, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  return { begun, write };
}

const piece = new Uint8Array(10);

async function endAll(begun: readonly { end: () => void }[], count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    begun[at]?.end();
    await new Promise(setImmediate);
  }
}

test('one write is on its way at a time', async () => {
  const { begun, write } = slowDisk();
  const line = new WriteLine(write, () => false);
  const all = [0, 10, 20].map((position) => line.write(3, piece, position, 'data'));
  expect(begun).toHaveLength(1);
  expect(line.waiting).toBe(2);
  await endAll(begun, 3);
  await Promise.all(all);
  expect(line.waiting).toBe(0);
});

test('a write that keeps the thread busy has a turn for itself, and does not begin in the turn that brought the bytes', async () => {
  const written: number[] = [];
  const write: Write = async (_fd, _data, position) => void written.push(position);
  const line = new WriteLine(write, () => true);
  const all = [0, 10, 20].map((position) => line.write(3, piece, position, 'data'));
  await Promise.resolve();
  const seen: number[][] = [];
  for (let turn = 0; turn < 4; turn++) {
    seen.push([...written]);
    await new Promise(setImmediate);
  }
  expect(seen).toEqual([[], [0], [0, 10], [0, 10, 20]]);
  await Promise.all(all);
});

test('what waits is written in the order of the file, and from its start again when the end was reached', async () => {
  const { begun, write } = slowDisk();
  const line = new WriteLine(write, () => false);
  const all = [50, 30, 70, 10, 60].map((position) => line.write(3, piece, position, 'data'));
  await endAll(begun, 5);
  await Promise.all(all);
  expect(begun.map(({ position }) => position)).toEqual([50, 60, 70, 10, 30]);
});

test('a write that failed is told to its owner only, and the others go on', async () => {
  const { begun, write } = slowDisk();
  const line = new WriteLine(write, () => false);
  const bad = line.write(3, piece, 0, 'data');
  const good = line.write(3, piece, 10, 'data');
  begun[0]?.end(new Error('EIO'));
  await expect(bad).rejects.toThrow('EIO');
  await new Promise(setImmediate);
  begun[1]?.end();
  await good;
});
