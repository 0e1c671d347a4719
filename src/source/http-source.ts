/**
 * http and https sources, read with undici: one GET per read, redirects followed by hand so that credentials never reach
 * another origin, content-encodings left alone, errors named by who is to blame.
 */
import { errors, request as undiciRequest } from 'undici';
import { Fault } from '../protocol/faults.ts';
import { createDispatchers, type Dispatchers } from './dispatchers.ts';
import {
  contentRange,
  contradicts,
  factsOf,
  freshForMs,
  type HeaderMap,
  headerOf,
  rangeValidator,
  statusFault,
} from './http-headers.ts';
import type { Source, SourceAnswer, SourceRequest } from './source.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Names that belong to one connection, or that this module sets itself. */
const OWN_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'content-length',
  'expect',
]);
/** What must not follow a redirect to another origin (RFC 9110, 15.4). */
const SECRET_HEADERS = new Set(['authorization', 'cookie', 'proxy-authorization', 'host']);

type Answer = Awaited<ReturnType<typeof undiciRequest>>;

/** The URL as it may be shown: no user, no password, no query. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function createHttpSource(wallNow: () => number): Source & { close(): Promise<void> } {
  const dispatchers = createDispatchers();
  return {
    schemes: ['http', 'https'],
    open: (request) => open(request, dispatchers, wallNow),
    close: () => dispatchers.close(),
  };
}

async function open(request: SourceRequest, dispatchers: Dispatchers, wallNow: () => number): Promise<SourceAnswer> {
  const { answer, url } = await follow(request, dispatchers);
  const { statusCode } = answer;
  const headers: HeaderMap = answer.headers;
  const facts = factsOf(headers, statusCode);
  const fresh = freshForMs(headers, wallNow());
  if (statusCode === 304 && request.ifChanged !== undefined) {
    discard(answer);
    return {
      type: 'unchanged',
      facts: { ...request.ifChanged, ...facts, ranges: request.ifChanged.ranges },
      freshForMs: fresh,
    };
  }
  if (statusCode === 416 && request.range !== undefined) {
    discard(answer);
    throw new Fault('source-changed', `${shownUrl(url)} is shorter than it was`);
  }
  if (statusCode !== 200 && statusCode !== 206) {
    discard(answer);
    throw statusFault(statusCode, shownUrl(url));
  }
  // Without a strong validator there was no If-Range, and not every source heeds it.
  if (statusCode === 206 && request.ifRange !== undefined && contradicts(facts, request.ifRange)) {
    discard(answer);
    throw new Fault('source-changed', `${shownUrl(url)} is another content than before`);
  }
  const part = partOf(answer, request, url);
  return {
    type: 'body',
    start: part.start,
    length: part.length,
    // A range that the caller's own header asked for cannot be cut further.
    facts: ownRange(request) ? { ...facts, ranges: false } : facts,
    freshForMs: fresh,
    body: bodyOf(answer, part.bytes, url),
  };
}

/** Where the body lies in the content, and how many bytes it must have (null: until it ends). */
function partOf(
  answer: Answer,
  request: SourceRequest,
  url: URL,
): { start: number; length: number | null; bytes: number | null } {
  const text = headerOf(answer.headers, 'content-length');
  const bytes = text === undefined ? null : Number(text);
  if (answer.statusCode === 200 || ownRange(request)) return { start: 0, length: bytes, bytes };
  const range = contentRange(headerOf(answer.headers, 'content-range'));
  if (range === undefined || range.start !== request.range?.start) {
    discard(answer);
    throw new Fault('source-lied', `${shownUrl(url)} answered another range than it was asked for`);
  }
  return { start: range.start, length: range.length, bytes: range.end - range.start };
}

function ownRange(request: SourceRequest): boolean {
  return request.headers.some(([name]) => name.toLowerCase() === 'range');
}

