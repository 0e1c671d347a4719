import { describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { IteratedBytes } from '../source/byte-stream.ts';
import type { SourceAnswer } from '../source/source.ts';
import { Traffic } from './traffic.ts';

const facts = { ranges: true, etag: '"1"' };

function bodyOf(...sizes: readonly number[]): SourceAnswer {
  const body = new IteratedBytes(
    (async function* () {
      for (const size of sizes) yield new Uint8Array(size).fill(size);
    })(),
  );
  return { type: 'body', start: 0, length: null, facts, freshForMs: null, body };
}

async function read(traffic: Traffic, answer: SourceAnswer) {
  const counted = await traffic.counted(Promise.resolve(answer));
  if (counted.type !== 'body') throw new Error('a body');
  return counted.body;
}

describe('bytes of a source', () => {
  it('are counted as they are taken, in both ways in which that is done', async () => {
    const traffic = new Traffic();
    const filled = await read(traffic, bodyOf(5, 5));
    const into = new Uint8Array(7);
    expect(await filled.fill(into)).toBe(7);
    expect(traffic.sourceBytes).toBe(7);
    expect(await filled.fill(into)).toBe(3);
    const sizes: number[] = [];
    for await (const bytes of await read(traffic, bodyOf(4, 6))) sizes.push(bytes.length);
    expect([sizes, traffic.sourceBytes]).toEqual([[4, 6], 20]);
  });

  it('are counted no further than somebody wants them', async () => {
    const traffic = new Traffic();
    const body = await read(traffic, bodyOf(4, 6));
    for await (const _ of body) break;
    expect(traffic.sourceBytes).toBe(4);
    body.close();
  });
});

describe('answers of a source', () => {
  it('are counted by kind, faults too', async () => {
    const traffic = new Traffic();
    await read(traffic, bodyOf());
    await traffic.counted(Promise.resolve({ type: 'unchanged', facts, freshForMs: null }));
    const fault = new Fault('source-refused', 'no');
    await expect(traffic.counted(Promise.reject(fault))).rejects.toBe(fault);
    expect(Object.fromEntries(traffic.sourceAnswers)).toEqual({ body: 1, unchanged: 1, fault: 1 });
  });
});
