/** PURE. What the headers of a source's answer mean: validators, freshness, and which status is whose fault. */
import { Fault } from '../protocol/faults.ts';
import type { SourceFacts } from '../protocol/task.ts';

export type HeaderMap = Readonly<Record<string, string | string[] | undefined>>;

export function headerOf(headers: HeaderMap, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

export function factsOf(headers: HeaderMap, status: number): SourceFacts {
  const etag = headerOf(headers, 'etag');
  const lastModified = etag === undefined ? steadyDate(headers) : headerOf(headers, 'last-modified');
  const contentType = headerOf(headers, 'content-type');
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(contentType === undefined ? {} : { contentType }),
    ranges: status === 206 || (headerOf(headers, 'accept-ranges') ?? '').toLowerCase().includes('bytes'),
  };
}

/**
 * Last-Modified where it can tell two contents apart: a file that was changed within the second in which it was read may be changed
 * once more within it (RFC 9110, 8.8.2.2). Without it such a content counts as one without a validator.
 */
function steadyDate(headers: HeaderMap): string | undefined {
  const text = headerOf(headers, 'last-modified');
  const date = Date.parse(headerOf(headers, 'date') ?? '');
  return text !== undefined && date - Date.parse(text) < 1000 ? undefined : text;
}

/**
 * How long the answer stays fresh, in milliseconds (RFC 9111, 4.2): max-age less Age, else Expires less Date; 0 when it must be
 * revalidated each time; null when the source does not say. We are a shared cache, so s-maxage rules over max-age.
 */
export function freshForMs(headers: HeaderMap, wallNow: number): number | null {
  const control = (headerOf(headers, 'cache-control') ?? '').toLowerCase();
  if (/\bno-store\b|\bno-cache\b/.test(control)) return 0;
  const age = /\bs-maxage="?(\d{1,10})/.exec(control) ?? /(?<!s-)\bmax-age="?(\d{1,10})/.exec(control);
  if (age !== null) return Math.max(0, Number(age[1]) - Number(headerOf(headers, 'age') ?? 0)) * 1000;
  const expires = headerOf(headers, 'expires');
  if (expires === undefined) return null;
  const until = Date.parse(expires);
  if (Number.isNaN(until)) return 0; // "Expires: 0" and other nonsense means: already expired.
  const date = Date.parse(headerOf(headers, 'date') ?? '');
  return Math.max(0, until - (Number.isNaN(date) ? wallNow : date));
}

const PASSING = new Set([408, 425, 429]);

/** The fault of an answer that carries no content; `where` is shown to people and holds no secrets. */
export function statusFault(status: number, where: string, retryAfterMs?: number): Fault {
  const passing = status >= 500 || PASSING.has(status);
  const code = passing ? 'source-unreachable' : 'source-refused';
  return new Fault(code, `the source answered ${status} for ${where}`, {
    sourceStatus: status,
    ...(passing && retryAfterMs !== undefined ? { retryAfterMs } : {}),
  });
}

const MAX_RETRY_AFTER_MS = 3_600_000;

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now; undefined when it is absent or no such thing. */
export function retryAfterMs(headers: HeaderMap, wallNow: number): number | undefined {
  const text = headerOf(headers, 'retry-after')?.trim();
  if (text === undefined || text === '') return undefined;
  const millis = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallNow;
  return Number.isNaN(millis) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, millis));
}

/** `bytes 5-9/10` → start 5, length 10; `*` as length → null. Undefined when it is malformed. */
export function contentRange(
  value: string | undefined,
): { start: number; end: number; length: number | null } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const length = match[3] === '*' ? null : Number(match[3]);
  if (end <= start || (length !== null && end > length)) return undefined;
  return { start, end, length };
}