async function* bodyOf(answer: Answer, bytes: number | null, url: URL): AsyncGenerator<Uint8Array> {
  let seen = 0;
  try {
    for await (const part of answer.body) {
      const data = part as Uint8Array;
      seen += data.length;
      if (bytes !== null && seen > bytes)
        throw new Fault('source-lied', `${shownUrl(url)} sent more than the ${bytes} bytes it announced`);
      yield data;
    }
  } catch (error) {
    throw bodyFault(error, { seen, bytes, where: shownUrl(url) });
  } finally {
    discard(answer);
  }
  if (bytes !== null && seen !== bytes) {
    throw new Fault('source-lied', `${shownUrl(url)} sent ${seen} of the ${bytes} bytes it announced`);
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

/** Reads on so that the connection can be used again when little is left, else closes it; errors of a body nobody reads are no news. */
function discard(answer: Answer): void {
  answer.body.on('error', () => {});
  if (!answer.body.destroyed && !answer.body.readableEnded) answer.body.destroy();
}

async function follow(request: SourceRequest, dispatchers: Dispatchers): Promise<{ answer: Answer; url: URL }> {
  let url = new URL(request.url);
  let headers = requestHeaders(request, url);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await send(url, headers, request, dispatchers);
    const location = headerOf(answer.headers, 'location');
    if (!REDIRECTS.has(answer.statusCode) || location === undefined) return { answer, url };
    discard(answer);
    const next = URL.parse(location, url);
    if (next === null || (next.protocol !== 'http:' && next.protocol !== 'https:')) {
      throw new Fault('source-refused', `${shownUrl(url)} redirects to an address that is no http URL`, {
        sourceStatus: answer.statusCode,
      });
    }
    if (next.origin !== url.origin) headers = headers.filter(([name]) => !SECRET_HEADERS.has(name.toLowerCase()));
    url = next;
  }
  throw new Fault('source-refused', `${shownUrl(url)} redirects more than ${MAX_REDIRECTS} times`);
}

type Headers = (readonly [name: string, value: string])[];

function requestHeaders(request: SourceRequest, url: URL): Headers {
  const headers: Headers = request.headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
  const has = (name: string): boolean => headers.some(([each]) => each.toLowerCase() === name);
  if ((url.username !== '' || url.password !== '') && !has('authorization')) {
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.push(['authorization', `Basic ${Buffer.from(user).toString('base64')}`]);
  }
  if (!has('user-agent')) headers.push(['user-agent', 'dragonfly']);
  if (!has('accept')) headers.push(['accept', '*/*']);
  const { range, ifRange, ifChanged } = request;
  if (range !== undefined && !has('range')) {
    headers.push(['range', `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`]);
    const validator = ifRange === undefined ? undefined : rangeValidator(ifRange);
    if (validator !== undefined) headers.push(['if-range', validator]);
  }
  if (range === undefined && ifChanged?.etag !== undefined) headers.push(['if-none-match', ifChanged.etag]);
  if (range === undefined && ifChanged?.lastModified !== undefined)
    headers.push(['if-modified-since', ifChanged.lastModified]);
  return headers;
}

async function send(url: URL, headers: Headers, request: SourceRequest, dispatchers: Dispatchers): Promise<Answer> {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  try {
    return await undiciRequest(bare, {
      method: 'GET',
      headers: headers.flat(),
      dispatcher: dispatchers.get(request.insecure ?? false, request.cacerts ?? []),
      headersTimeout: request.stallMs,
      bodyTimeout: request.stallMs,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
  } catch (error) {
    if (isAbort(error)) throw new Fault('cancelled', 'the read of the source was cancelled', { cause: error });
    if (error instanceof errors.InvalidArgumentError) {
      throw new Fault('usage', `a header or the URL cannot be sent to ${shownUrl(url)}: ${error.message}`, {
        cause: error,
      });
    }
    throw new Fault('source-unreachable', `cannot read ${shownUrl(url)}: ${reason(error)}`, { cause: error });
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error instanceof errors.RequestAbortedError);
}

function isEarlyEnd(error: unknown): boolean {
  return (
    error instanceof errors.SocketError || (error instanceof Error && 'code' in error && error.code === 'ECONNRESET')
  );
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return error.message !== '' || inner === undefined ? error.message : reason(inner);
}
