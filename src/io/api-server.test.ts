import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { ApiServer } from './api-server.ts';
import { silentLog } from './log.ts';

let dir = '';
const open: ApiServer[] = [];

beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/api-`);
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
  rmSync(dir, { recursive: true });
});

function made(): ApiServer {
  const server = new ApiServer({ log: silentLog, bodyLimitBytes: 100 });
  open.push(server);
  server.app.get('/hello', async () => ({ hello: 'you' }));
  server.app.get('/refuse', async () => {
    throw new Fault('source-refused', 'the source answered 404', { sourceStatus: 404 });
  });
  server.app.get('/broken', async () => {
    throw new Error('secret detail');
  });
  server.app.post('/echo', async (request) => request.body);
  return server;
}

function overSocket(socketPath: string, path = '/hello'): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, (answer) => {
      answer.setEncoding('utf8').once('data', resolve);
    });
    asked.once('error', reject).end();
  });
}

describe('ApiServer', () => {
  it('answers values, faults with advice, and hides what broke', async () => {
    const server = made();
    const base = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
    expect(await (await fetch(`${base}/hello`)).json()).toEqual({ hello: 'you' });
    const refused = await fetch(`${base}/refuse`);
    expect(refused.status).toBe(502);
    expect(await refused.json()).toMatchObject({
      code: 'source-refused',
      sourceStatus: 404,
      advice: expect.stringContaining('URL'),
    });
    const broken = await fetch(`${base}/broken`);
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain('secret');
    expect((await fetch(`${base}/nothing?token=x`)).status).toBe(404);
  });

  it('refuses bodies that are too large or no JSON', async () => {
    const server = made();
    const base = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
    const post = (body: string) =>
      fetch(`${base}/echo`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    expect((await post('{"a":1}')).status).toBe(200);
    expect((await post('{"a":')).status).toBe(400);
    expect((await post(JSON.stringify('x'.repeat(200)))).status).toBe(400);
  });

  it.each([
    ['its own, in plain text', { origin: 'http://supernode:8002' }, 200],
    ['its own, its name in capitals', { origin: 'http://supernode:8002', host: 'SUPERNODE:8002' }, 200],
    ['its own behind a proxy with TLS', { origin: 'https://dragonfly.example', 'sec-fetch-site': 'same-origin' }, 200],
    ['another site', { origin: 'http://evil.example' }, 403],
    ['another port', { origin: 'http://supernode:3000' }, 403],
    ['nowhere that it names', { origin: 'null' }, 403],
    ['another site, says the browser', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a site next door, says the browser', { origin: 'http://supernode:8002', 'sec-fetch-site': 'same-site' }, 403],
    ['no page', {}, 200],
  ])('takes changes from a page of: %s', async (_, headers, status) => {
    const { app } = made();
    const ask = (method: 'GET' | 'POST', url: string) =>
      app.inject({ method, url, headers: { host: 'supernode:8002', ...headers } });
    const answer = await ask('POST', '/echo');
    expect(answer.statusCode).toBe(status);
    if (status === 403) expect(answer.json()).toMatchObject({ code: 'cross-site', advice: expect.any(String) });
    expect((await ask('GET', '/hello')).statusCode).toBe(200);
  });

  it('takes no body that a page may send without being asked whether it may', async () => {
    const { app } = made();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      for (const payload of ['', '{}']) {
        const headers = { 'content-type': type };
        expect((await app.inject({ method: 'POST', url: '/echo', headers, payload })).statusCode).toBe(400);
      }
  });

  it('says which path is too long for a socket', async () => {
    await expect(made().listenOnSocket(`${dir}/${'x'.repeat(110)}.sock`)).rejects.toMatchObject({ code: 'usage' });
  });

  it('listens on a socket of its user alone, replaces a dead one, and leaves a living one', async () => {
    const path = `${dir}/agent.sock`;
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    dead.unref();
    const living = made();
    await expect(living.listenOnSocket(path)).rejects.toMatchObject({ code: 'port-in-use' });
    await new Promise<void>((resolve) => dead.close(() => resolve()));
    const server = made();
    await server.listenOnSocket(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await overSocket(path)).toContain('you');
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('that takes no more connections has left its path to the next one, and ends what it answers', async () => {
    const path = `${dir}/agent.sock`;
    const server = made();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<string>();
    server.app.get('/slow', () => {
      asked.resolve();
      return answer.promise;
    });
    await server.listenOnSocket(path);
    const said = overSocket(path, '/slow');
    await asked.promise;
    server.stopListening();
    expect(existsSync(path)).toBe(false);
    const next = made();
    await next.listenOnSocket(path);
    answer.resolve('in the end');
    expect(await said).toBe('in the end');
    await server.close();
    expect(await overSocket(path)).toContain('you');
  });

  it('cuts an answer that does not come to its end', async () => {
    const path = `${dir}/agent.sock`;
    const server = made();
    const asked = Promise.withResolvers<void>();
    server.app.get('/endless', (_, reply) => {
      reply.hijack();
      asked.resolve();
    });
    await server.listenOnSocket(path);
    const ended = overSocket(path, '/endless').catch((error: NodeJS.ErrnoException) => error.code);
    await asked.promise;
    await server.close();
    expect(await ended).toBe('ECONNRESET');
  });

  it('says which port is in use', async () => {
    const port = await made().listen('127.0.0.1', 0);
    await expect(made().listen('127.0.0.1', port)).rejects.toMatchObject({ code: 'port-in-use' });
  });
});
