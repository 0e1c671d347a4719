/** What clients, and those who only play one, put on the wire: byte for byte. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { World } from './daemon.fixture.ts';

// A loaded machine is slow, not wrong.
vi.setConfig({ testTimeout: 60_000 });

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

/** All that comes back until the end of the connection. */
async function exchange(text: string, then?: { readonly after: string; readonly text: string }): Promise<string> {
  const socket = connect(world.daemon.port, '127.0.0.1');
  socket.setEncoding('latin1');
  let heard = '';
  let said = false;
  socket.on('data', (part: string) => {
    heard += part;
    if (then === undefined || said || !heard.includes(then.after)) return;
    said = true;
    socket.write(then.text);
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return heard;
}

const HEAD = 'Host: x\r\nConnection: close\r\n';

test.each([
  ['two lengths', `POST /v2/a HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
  [
    'a length and chunks',
    `POST /v2/a HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['a folded line', `GET /v2/a HTTP/1.1\r\n${HEAD}X: a\r\n b\r\n\r\n`],
  ['a space before the colon', `GET /v2/a HTTP/1.1\r\n${HEAD}X : a\r\n\r\n`],
  ['no host', 'GET /v2/a HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['no request at all', 'hello\r\n\r\n'],
])('%s are a bad request, and never reach the registry', async (_, text) => {
  const before = world.registry.seen.length;
  expect(await exchange(text)).toMatch(/^HTTP\/1\.1 400 /);
  expect(world.registry.seen).toHaveLength(before);
});

test('headers without end are refused by name', async () => {
  const lines = 'X-Long: '.padEnd(70_000, 'a');
  expect(await exchange(`GET /v2/a HTTP/1.1\r\n${HEAD}${lines}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
});

test('the target of an absolute request counts, and not what Host says', async () => {
  const { host } = world.registry;
  await exchange(`GET http://${host}/v2/a HTTP/1.1\r\n${HEAD}\r\n`);
  const { lines = [] } = world.registry.seen.at(-1) ?? {};
  expect(lines.filter((_, at) => lines[at - 1] === 'Host')).toEqual([host]);
});

test('requests that come at once are answered in their order', async () => {
  const get = (path: string, end = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${end}\r\n`;
  const heard = await exchange(get('/v2/one') + get('/v2/two') + get('/v2/three', 'Connection: close\r\n'));
  expect([...heard.matchAll(/"url":"([^"]+)"/g)].map(([, url]) => url)).toEqual(['/v2/one', '/v2/two', '/v2/three']);
});

test('a body that waits for 100-continue is sent when the registry wants it', async () => {
  const ask = `PUT /v2/a HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`;
  const heard = await exchange(ask, { after: '100 Continue', text: 'body' });
  expect(heard).toContain('HTTP/1.1 100 Continue');
  expect(heard).toContain('"bytes":4');
});

test('an upgrade is not taken part in: the request goes on as a plain one', async () => {
  const heard = await exchange(
    `GET /v2/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
  );
  expect(heard).toMatch(/^HTTP\/1\.1 200 /);
  expect(world.registry.seen.at(-1)?.lines).not.toContain('Upgrade');
});

test('a client of HTTP/1.0 gets its answer, ended by the connection', async () => {
  const heard = await exchange('GET /v2/a HTTP/1.0\r\n\r\n');
  expect(heard).toMatch(/^HTTP\/1\.1 200 /);
  expect(heard).toContain('"url":"/v2/a"');
});
