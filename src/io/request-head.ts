/**
 * The head of an HTTP/1.1 request as the piece server needs it. Who asks may be anybody: what is unusual (folded lines, bare line feeds, a header
 * that counts said twice) is refused, and a body is never read.
 */

export type RequestHead = {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly range: string | undefined;
  /** The connection ends after the answer. */
  readonly close: boolean;
  readonly hasBody: boolean;
};

const REQUEST_LINE = /^([A-Z]{1,20}) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/** `text` is latin1 without the empty line at the end. Undefined = not acceptable. */
export function parseRequestHead(text: string): RequestHead | undefined {
  const lines = text.split('\r\n');
  const start = REQUEST_LINE.exec(lines[0] ?? '');
  if (start === null) return undefined;
  let range: string | undefined;
  let close = start[3] === '0';
  let hasBody = false;
  for (let i = 1; i < lines.length; i++) {
    const match = HEADER_LINE.exec(lines[i] ?? '');
    if (match === null) return undefined;
    const value = match[2] ?? '';
    switch ((match[1] ?? '').toLowerCase()) {
      case 'range':
        if (range !== undefined) return undefined;
        range = value;
        break;
      case 'connection':
        close ||= value.trim().toLowerCase() === 'close';
        break;
      case 'content-length':
        hasBody ||= value.trim() !== '0';
        break;
      case 'transfer-encoding':
        hasBody = true;
        break;
    }
  }
  return { method: start[1] ?? '', url: start[2] ?? '', range, close, hasBody };
}
