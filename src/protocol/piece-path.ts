/**
 * The URLs of a piece server: `/v1/contents/<content id>` (bytes, by Range) and `…/pieces` (what is held; with `?vouched=N` also the
 * digests that the host knows by itself, from the Nth on).
 */
import { type ContentId, parseContentId } from './ids.ts';

const PREFIX = '/v1/contents/';
const PIECES = '/pieces';

export function contentPath(content: ContentId): string {
  return PREFIX + content;
}

export function piecesPath(content: ContentId): string {
  return PREFIX + content + PIECES;
}

export function vouchedPath(content: ContentId, from: number): string {
  return `${piecesPath(content)}?vouched=${from}`;
}

/** Undefined when it is not asked for. */
export function vouchedFrom(url: string): number | undefined {
  const text = /\?vouched=(\d{1,9})$/.exec(url)?.[1];
  return text === undefined ? undefined : Number(text);
}

/** Undefined for a path that is not one of the two; a query is not looked at. */
export function parsePiecePath(
  url: string,
): { readonly type: 'content' | 'pieces'; readonly content: ContentId } | undefined {
  if (!url.startsWith(PREFIX)) return undefined;
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const type = path.endsWith(PIECES) ? 'pieces' : 'content';
  const content = parseContentId(path.slice(PREFIX.length, type === 'pieces' ? -PIECES.length : undefined));
  return content === undefined ? undefined : { type, content };
}
