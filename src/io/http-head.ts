/**
 * The heads of HTTP/1.1 messages as piece client and piece server need them. Strict on purpose: a parent whose answer is unusual (chunks,
 * folded lines, two lengths) is a broken or false one, and who asks may be anybody.
 */

export type ResponseHead = {
  readonly status: number;
  readonly contentLength: number;
  readonly contentRange: string | undefined;
  /** The connection ends after this answer. */
  readonly close: boolean;
};

export type RequestHead = {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly range: string | undefined;
  /** The connection ends after the answer. */
  readonly close: boolean;
  /** It is never read. */
  readonly hasBody: boolean;
};

const STATUS_LINE = /^HTTP\/1\.([01]) ([2-5]\d\d)(?: [^\r\n]*)?$/;
const REQUEST_LINE = /^([A-Z]{1,20}) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;

/** `text` is latin1 without the empty line at the end. Undefined = not acceptable. */
export function parseResponseHead(text: string): ResponseHead | undefined {
  const lines = text.split('\r\n');
  const start = STATUS_LINE.exec(lines[0] ?? '');
  if (start === null) return undefined;
  let contentLength: number | undefined;
  let contentRange: string | undefined;
  let close = start[1] === '0';
  for (let i = 1; i < lines.length; i++) {
    const header = parseHeader(lines[i]);
    if (header === undefined) return undefined;
    const { name, value } = header;
    switch (name) {
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

/** As `parseResponseHead`. */
export function parseRequestHead(text: string): RequestHead | undefined {
  const lines = text.split('\r\n');
  const start = REQUEST_LINE.exec(lines[0] ?? '');
  if (start === null) return undefined;
  let range: string | undefined;
  let close = start[3] === '0';
  let hasBody = false;
  for (let i = 1; i < lines.length; i++) {
    const header = parseHeader(lines[i]);
    if (header === undefined) return undefined;
    const { name, value } = header;
    switch (name) {
      case 'range':
        if (range !== undefined) return undefined;
        range = value;
        break;
      case 'connection':
        close ||= value.toLowerCase() === 'close';
        break;
      case 'content-length':
        hasBody ||= value !== '0';
        break;
      case 'transfer-encoding':
        hasBody = true;
        break;
    }
  }
  return { method: start[1] ?? '', url: start[2] ?? '', range, close, hasBody };
}

/** The name in small letters, the value without blanks around it. */
function parseHeader(line = ''): { readonly name: string; readonly value: string } | undefined {
  const match = HEADER_LINE.exec(line);
  return match === null ? undefined : { name: (match[1] ?? '').toLowerCase(), value: match[2] ?? '' };
}
