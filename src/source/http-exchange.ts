/**
 * One request by way of undici's dispatcher, whose body is copied from the socket's chunk straight into the reader's memory. A
 * stream between the two would cost a queue, a wake-up and a promise per chunk. Nothing is kept of a chunk after the call
 * that brings it, so its memory may be used again (`bulk-connect.ts`).
 */
import type { Dispatcher } from 'undici';
import type { ByteStream } from './byte-stream.ts';
import type { HeaderMap } from './http-headers.ts';

export type HttpAnswer = { readonly statusCode: number; readonly headers: HeaderMap; readonly body: ByteStream };

/** What one step of an iteration gives at most. */
const STEP_BYTES = 64 * 1024;

/** Resolves with the head of the answer. Rejects with undici's errors, or with the signal's reason. */
export function exchange(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  const running = new Exchange(signal);
  dispatcher.dispatch(options, running);
  return running.answer;
}

type Reader = { readonly into: Uint8Array; readonly least: number; readonly done: PromiseWithResolvers<number> };

class Exchange implements Dispatcher.DispatchHandler, ByteStream {
  readonly #head = Promise.withResolvers<HttpAnswer>();
  readonly #signal: AbortSignal | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #reader: Reader | undefined;
  #filled = 0;
  /** Came while nobody read; copies of our own. */
  #waiting: Buffer[] = [];
  #ended = false;
  #error: Error | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  get answer(): Promise<HttpAnswer> {
    return this.#head.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal?.aborted || this.#ended) controller.abort(reasonOf(this.#signal));
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number, headers: HeaderMap): void {
    if (statusCode >= 200) this.#head.resolve({ statusCode, headers, body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const taken = this.#take(chunk);
    if (taken === chunk.length) return;
    // Only what nobody waits for stops the flow: a reader is back before the next chunk, and a paused answer cannot end.
    this.#waiting.push(Buffer.from(chunk.subarray(taken)));
    controller.pause();
  }

  onResponseEnd(): void {
    this.#end(undefined);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end(error);
  }

  fill(into: Uint8Array, least = into.length): Promise<number> {
    if (into.length === 0) return Promise.resolve(0);
    const done = Promise.withResolvers<number>();
    this.#reader = { into, least, done };
    this.#filled = 0;
    for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
      const taken = this.#take(chunk);
      if (taken < chunk.length) this.#waiting.unshift(chunk.subarray(taken));
      if (this.#reader === undefined) return done.promise;
    }
    if (this.#ended) this.#settle();
    else this.#controller?.resume();
    return done.promise;
  }

  close(): void {
    if (!this.#ended) this.#abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const step = Buffer.allocUnsafe(STEP_BYTES);
        const filled = await this.fill(step, 1);
        if (filled === 0) return;
        yield step.subarray(0, filled);
      }
    } finally {
      this.close();
    }
  }

  readonly #abort = (): void => {
    const reason = reasonOf(this.#signal);
    if (this.#controller === undefined) this.#end(reason);
    else this.#controller.abort(reason);
  };

  /** Bytes of the chunk that the reader has taken. */
  #take(chunk: Uint8Array): number {
    const reader = this.#reader;
    if (reader === undefined) return 0;
    const taken = Math.min(chunk.length, reader.into.length - this.#filled);
    reader.into.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.#filled);
    this.#filled += taken;
    if (this.#filled >= reader.least) this.#settle();
    return taken;
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#signal?.removeEventListener('abort', this.#abort);
    if (error !== undefined) this.#head.reject(error);
    if (this.#reader !== undefined) this.#settle();
  }

  #settle(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (this.#error !== undefined && this.#filled < (reader?.least ?? 0)) reader?.done.reject(this.#error);
    else reader?.done.resolve(this.#filled);
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException('nobody wants the answer', 'AbortError');
}
