/** The ways to an http source: through proxies, with authorities of the caller's own, over IPv6, with odd bodies. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, readAuthority } from '../dfdaemon/ca/authority.ts';
import { LeafCache } from '../dfdaemon/ca/leaf-cache.ts';
import { Fault } from '../protocol/faults.ts';
import type { SourceAnswer, SourceRequest } from './source.ts';
import { createSources } from './sources.ts';

const closing: (() => Promise<unknown>)[] = [];
afterAll(() => Promise.all(closing.map((close) => close())));

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function sourcesWith(env: Record<string, string> = {}) {
  const sources = createSources({ wallNow: Date.now, env });
  closing.push(() => sources.close());
  return sources;
}

const ask = (url: string, more: Partial<SourceRequest> = {}) => ({ url, headers: [], stallMs: 5_000, ...more });

async function bytes(answer: SourceAnswer): Promise<Buffer> {
  if (answer.type !== 'body') throw new Error('no body');
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts);
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error('it did not fail with a Fault', { cause: error });
}

/** A secure server that only those trust who trust its authority; its PEM comes along. */
async function secureServer(text: string): Promise<{ url: string; pem: string }> {
  const pair = await makeAuthority({ commonName: text });
  const leaves = new LeafCache(await readAuthority(pair, 'test'));
  const server = createSecureServer(
    { SNICallback: (_, done) => leaves.secureContextFor('localhost').then((context) => done(null, context), done) },
    (_, response) => response.end(text),
  );
  const port = await listen(server as unknown as Server);
  return { url: `https://localhost:${port}/`, pem: pair.certificates };
}

describe('the certificate of a source', () => {
  let one: Awaited<ReturnType<typeof secureServer>>;
  let other: Awaited<ReturnType<typeof secureServer>>;
  beforeAll(async () => {
    [one, other] = [await secureServer('one'), await secureServer('other')];
  });

  it('is trusted by the request that brings its authority, and by no other to the same host', async () => {
    const sources = sourcesWith();
    const trusting = ask(one.url, { cacerts: [other.pem, one.pem] });
    expect((await bytes(await sources.open(trusting))).toString()).toBe('one');
    expect((await faultOf(sources.open(ask(one.url)))).code).toBe('source-unreachable');
    expect((await faultOf(sources.open(ask(one.url, { cacerts: [other.pem] })))).code).toBe('source-unreachable');
    expect((await bytes(await sources.open(trusting))).toString()).toBe('one');
  });

  it('is not looked at by the request that asks for it, and is by the next', async () => {
    const sources = sourcesWith();
    expect((await bytes(await sources.open(ask(other.url, { insecure: true })))).toString()).toBe('other');
    expect((await faultOf(sources.open(ask(other.url)))).code).toBe('source-unreachable');
  });

  it('is looked at behind a proxy, too', async () => {
    const proxy = await startProxy();
    const sources = sourcesWith({ HTTPS_PROXY: proxy.url });
    expect((await bytes(await sources.open(ask(one.url, { cacerts: [one.pem] })))).toString()).toBe('one');
    expect((await faultOf(sources.open(ask(one.url)))).code).toBe('source-unreachable');
    expect(proxy.seen).toContain(`CONNECT ${new URL(one.url).host}`);
  });
});

/** A forward proxy that writes down what it is asked. */
async function startProxy(): Promise<{ url: string; seen: string[]; authorization: () => string | undefined }> {
  const seen: string[] = [];
  let authorization: string | undefined;
  const server = createServer((incoming: IncomingMessage, response) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    authorization = incoming.headers['proxy-authorization'];
    const onward = request(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end();
  });
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    seen.push(`CONNECT ${incoming.url}`);
    const { hostname, port } = new URL(`http://${incoming.url}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [onward, socket]) end.on('error', () => [onward.destroy(), socket.destroy()]);
    closing.push(async () => [onward.destroy(), socket.destroy()]);
  });
  const port = await listen(server);
  return { url: `http://user:pw@127.0.0.1:${port}`, seen, authorization: () => authorization };
}

describe('a proxy of the environment', () => {
  it('is asked for http sources, with its own credentials, but not for those that NO_PROXY names', async () => {
    const port = await listen(createServer((_, response) => response.end('through')));
    const proxy = await startProxy();
    const url = `http://127.0.0.1:${port}/f`;
    const through = sourcesWith({ HTTP_PROXY: proxy.url, NO_PROXY: 'example.com' });
    expect((await bytes(await through.open(ask(url)))).toString()).toBe('through');
    expect(proxy.seen).toEqual([`GET ${url}`]);
    expect(proxy.authorization()).toBe(`Basic ${Buffer.from('user:pw').toString('base64')}`);
    const around = sourcesWith({ http_proxy: proxy.url, no_proxy: '127.0.0.1' });
    expect((await bytes(await around.open(ask(url)))).toString()).toBe('through');
    expect(proxy.seen).toHaveLength(1);
  });

  it('that is not there is the fault, without its password', async () => {
    const fault = await faultOf(
      sourcesWith({ HTTP_PROXY: 'http://u:secret@127.0.0.1:1' }).open(ask('http://127.0.0.2:9/')),
    );
    expect(fault.code).toBe('source-unreachable');
    expect(fault.message).not.toContain('secret');
  });
});

describe('a body', () => {
  it('that comes compressed is left as it is', async () => {
    const packed = gzipSync('hello');
    let encoding: unknown;
    const port = await listen(
      createServer((incoming, response) => {
        encoding = incoming.headers['accept-encoding'];
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
      }),
    );
    const answer = await sourcesWith().open(ask(`http://127.0.0.1:${port}/`));
    expect(answer).toMatchObject({ length: packed.length });
    expect((await bytes(answer)).equals(packed)).toBe(true);
    expect(encoding).toBeUndefined();
  });

  it('comes over IPv6', async () => {
    const port = await listen(
      createServer((_, response) => response.end('six')),
      '::1',
    );
    expect((await bytes(await sourcesWith().open(ask(`http://[::1]:${port}/`)))).toString()).toBe('six');
  });

  it('that is empty answers a range with 416, and is no fault', async () => {
    const port = await listen(
      createServer((_, response) => response.writeHead(416, { 'content-range': 'bytes */0' }).end()),
    );
    const answer = await sourcesWith().open(ask(`http://127.0.0.1:${port}/`, { range: { start: 0, end: 10 } }));
    expect(answer).toMatchObject({ start: 0, length: 0 });
    expect(await bytes(answer)).toHaveLength(0);
  });
});

describe('a busy source', () => {
  it('says when it may be asked again, and credentials of any name stay with the origin that they were for', async () => {
    let seen: IncomingMessage['headers'] = {};
    const elsewhere = await listen(
      createServer((incoming, response) => {
        seen = incoming.headers;
        response.writeHead(503, { 'retry-after': '7' }).end('x'.repeat(1000));
      }),
    );
    const port = await listen(
      createServer((_, response) => response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/` }).end()),
    );
    const headers = [
      ['PRIVATE-TOKEN', 's'],
      ['X-Api-Key', 's'],
      ['X-JFrog-Art-Api', 's'],
      ['X-Trace', 't'],
    ] as const;
    const fault = await faultOf(sourcesWith().open(ask(`http://localhost:${port}/`, { headers })));
    expect(fault).toMatchObject({ code: 'source-unreachable', sourceStatus: 503, retryAfterMs: 7_000 });
    expect(seen).toMatchObject({ 'x-trace': 't' });
    expect(Object.values(seen)).not.toContain('s');
  });
});
