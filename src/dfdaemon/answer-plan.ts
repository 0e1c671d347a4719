/**
 * Which part of a content an HTTP request is for and how the answer begins: 200, 206 or 416, with the headers that the
 * source itself gives.
 */
import { parseRange, printContentRange } from '../protocol/byte-range.ts';
import type { Span } from '../protocol/piece.ts';
import type { Digest, SourceFacts } from '../protocol/task.ts';

export type AnswerPlan =
  | { readonly type: 'body'; readonly status: 200 | 206; readonly headers: readonly string[]; readonly span: OpenSpan }
  | { readonly type: 'unsatisfiable'; readonly headers: readonly string[] };

/** `end` is null while nobody knows the length. */
export type OpenSpan = { readonly start: number; readonly end: number | null };

export type Known = {
  readonly length: number | null;
  readonly facts: SourceFacts;
  /** Of a registry's blob. */
  readonly digest?: Digest | undefined;
};

export type Asked = { readonly range?: string | undefined; readonly ifRange?: string | undefined };

export function planAnswer({ length, facts, digest }: Known, { range, ifRange }: Asked): AnswerPlan {
  const headers = sourceHeaders(facts, digest);
  const part = parseRange(sameContent(facts, ifRange) ? range : undefined, length);
  if (part.type === 'unsatisfiable' && length !== null)
    return { type: 'unsatisfiable', headers: [...headers, 'Content-Range', printContentRange(undefined, length)] };
  // A part of a content whose length nobody knows yet is the whole, as a server without ranges would answer.
  if (part.type !== 'part' || length === null) {
    const size = length === null ? [] : ['Content-Length', String(length)];
    return { type: 'body', status: 200, headers: [...headers, ...size], span: { start: 0, end: length } };
  }
  const { span } = part;
  return {
    type: 'body',
    status: 206,
    headers: [...headers, ...partHeaders(span, length)],
    span,
  };
}

function partHeaders(span: Span, length: number): string[] {
  return ['Content-Range', printContentRange(span, length), 'Content-Length', String(span.end - span.start)];
}

function sourceHeaders({ etag, lastModified, contentType }: SourceFacts, digest: Digest | undefined): string[] {
  return [
    ...['Content-Type', contentType ?? 'application/octet-stream', 'Accept-Ranges', 'bytes'],
    ...(etag === undefined ? [] : ['ETag', etag]),
    ...(lastModified === undefined ? [] : ['Last-Modified', lastModified]),
    ...(digest === undefined ? [] : ['Docker-Content-Digest', digest]),
  ];
}

/** If-Range (RFC 9110, 13.1.5): a validator of another content, or a weak one, asks for the whole. */
function sameContent({ etag, lastModified }: SourceFacts, ifRange: string | undefined): boolean {
  if (ifRange === undefined) return true;
  return (ifRange === etag && !ifRange.startsWith('W/')) || ifRange === lastModified;
}
