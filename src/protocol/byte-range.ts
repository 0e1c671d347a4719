/**
 * HTTP byte ranges (RFC 9110, section 14), single ranges only: several ranges or a broken header count as no range, as
 * the RFC allows; a range that lies outside the content is unsatisfiable (416). Spans have exclusive ends.
 */
import type { Span } from './piece.ts';

export type RangeAnswer =
  | { readonly type: 'whole' }
  | { readonly type: 'part'; readonly span: Span }
  | { readonly type: 'unsatisfiable' };

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;
const CONTENT_RANGE = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/;

/** `length` is null while nobody knows it: then only a range with both ends can be satisfied. */
export function parseRange(header: string | undefined, length: number | null): RangeAnswer {
  const match = header === undefined ? null : RANGE.exec(header.trim());
  const from = match?.[1] ?? '';
  const to = match?.[2] ?? '';
  if (from === '' && to === '') return { type: 'whole' };
  if (from === '') {
    const suffix = Number(to);
    if (length === null || suffix === 0 || length === 0) return { type: 'unsatisfiable' };
    return { type: 'part', span: { start: Math.max(0, length - suffix), end: length } };
  }
  const start = Number(from);
  if (to !== '' && Number(to) < start) return { type: 'whole' };
  if (length === null) {
    return to === '' ? { type: 'unsatisfiable' } : { type: 'part', span: { start, end: Number(to) + 1 } };
  }
  if (start >= length) return { type: 'unsatisfiable' };
  return { type: 'part', span: { start, end: to === '' ? length : Math.min(length, Number(to) + 1) } };
}

/** Value of a Range header; without an end it goes to the last byte. */
export function printRange(start: number, end?: number): string {
  return `bytes=${start}-${end === undefined ? '' : end - 1}`;
}

/** Value of a Content-Range header; without a span it goes with a 416. */
export function printContentRange(span: Span | undefined, length: number | null): string {
  return `bytes ${span === undefined ? '*' : `${span.start}-${span.end - 1}`}/${length ?? '*'}`;
}

export type ContentRange = { readonly span: Span | undefined; readonly length: number | null };

/** Undefined when it is not a Content-Range of bytes, or contradicts itself. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = CONTENT_RANGE.exec(header.trim());
  if (match === null) return undefined;
  const [, first, last, total] = match;
  const length = total === '*' ? null : Number(total);
  if (first === undefined || last === undefined) return length === null ? undefined : { span: undefined, length };
  const span = { start: Number(first), end: Number(last) + 1 };
  if (span.end <= span.start || (length !== null && span.end > length)) return undefined;
  return { span, length };
}
