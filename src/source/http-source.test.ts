import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Fault, type FaultCode } from '../protocol/faults.ts';
import type { SourceAnswer, SourceRequest } from './source.ts';
import { createSources } from './sources.ts';

const sources = createSources({ wallNow: () => Date.parse('Tue, 24 Nov 2026 12:00:00 GMT') });
const servers: { close(): unknown }[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  servers.push({ close: () => [server.close(), server.closeAllConnections()] });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

/** A server that answers every connection with these bytes and then does as told. */
async function raw(text: string, then: 'end' | 'reset' | 'hang'): Promise<string> {
  const server = createNetServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(text);
      if (then === 'end') socket.end();
      if (then === 'reset') setImmediate(() => socket.resetAndDestroy());
    });
    servers.push({ close: () => socket.destroy() });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

function ask(url: string, more: Partial<SourceRequest> = {}): Promise<SourceAnswer> {
  return sources.open({ url, headers: [], stallMs: 5000, ...more });
}

async function bytes(answer: SourceAnswer): Promise<string> {
  if (answer.type !== 'body') throw new Error('no body');
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('the http source', () => {
  it('learns length, validators and freshness from the one GET that brings the bytes', async () => {
    const seen: string[] = [];
    const base = await serve((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.writeHead(200, {
        etag: '"a"',
        'accept-ranges': 'bytes',
        'cache-control': 'max-age=60',
        'content-length': 5,
      });
      response.end('hello');
    });
    const answer = await ask(`${base}/f?x=1`);
    expect(answer).toMatchObject({
      type: 'body',
      start: 0,
      length: 5,
      freshForMs: 60_000,
      facts: { etag: '"a"', ranges: true },
    });
    expect(await bytes(answer)).toBe('hello');
    expect(seen).toEqual(['GET /f?x=1']);
  });

  it('gives an unknown length for a chunked body, and 0 for an empty one', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/empty') response.setHeader('content-length', 0).end();
      else response.write('ab', () => response.end('c'));
    });
    const chunked = await ask(`${base}/chunked`);
    expect(chunked).toMatchObject({ length: null });
    expect(await bytes(chunked)).toBe('abc');
    const empty = await ask(`${base}/empty`);
    expect(empty).toMatchObject({ length: 0 });
    expect(await bytes(empty)).toBe('');
  });

  it('asks for a range with If-Range and takes what the source makes of it', async () => {
    const base = await serve((request, response) => {
      expect(request.headers.range).toBe('bytes=2-3');
      if (request.headers['if-range'] === '"same"')
        response.writeHead(206, { 'content-range': 'bytes 2-3/5' }).end('ll');
      else response.writeHead(200, { 'content-length': 5 }).end('HELLO');
    });
    const range = { start: 2, end: 4 };
    const same = await ask(base, { range, ifRange: { etag: '"same"', ranges: true } });
    expect(same).toMatchObject({ start: 2, length: 5 });
    expect(await bytes(same)).toBe('ll');
    expect(await ask(base, { range, ifRange: { etag: '"old"', ranges: true } })).toMatchObject({ start: 0, length: 5 });
  });

  it('does not take a part of another content from a source that heeds no If-Range', async () => {
    const base = await serve((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 2-3/5', etag: 'W/"new"' }).end('ll');
    });
    const range = { start: 2, end: 4 };
    const fault = await faultOf(ask(base, { range, ifRange: { etag: 'W/"old"', ranges: true } }));
    expect(fault.code).toBe('source-changed');
    expect(await bytes(await ask(base, { range, ifRange: { etag: 'W/"new"', ranges: true } }))).toBe('ll');
  });

  it('says unchanged for a 304 and asks with both validators', async () => {
    const base = await serve((request, response) => {
      expect(request.headers['if-none-match']).toBe('"a"');
      expect(request.headers['if-modified-since']).toBe('Mon, 23 Nov 2026 00:00:00 GMT');
      response.writeHead(304, { etag: '"a"' }).end();
    });
    const facts = { etag: '"a"', lastModified: 'Mon, 23 Nov 2026 00:00:00 GMT', ranges: true };
    expect(await ask(base, { ifChanged: facts })).toMatchObject({ type: 'unchanged', facts });
  });

  it('drops credentials when a redirect leaves the origin, and keeps them within it', async () => {
    const seen: unknown[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie, request.headers['x-kept']);
      response.end('there');
    });
    const base = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(307, { location: request.url === '/a' ? '/b' : `${other}/c` }).end();
    });
    const headers = [
      ['Authorization', 'Bearer s'],
      ['Cookie', 'c=1'],
      ['X-Kept', 'yes'],
    ] as const;
    expect(await bytes(await ask(`${base}/a`, { headers }))).toBe('there');
    expect(seen).toEqual(['Bearer s', 'Bearer s', undefined, undefined, 'yes']);
  });

  it('turns user and password of the URL into Basic, and shows them in no fault', async () => {
    let authorization: string | undefined;
    const base = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(404).end();
    });
    const fault = await faultOf(ask(`${base.replace('//', '//us%40er:pa%3Ass@')}/f?token=secret`));
    expect(authorization).toBe(`Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`);
    expect(fault.message).not.toMatch(/pass|pa%3A|us%40|secret/);
  });

  it('passes repeated headers on, and a Range of the caller is the content', async () => {
    let header: string[] = [];
    const base = await serve((request, response) => {
      header = request.rawHeaders;
      response.writeHead(206, { 'content-range': 'bytes 3-5/10', 'content-length': 3 }).end('def');
    });
    const headers = [
      ['X-A', '1'],
      ['X-A', '2'],
      ['Range', 'bytes=3-5'],
    ] as const;
    const answer = await ask(base, { headers });
    expect(answer).toMatchObject({ start: 0, length: 3, facts: { ranges: false } });
    expect(header.filter((_, i, all) => i % 2 === 1 && all[i - 1] === 'X-A')).toEqual(['1', '2']);
  });

  it.each([
    [401, 'source-refused'],
    [404, 'source-refused'],
    [429, 'source-unreachable'],
    [503, 'source-unreachable'],
    [304, 'source-refused'],
  ] as const)('names a %i as %s with its status', async (status, code) => {
    const base = await serve((_request, response) => response.writeHead(status).end());
    expect(await faultOf(ask(base))).toMatchObject({ code, sourceStatus: status });
  });

  it('gives up on a ring of redirects and on one to another scheme', async () => {
    const base = await serve((request, response) => {
      response.writeHead(302, { location: request.url === '/ring' ? '/ring' : 'ftp://elsewhere/x' }).end();
    });
    expect((await faultOf(ask(`${base}/ring`))).message).toContain('more than 10');
    expect((await faultOf(ask(`${base}/ftp`))).code).toBe('source-refused');
  });

  it.each([
    ['ends early', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'end', 'source-lied'],
    ['is reset', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'reset', 'source-lied'],
    ['stalls', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'hang', 'source-unreachable'],
    ['is cut in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab', 'end', 'source-unreachable'],
  ] as const)('faults when the body %s', async (_title, text, then, code: FaultCode) => {
    const base = await raw(text, then);
    expect((await faultOf(ask(base, { stallMs: 300 }).then(bytes))).code).toBe(code);
  });

  it('faults on another range than asked, on a stalled head, on a refused connection and on an unknown scheme', async () => {
    const base = await raw(
      'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/5\r\nContent-Length: 3\r\n\r\nabc',
      'hang',
    );
    expect((await faultOf(ask(base, { range: { start: 2 } }))).code).toBe('source-lied');
    expect((await faultOf(ask(await raw('', 'hang'), { stallMs: 300 }))).code).toBe('source-unreachable');
    expect((await faultOf(ask('http://127.0.0.1:1/f'))).code).toBe('source-unreachable');
    expect((await faultOf(ask('gopher://x/f'))).code).toBe('usage');
  });

  it('can be cancelled before and during the body', async () => {
    const base = await raw('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'hang');
    const abort = new AbortController();
    const answer = await ask(base, { signal: abort.signal });
    const work = faultOf(bytes(answer));
    abort.abort();
    expect((await work).code).toBe('cancelled');
    expect((await faultOf(ask(base, { signal: AbortSignal.abort() }))).code).toBe('cancelled');
  });
});
