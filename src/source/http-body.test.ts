import { errors } from 'undici';
import { describe, expect, it } from 'vitest';
import { IteratedBytes } from './byte-stream.ts';
import { bodyOf } from './http-body.ts';
import type { HttpAnswer } from './http-exchange.ts';

const WHERE = 'http://source/file';

/** Gives so many bytes and breaks then. */
function broken(bytes: number, error: Error): HttpAnswer {
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(bytes, 'x');
    throw error;
  };
  return { statusCode: 200, headers: {}, body: new IteratedBytes(parts()) };
}

async function readTo(answer: HttpAnswer, announced: number): Promise<number> {
  const body = bodyOf(answer, announced, WHERE);
  const got = await body.fill(Buffer.alloc(100), 100);
  return got + (await body.fill(Buffer.alloc(1)));
}

describe('a body that breaks', () => {
  const errorsOfEnds = [new errors.BodyTimeoutError(), new errors.SocketError('other side closed')];

  it.each(errorsOfEnds)('after its last byte is whole: %s', async (error) => {
    expect(await readTo(broken(100, error), 100)).toBe(100);
    let seen = 0;
    for await (const part of bodyOf(broken(100, error), 100, WHERE)) seen += part.length;
    expect(seen).toBe(100);
  });

  it.each(errorsOfEnds)('before its last byte is not: %s', async (error) => {
    await expect(readTo(broken(100, error), 101)).rejects.toMatchObject({ code: /^source-(unreachable|lied)$/ });
  });

  it('because nobody wants it any more says so in any case', async () => {
    await expect(readTo(broken(100, new errors.RequestAbortedError()), 100)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
