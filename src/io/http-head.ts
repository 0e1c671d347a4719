/**
 * The head of an HTTP/1.1 response as the piece client needs it. Strict on purpose: both ends are ours, so whatever is
 * unusual (chunks, folded lines, two lengths) is a broken or false parent and is refused.
 */

export type ResponseHead = {
  readonly status: number;
  readonly contentLength: number;
  readonly contentRange: string | undefined;
  /** The connection ends after this answer. */
  readonly close: boolean;
};

const STATUS_LINE = /^HTTP\/1\.([01]) ([2-5]\d\d)(?: [^\r\n]*)?$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;

/** `text` is latin1 without the empty line at the end. Undefined = not acceptable. */
export function parseResponseHead(text: string): ResponseHead | undefined {
  const lines = text.split('\r\n');
  const start = STATUS_LINE.exec(lines[0] ?? '');
  if (start === null) return undefined;
  let contentLength: number | undefined;
  let contentRange: string | undefined;
  let close = start[1] === '0';
  for (let i = 1; i < lines.length; i++) {
    const match = HEADER_LINE.exec(lines[i] ?? '');
    if (match === null) return undefined;
    const value = match[2] ?? '';
    switch ((match[1] ?? '').toLowerCase()) {
      case 'content-length':
        if (contentLength !== undefined || !/^\d{1,15}$/.test(value)) return undefined;
        contentLength = Number(value);
        break;
      case 'content-range':
        if (contentRange !== undefined) return undefined;
        contentRange = value;
        break;
      case 'transfer-encoding':
        return undefined;
      case 'connection':
        close ||= value.toLowerCase() === 'close';
        break;
    }
  }
  if (contentLength === undefined) return undefined;
  return { status: Number(start[2]), contentLength, contentRange, close };
}
