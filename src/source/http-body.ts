/** The bytes of one answer, counted against what its head announced. */
import { errors, type request } from 'undici';
import { Fault } from '../protocol/faults.ts';

export type HttpAnswer = Awaited<ReturnType<typeof request>>;

/** What is read of a body that nobody wants, so that its connection can be used again. */
const MAX_DRAIN_BYTES = 64 * 1024;

export async function* bodyOf(answer: HttpAnswer, bytes: number | null, where: string): AsyncGenerator<Uint8Array> {
  let seen = 0;
  try {
    for await (const part of answer.body) {
      const data = part as Uint8Array;
      seen += data.length;
      if (bytes !== null && seen > bytes)
        throw new Fault('source-lied', `${where} sent more than the ${bytes} bytes it announced`);
      yield data;
    }
  } catch (error) {
    throw bodyFault(error, { seen, bytes, where });
  } finally {
    close(answer);
  }
  if (bytes !== null && seen !== bytes) {
    throw new Fault('source-lied', `${where} sent ${seen} of the ${bytes} bytes it announced`);
  }
}

function bodyFault(error: unknown, at: { seen: number; bytes: number | null; where: string }): Fault {
  if (error instanceof Fault) return error;
  const of = at.bytes === null ? '' : ` of ${at.bytes}`;
  if (error instanceof errors.BodyTimeoutError) {
    return new Fault('source-unreachable', `${at.where} stalled after ${at.seen}${of} bytes`, { cause: error });
  }
  if (isAbort(error)) return new Fault('cancelled', 'the read of the source was cancelled', { cause: error });
  if (at.bytes !== null && isEarlyEnd(error)) {
    return new Fault('source-lied', `${at.where} ended after ${at.seen}${of} bytes`, { cause: error });
  }
  return new Fault('source-unreachable', `${at.where} broke off after ${at.seen}${of} bytes: ${reason(error)}`, {
    cause: error,
  });
}

/** Nobody wants the body: a short one is read to its end, a long one closes the connection. Its errors are no news. */
export function discard(answer: HttpAnswer): void {
  answer.body.on('error', () => {});
  answer.body.dump({ limit: MAX_DRAIN_BYTES }).catch(() => {});
}

function close(answer: HttpAnswer): void {
  answer.body.on('error', () => {});
  if (!answer.body.destroyed && !answer.body.readableEnded) answer.body.destroy();
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error instanceof errors.RequestAbortedError);
}

function isEarlyEnd(error: unknown): boolean {
  return (
    error instanceof errors.SocketError || (error instanceof Error && 'code' in error && error.code === 'ECONNRESET')
  );
}

export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return error.message !== '' || inner === undefined ? error.message : reason(inner);
}
