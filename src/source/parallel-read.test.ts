import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import type { SourceFacts } from '../protocol/task.ts';
import { IteratedBytes } from './byte-stream.ts';
import { type Open, openInParallel as openWith, type ParallelOptions, PartsAhead } from './parallel-read.ts';
import type { SourceAnswer, SourceRequest } from './source.ts';

const FACTS: SourceFacts = { etag: '"a"', ranges: true };
const REQUEST: SourceRequest = { url: 'http://a/', headers: [], stallMs: 1000 };

const openInParallel = (
  open: Open,
  request: SourceRequest,
  options: Omit<ParallelOptions, 'ahead'> & Partial<ParallelOptions>,
) => openWith(open, request, { ahead: new PartsAhead(100), ...options });

type Told = {
  facts?: SourceFacts;
  ranges?: boolean;
  /** Of the read with this number (0 = the first): cut after so many bytes. */
  cuts?: ReadonlyMap<number, number>;
  /** From this read on it is another content. */
  changesAt?: number;
  noLength?: boolean;
};

/** A source in memory that counts what it sends and how many reads run. */
function sourceOf(data: Buffer, told: Told = {}) {
  const { facts = FACTS, ranges = true, cuts = new Map(), changesAt = Number.POSITIVE_INFINITY } = told;
  const seen = { requests: [] as (string | undefined)[], sent: 0, running: 0, most: 0 };
  const open = async ({ range, ifRange, signal }: SourceRequest): Promise<SourceAnswer> => {
    const number = seen.requests.length;
    seen.requests.push(range && `${range.start}-${range.end ?? ''}`);
    const changed = number >= changesAt;
    const taken = ranges && range !== undefined && !(changed && ifRange !== undefined);
    const start = taken ? range.start : 0;
    const end = taken ? Math.min(data.length, range.end ?? data.length) : data.length;
    async function* body() {
      seen.running++;
      seen.most = Math.max(seen.most, seen.running);
      try {
        const limit = cuts.get(number) ?? Number.POSITIVE_INFINITY;
        for (let at = start; at < end; at += 3) {
          await new Promise((resolve) => setImmediate(resolve));
          if (signal?.aborted) throw new Fault('cancelled', 'given up');
          if (at - start >= limit) throw new Fault('source-lied', 'cut');
          const part = data.subarray(at, Math.min(end, at + 3));
          seen.sent += part.length;
          yield part;
        }
      } finally {
        seen.running--;
      }
    }
    return {
      type: 'body',
      start,
      ...(end < data.length ? { end } : {}),
      length: told.noLength ? null : data.length,
      facts: changed ? { ...facts, etag: '"b"' } : facts,
      freshForMs: null,
      body: new IteratedBytes(body()),
    };
  };
  return { open, seen };
}

async function bytes(answer: SourceAnswer): Promise<Buffer> {
  if (answer.type !== 'body') throw new Error('no body');
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts);
}

function sample(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7) % 251));
}

const random = () => 0;

