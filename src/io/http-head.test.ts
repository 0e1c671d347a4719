import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRequestHead } from './http-head.ts';

const head = (...lines: string[]) => parseRequestHead(lines.join('\r\n'));

describe('the head of a request', () => {
  it('says what is asked for', () => {
    expect(head('GET /v1/contents/x?y HTTP/1.1', 'Host: a', 'rAnGe:  bytes=0-9')).toEqual({
      method: 'GET',
      url: '/v1/contents/x?y',
      range: 'bytes=0-9',
      close: false,
      hasBody: false,
    });
  });

  it.each([
    ['HTTP/1.0', ['GET / HTTP/1.0'], { close: true }],
    ['a child that wants to close', ['GET / HTTP/1.1', 'Connection: Close '], { close: true }],
    ['a length', ['POST / HTTP/1.1', 'Content-Length: 7'], { hasBody: true }],
    ['a length of nothing', ['GET / HTTP/1.1', 'Content-Length: 0'], { hasBody: false }],
    [
      'two lengths, one of them nothing',
      ['GET / HTTP/1.1', 'Content-Length: 7', 'Content-Length: 0'],
      { hasBody: true },
    ],
    ['chunks', ['GET / HTTP/1.1', 'Transfer-Encoding: chunked'], { hasBody: true }],
  ])('knows %s', (_, lines, what) => {
    expect(head(...lines)).toMatchObject(what);
  });

  it.each([
    ['no version', ['GET /']],
    ['a later version', ['GET / HTTP/2.0']],
    ['a blank in the path', ['GET /a b HTTP/1.1']],
    ['a method in small letters', ['get / HTTP/1.1']],
    ['a folded line', ['GET / HTTP/1.1', 'X: a', ' b']],
    ['a bare line feed', ['GET / HTTP/1.1', 'X: a\nRange: bytes=0-1']],
    ['a header without a colon', ['GET / HTTP/1.1', 'Range']],
    ['a blank before the colon', ['GET / HTTP/1.1', 'Range : bytes=0-1']],
    ['a zero byte', ['GET / HTTP/1.1', 'X: \0']],
    ['two ranges', ['GET / HTTP/1.1', 'Range: bytes=0-1', 'Range: bytes=0-2']],
  ])('refuses %s', (_, lines) => {
    expect(head(...lines)).toBeUndefined();
  });

  it('takes or refuses any text, and never lets a line become two', () => {
    const line = fc.string({ unit: fc.constantFrom(...'GET /:aRange=\r\n\t\0\xff09 HTTP1.') });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const parsed = head('GET /x HTTP/1.1', ...lines);
        if (parsed === undefined) return;
        expect(lines.join('\r\n').replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/);
        expect(parsed).toMatchObject({ method: 'GET', url: '/x' });
      }),
    );
  });
});
