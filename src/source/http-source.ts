/**
 * http and https sources, read with undici: one GET per read, content-encodings left alone. Kinds of sources that speak HTTP
 * underneath (s3, hf) read through it as well.
 */
import { withAttempts } from '../io/attempts.ts';
import { Fault } from '../protocol/faults.ts';
import { IteratedBytes } from './byte-stream.ts';
import { createDispatchers, type Dispatchers } from './dispatchers.ts';
import { bodyOf, discard } from './http-body.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { follow, type HeadObserver, shownUrl } from './http-follow.ts';
import {
  contentRange,
  factsOf,
  freshForMs,
  type HeaderMap,
  headerOf,
  retryAfterMs,
  statusFault,
} from './http-headers.ts';
import { listIndex } from './http-index.ts';
import type { HttpReader } from './http-reader.ts';
import type { ListRequest, Source, SourceAnswer, SourceRequest } from './source.ts';
import { likeness } from './validators.ts';

/** Largest page of a listing. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** One page of a long listing must not end it by a passing trouble. */
const PAGE_ATTEMPTS = {
  attempts: 4,
  backoff: { firstMs: 200, maxMs: 5_000 },
  random: Math.random,
  maxRestMs: 30_000,
  patienceMs: 60_000,
} as const;

export type HttpSource = Source & HttpReader & { close(): Promise<void> };

export function createHttpSource(wallNow: () => number, env: Readonly<Record<string, string | undefined>>): HttpSource {
  const dispatchers = createDispatchers(env);
  const reader: HttpReader = {
    open: (request, observe) => open(request, { dispatchers, wallNow, observe }),
    page: (request, observe) => {
      const { signal } = request;
      const options = signal === undefined ? PAGE_ATTEMPTS : { ...PAGE_ATTEMPTS, signal };
      return withAttempts(options, () => page(request, { dispatchers, wallNow, observe }));
    },
  };
  return {
    ...reader,
    schemes: ['http', 'https'],
    list: (request) => listIndex(request, reader),
    close: () => dispatchers.close(),
  };
}

type Way = {
  readonly dispatchers: Dispatchers;
  readonly wallNow: () => number;
  readonly observe: HeadObserver | undefined;
};

async function open(request: SourceRequest, { dispatchers, wallNow, observe }: Way): Promise<SourceAnswer> {
  const { answer, url } = await follow(request, dispatchers, observe);
  const { statusCode } = answer;
  const headers: HeaderMap = answer.headers;
  const facts = factsOf(headers, statusCode);
  const fresh = freshForMs(headers, wallNow());
  if (statusCode === 304 && request.ifChanged !== undefined) {
    discard(answer);
    const known = request.ifChanged;
    return { type: 'unchanged', facts: { ...known, ...facts, ranges: known.ranges }, freshForMs: fresh };
  }
  if (statusCode === 416 && request.range !== undefined) {
    discard(answer);
    if (request.range.start > 0) throw new Fault('source-changed', `${shownUrl(url)} is shorter than it was`);
    return { type: 'body', start: 0, length: 0, facts, freshForMs: fresh, body: new IteratedBytes(nothing()) };
  }
  if (statusCode !== 200 && statusCode !== 206) {
    discard(answer);
    throw statusFault(statusCode, shownUrl(url), retryAfterMs(headers, wallNow()));
  }
  // Without a strong validator there was no If-Range, and not every source heeds it.
  if (statusCode === 206 && request.ifRange !== undefined && likeness(facts, request.ifRange) === 'other') {
    discard(answer);
    throw new Fault('source-changed', `${shownUrl(url)} is another content than before`);
  }
  const { bytes, ...part } = partOf(answer, request, url);
  return {
    type: 'body',
    ...part,
    // A range that the caller's own header asked for cannot be cut further.
    facts: ownRange(request) ? { ...facts, ranges: false } : facts,
    freshForMs: fresh,
    body: bodyOf(answer, bytes, shownUrl(url)),
  };
}

type Part = {
  readonly start: number;
  readonly end?: number;
  readonly length: number | null;
  readonly bytes: number | null;
};

/** Where the body lies in the content, and how many bytes it must have (null: until it ends). */
function partOf(answer: HttpAnswer, request: SourceRequest, url: URL): Part {
  const text = headerOf(answer.headers, 'content-length');
  const bytes = text === undefined ? null : Number(text);
  if (answer.statusCode === 200 || ownRange(request)) return { start: 0, length: bytes, bytes };
  const range = contentRange(headerOf(answer.headers, 'content-range'));
  if (range === undefined || range.start !== request.range?.start) {
    discard(answer);
    throw new Fault('source-lied', `${shownUrl(url)} answered another range than it was asked for`);
  }
  const { start, end, length } = range;
  return { start, ...(end === length ? {} : { end }), length, bytes: end - start };
}

function ownRange(request: SourceRequest): boolean {
  return request.headers.some(([name]) => name.toLowerCase() === 'range');
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function page(
  request: ListRequest,
  { dispatchers, wallNow, observe }: Way,
): Promise<{ readonly text: string; readonly url: URL }> {
  const { answer, url } = await follow(request, dispatchers, observe);
  if (answer.statusCode !== 200) {
    discard(answer);
    throw statusFault(answer.statusCode, shownUrl(url), retryAfterMs(answer.headers, wallNow()));
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of bodyOf(answer, null, shownUrl(url))) {
    bytes += part.length;
    if (bytes > MAX_PAGE_BYTES) throw new Fault('source-lied', `${shownUrl(url)} is too long for a listing`);
    parts.push(part);
  }
  return { text: Buffer.concat(parts).toString('utf8'), url };
}
