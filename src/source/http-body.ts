/** The bytes of one answer, counted against what its head announced. */
import { errors } from 'undici';
import { Fault } from '../protocol/faults.ts';
import type { ByteStream } from './byte-stream.ts';
import type { HttpAnswer } from './http-exchange.ts';

/** What is read of a body that nobody wants, so that its connection can be used again. */
const MAX_DRAIN_BYTES = 64 * 1024;

/** `bytes` null = as many as come. Faults: source-lied, source-unreachable, cancelled. */
export function bodyOf(answer: HttpAnswer, bytes: number | null, where: string): ByteStream {
  return new CountedBody(answer.body, bytes, where);
}

class CountedBody implements ByteStream {
  readonly #body: ByteStream;
  readonly #bytes: number | null;
  readonly #where: string;
  #seen = 0;

  constructor(body: ByteStream, bytes: number | null, where: string) {
    this.#body = body;
    this.#bytes = bytes;
    this.#where = where;
  }

  async fill(into: Uint8Array, least = into.length): Promise<number> {
    const filled = await this.#body.fill(into, least).catch((error: unknown) => {
      if (this.#whole && !isAbort(error)) return 0;
      throw this.#fault(error);
    });
    this.#count(filled, filled < least);
    return filled;
  }

  close(): void {
    this.#body.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#body) {
        this.#count(chunk.length, false);
        yield chunk;
      }
    } catch (error) {
      if (!this.#whole || isAbort(error)) throw this.#fault(error);
    }
    this.#count(0, true);
  }

  /** All that was announced has come: what breaks now breaks nothing, and there is no rest to ask for. */
  get #whole(): boolean {
    return this.#seen === this.#bytes;
  }

  #count(bytes: number, ended: boolean): void {
    this.#seen += bytes;
    const announced = this.#bytes;
    if (announced === null || this.#seen === announced) return;
    if (this.#seen > announced) {
      this.close();
      throw new Fault('source-lied', `${this.#where} sent more than the ${announced} bytes it announced`);
    }
    if (ended)
      throw new Fault('source-lied', `${this.#where} sent ${this.#seen} of the ${announced} bytes it announced`);
  }

  #fault(error: unknown): Fault {
    if (error instanceof Fault) return error;
    const at = `${this.#seen}${this.#bytes === null ? '' : ` of ${this.#bytes}`} bytes`;
    const cause = { cause: error };
    if (error instanceof errors.BodyTimeoutError) {
      return new Fault('source-unreachable', `${this.#where} stalled after ${at}`, cause);
    }
    if (isAbort(error)) return new Fault('cancelled', 'the read of the source was cancelled', cause);
    if (this.#bytes !== null && isEarlyEnd(error)) {
      return new Fault('source-lied', `${this.#where} ended after ${at}`, cause);
    }
    return new Fault('source-unreachable', `${this.#where} broke off after ${at}: ${reason(error)}`, cause);
  }
}

/** Nobody wants the body: a short one is read to its end, a long one closes the connection. Its errors are no news. */
export function discard({ body }: HttpAnswer): void {
  body
    .fill(Buffer.allocUnsafe(MAX_DRAIN_BYTES))
    .catch(() => 0)
    .finally(() => body.close());
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
