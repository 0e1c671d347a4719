/**
 * One content read by several ranges at once and given in order, for sources that slow down each connection. It asks for the first
 * part only, learns length and validator from that answer, and goes on with parts if the source took the range; so no
 * byte is sent twice, and a source without ranges is read by the one GET that it got. A part that breaks off goes on
 * at its next byte. Memory: the part whose turn it is waits for its reader; parts ahead of it are limited over all contents.
 */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import { sleep } from '../io/sleep.ts';
import { Fault } from '../protocol/faults.ts';
import { IteratedBytes } from './byte-stream.ts';
import type { SourceAnswer, SourceBody, SourceRequest } from './source.ts';
import { canResume, likeness } from './validators.ts';

export const PART_BYTES = 8 * 1024 * 1024;
/** Repeated reads of a part without a byte gained. */
const PART_RETRIES = 3;
const PART_BACKOFF: Backoff = { firstMs: 100, maxMs: 2_000 };

export type Open = (request: SourceRequest) => Promise<SourceAnswer>;

/** Parts that may be read ahead of their turn, over all contents of one reader. */
export class PartsAhead {
  #left: number;

  constructor(parts: number) {
    this.#left = parts;
  }

  take(): boolean {
    if (this.#left <= 0) return false;
    this.#left--;
    return true;
  }

  give(): void {
    this.#left++;
  }
}

/** What the part whose turn it is may have read before its reader takes it. */
const TURN_BYTES = 1024 * 1024;

export type ParallelOptions = {
  readonly connections: number;
  readonly ahead: PartsAhead;
  readonly partBytes?: number;
  readonly random?: () => number;
};

/** Like `open`; what has an end already, or belongs to a caller's own range, is read as it is. */
export async function openInParallel(
  open: Open,
  request: SourceRequest,
  { connections, ahead, partBytes = PART_BYTES, random = Math.random }: ParallelOptions,
): Promise<SourceAnswer> {
  const own = request.headers.some(([name]) => name.toLowerCase() === 'range');
  if (connections <= 1 || own || request.range?.end !== undefined) return open(request);
  const start = request.range?.start ?? 0;
  const answer = await open({ ...request, range: { start, end: start + partBytes } });
  if (answer.type === 'unchanged' || answer.end === undefined) return answer;
  const { length, facts } = answer;
  if (length === null || !canResume(facts)) {
    answer.body.close();
    return open(request);
  }
  const { end: _, ...whole } = answer;
  const parts = new PartReader({ open, request: { ...request, ifRange: facts }, random });
  return { ...whole, body: new IteratedBytes(inOrder(parts, answer, { length, connections, ahead, partBytes })) };
}

type Cut = {
  readonly length: number;
  readonly connections: number;
  readonly ahead: PartsAhead;
  readonly partBytes: number;
};

async function* inOrder(
  reader: PartReader,
  first: SourceBody,
  { length, connections, ahead, partBytes }: Cut,
): AsyncGenerator<Uint8Array> {
  const parts: Part[] = [];
  let next = first.end ?? length;
  /** One part always, more of them as the limits allow: `connections` that run, and one that waits to be given. */
  const startMore = (): void => {
    while (next < length && parts.length <= connections && parts.filter((part) => !part.over).length < connections) {
      const isAhead = parts.length > 0;
      if (isAhead && !ahead.take()) return;
      const end = Math.min(length, next + partBytes);
      parts.push(reader.start(new Part(next, end, isAhead), startMore));
      next = end;
    }
  };
  parts.push(reader.start(new Part(first.start, first.end ?? length, false), startMore, first));
  startMore();
  try {
    for (let part = parts[0]; part !== undefined; part = parts[0]) {
      yield* part.bytes();
      parts.shift();
      if (part.ahead) ahead.give();
      startMore();
    }
  } finally {
    reader.stop();
    for (const part of parts) {
      part.drop();
      if (part.ahead) ahead.give();
    }
  }
}

/** One range on its way: what came waits here until its turn. */
class Part {
  readonly start: number;
  readonly end: number;
  /** It may wait for its turn with all its bytes; else only a few are read before they are taken. */
  readonly ahead: boolean;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #fault: Fault | undefined;
  #wake: (() => void) | undefined;
  #room: (() => void) | undefined;
  over = false;

  constructor(start: number, end: number, ahead: boolean) {
    this.start = start;
    this.end = end;
    this.ahead = ahead;
  }

  /** Resolves when more may be read. */
  async push(data: Uint8Array): Promise<void> {
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#wake?.();
    if (this.ahead || this.#waitingBytes < TURN_BYTES) return;
    await new Promise<void>((resolve) => {
      this.#room = resolve;
    });
  }

  finish(fault: Fault | undefined): void {
    this.over = true;
    this.#fault = fault;
    this.#wake?.();
  }

  /** Nobody takes it any more. */
  drop(): void {
    this.#room?.();
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const data = this.#waiting.shift();
      if (data !== undefined) {
        this.#waitingBytes -= data.length;
        if (this.#waitingBytes < TURN_BYTES) this.#room?.();
        yield data;
      } else if (this.#fault !== undefined) throw this.#fault;
      else if (this.over) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

class PartReader {
  readonly #open: Open;
  readonly #request: SourceRequest;
  readonly #random: () => number;
  readonly #stop = new AbortController();

  constructor(told: { open: Open; request: SourceRequest; random: () => number }) {
    this.#open = told.open;
    this.#random = told.random;
    const { signal, ifChanged: _, ...request } = told.request;
    const signals = signal === undefined ? [this.#stop.signal] : [signal, this.#stop.signal];
    this.#request = { ...request, signal: AbortSignal.any(signals) };
  }

  start(part: Part, ended: () => void, given?: SourceBody): Part {
    this.#read(part, given).then(
      () => {
        part.finish(undefined);
        ended();
      },
      (error: unknown) => part.finish(Fault.of(error)),
    );
    return part;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #read(part: Part, given: SourceBody | undefined): Promise<void> {
    let position = part.start;
    let failures = 0;
    for (let answer = given; position < part.end; answer = undefined) {
      const before = position;
      try {
        answer ??= await this.#reopen(position, part.end);
        for await (const data of answer.body) {
          if (this.#stop.signal.aborted) return;
          position += data.length;
          await part.push(data);
        }
        if (position < part.end) throw new Fault('source-lied', 'the source ended a range early');
      } catch (error) {
        const fault = Fault.of(error);
        if (position > before) failures = 0;
        const mendable = fault.code === 'source-unreachable' || fault.code === 'source-lied';
        if (!mendable || this.#stop.signal.aborted || failures++ >= PART_RETRIES) throw fault;
        const rest = backoffMs(PART_BACKOFF, failures, this.#random());
        await sleep(Math.max(rest, Math.min(fault.retryAfterMs ?? 0, PART_BACKOFF.maxMs)), this.#stop.signal);
      }
    }
  }

  async #reopen(start: number, end: number): Promise<SourceBody> {
    const { ifRange } = this.#request;
    const answer = await this.#open({ ...this.#request, range: { start, end } });
    // A source that finds another content under If-Range sends all of it.
    const asked = answer.type === 'body' && answer.start === start && (answer.end ?? answer.length) === end;
    if (asked && (ifRange === undefined || likeness(answer.facts, ifRange) !== 'other')) return answer;
    if (answer.type === 'body') answer.body.close();
    throw new Fault('source-changed', 'the content changed at the source while it was read');
  }
}