describe('a content read by several ranges', () => {
  it('is the same as read by one, whatever its length, its parts and the first byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(200),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(200),
        async (length, partBytes, connections, from) => {
          const data = sample(length);
          const { open, seen } = sourceOf(data);
          const start = Math.min(from, Math.max(0, length - 1));
          const answer = await openInParallel(
            open,
            { ...REQUEST, range: { start } },
            { connections, partBytes, random },
          );
          expect(answer).toMatchObject({ type: 'body', start, length });
          expect((await bytes(answer)).equals(data.subarray(start))).toBe(true);
          expect(seen.sent).toBe(length - start);
          expect(seen.most).toBeLessThanOrEqual(connections);
        },
      ),
    );
  });

  it('uses as many connections as it may, and says nothing of an end', async () => {
    const { open, seen } = sourceOf(sample(120));
    const answer = await openInParallel(open, REQUEST, { connections: 4, partBytes: 10, random });
    expect('end' in answer).toBe(false);
    await bytes(answer);
    expect(seen.most).toBe(4);
    expect(seen.requests).toHaveLength(12);
  });

  it('goes on at the next byte when a part is cut, so that no byte is sent twice', async () => {
    const data = sample(100);
    const { open, seen } = sourceOf(data, {
      cuts: new Map([
        [0, 6],
        [2, 3],
        [5, 0],
      ]),
    });
    const answer = await openInParallel(open, REQUEST, { connections: 3, partBytes: 20, random });
    expect((await bytes(answer)).equals(data)).toBe(true);
    expect(seen.sent).toBe(100);
    expect(seen.requests).toContain('6-20');
  });

  it('gives a part up that gains nothing, with its fault', async () => {
    const { open } = sourceOf(sample(100), { cuts: new Map(Array.from({ length: 20 }, (_, read) => [read + 1, 0])) });
    const answer = await openInParallel(open, REQUEST, { connections: 2, partBytes: 60, random });
    await expect(bytes(answer)).rejects.toMatchObject({ code: 'source-lied' });
  });

  it('ends with source-changed when the content changes between two parts', async () => {
    const { open } = sourceOf(sample(100), { changesAt: 3 });
    const answer = await openInParallel(open, REQUEST, { connections: 2, partBytes: 20, random });
    await expect(bytes(answer)).rejects.toMatchObject({ code: 'source-changed' });
  });

  it('goes on by one connection where no more may be read ahead, and gives back what it took', async () => {
    const data = sample(120);
    const ahead = new PartsAhead(1);
    for (const most of [2, 1]) {
      const { open, seen } = sourceOf(data);
      const answer = await openInParallel(open, REQUEST, { connections: 4, partBytes: 10, random, ahead });
      expect((await bytes(answer)).equals(data)).toBe(true);
      expect(seen.most).toBe(most);
      if (most === 2) expect(ahead.take()).toBe(true);
      expect(ahead.take()).toBe(false);
    }
  });

  it('does not read the part whose turn it is far ahead of a slow reader', async () => {
    const length = 4 * 1024 * 1024;
    let sent = 0;
    const open: Open = async ({ range }) => {
      const [start, end] = [range?.start ?? 0, Math.min(length, range?.end ?? length)];
      async function* body() {
        for (let at = start; at < end; at += 65_536) {
          sent += 65_536;
          yield Buffer.alloc(65_536);
        }
      }
      const rest = end < length ? { end } : {};
      return { type: 'body', start, ...rest, length, facts: FACTS, freshForMs: null, body: new IteratedBytes(body()) };
    };
    const options = { connections: 2, partBytes: length / 2, random, ahead: new PartsAhead(0) };
    const answer = await openInParallel(open, REQUEST, options);
    if (answer.type !== 'body') throw new Error('no body');
    const reading = answer.body[Symbol.asyncIterator]();
    await reading.next();
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(length / 2);
    for (let next = await reading.next(); !next.done; next = await reading.next());
    expect(sent).toBe(length);
  });

  it('stops all reads when its reader leaves', async () => {
    const { open, seen } = sourceOf(sample(3000));
    const answer = await openInParallel(open, REQUEST, { connections: 3, partBytes: 1000, random });
    if (answer.type !== 'body') throw new Error('no body');
    for await (const _ of answer.body) break;
    while (seen.running > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(seen.sent).toBeLessThan(300);
  });
});

describe('a content read by one connection', () => {
  it.each([
    ['the source takes no ranges', { ranges: false }, ['0-10'], {}],
    ['one connection is allowed', {}, [undefined], { connections: 1 }],
    ['nothing guards its parts', { facts: { ranges: true } }, ['0-10', undefined], {}],
    ['a weak ETag guards its parts', { facts: { etag: 'W/"a"', ranges: true } }, ['0-10', undefined], {}],
    ['nobody knows its length', { noLength: true }, ['0-10', undefined], {}],
  ] as const)('because %s', async (_, told, requests, options) => {
    const data = sample(40);
    const { open, seen } = sourceOf(data, told);
    const answer = await openInParallel(open, REQUEST, { connections: 4, partBytes: 10, random, ...options });
    expect((await bytes(answer)).equals(data)).toBe(true);
    expect(seen.requests).toEqual(requests);
  });

  it('because it is a part already, or one of the caller’s choice', async () => {
    const { open, seen } = sourceOf(sample(40));
    const options = { connections: 4, partBytes: 10, random };
    await openInParallel(open, { ...REQUEST, range: { start: 0, end: 30 } }, options);
    await openInParallel(open, { ...REQUEST, headers: [['Range', 'bytes=0-9']] }, options);
    expect(seen.requests).toEqual(['0-30', undefined]);
  });
});
