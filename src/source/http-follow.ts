/**
 * One GET with its redirects, followed by hand so that credentials never reach another origin. What goes wrong before the
 * answer's head is named here by who is to blame.
 */
import { errors } from 'undici';
import { Fault } from '../protocol/faults.ts';
import type { Dispatchers } from './dispatchers.ts';
import { discard, isAbort, reason } from './http-body.ts';
import { exchange, type HttpAnswer } from './http-exchange.ts';
import { type HeaderMap, headerOf } from './http-headers.ts';
import type { SourceRequest } from './source.ts';
import { strongValidator } from './validators.ts';

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
const SECRET = /^host$|auth|cookie|token|secret|password|credential|api-?key|art-api/i;

/** Sees the head of every answer, those of redirects too. */
export type HeadObserver = (status: number, headers: HeaderMap) => void;

/** The URL as it may be shown: no user, no password, no query. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export async function follow(
  request: SourceRequest,
  dispatchers: Dispatchers,
  observe: HeadObserver | undefined,
): Promise<{ answer: HttpAnswer; url: URL }> {
  let url = new URL(request.url);
  let headers = requestHeaders(request, url);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await send(url, headers, request, dispatchers);
    try {
      observe?.(answer.statusCode, answer.headers);
    } catch (error) {
      discard(answer);
      throw error;
    }
    const location = headerOf(answer.headers, 'location');
    if (!REDIRECTS.has(answer.statusCode) || location === undefined) return { answer, url };
    discard(answer);
    const next = URL.parse(location, url);
    if (next === null || (next.protocol !== 'http:' && next.protocol !== 'https:')) {
      throw new Fault('source-refused', `${shownUrl(url)} redirects to an address that is no http URL`, {
        sourceStatus: answer.statusCode,
      });
    }
    if (next.origin !== url.origin) headers = headers.filter(([name]) => !SECRET.test(name));
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
    const validator = ifRange === undefined ? undefined : strongValidator(ifRange);
    if (validator !== undefined) headers.push(['if-range', validator]);
  }
  if (ifChanged?.etag !== undefined) headers.push(['if-none-match', ifChanged.etag]);
  if (ifChanged?.lastModified !== undefined) headers.push(['if-modified-since', ifChanged.lastModified]);
  return headers;
}

async function send(url: URL, headers: Headers, request: SourceRequest, dispatchers: Dispatchers): Promise<HttpAnswer> {
  const options = {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: 'GET',
    headers: headers.flat(),
    headersTimeout: request.stallMs,
    bodyTimeout: request.stallMs,
  };
  try {
    const dispatcher = dispatchers.get(request.insecure ?? false, request.cacerts ?? []);
    return await exchange(dispatcher, options, request.signal);
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
