import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeAuthority, readAuthority } from './ca/authority.ts';
import { LeafCache } from './ca/leaf-cache.ts';
import { type Answer, ask, started, type World } from './daemon.fixture.ts';
import { digestOf, FakeRegistry } from './registry.fixture.ts';

// A loaded machine is slow, not wrong.
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const world = async (settings?: Readonly<Record<string, unknown>>): Promise<World> => (await started(settings)).world;

const proxied = (one: World, url: string, headers = {}) =>
  ask({ host: '127.0.0.1', port: one.daemon.port, path: url, headers });

describe('as a proxy', () => {
  test('blobs travel P2P, other URLs only where a rule says so', async () => {
    const one = await world({ PROXIES: [{ regx: '/models/' }, { regx: '/plain/', direct: true }] });
    const { registry } = one;
    const blob = randomBytes(300_000);
    const url = `http://${registry.host}/v2/r/blobs/${registry.addBlob(blob)}`;
    for (let time = 0; time < 2; time++) expect((await proxied(one, url)).body.equals(blob)).toBe(true);
    expect(registry.count('GET', '/v2/r/blobs')).toBe(1);
    registry.files.set('/models/m.bin', blob);
    registry.files.set('/plain/m.bin', blob);
    for (let time = 0; time < 2; time++)
      for (const path of ['/models/m.bin', '/plain/m.bin'])
        expect((await proxied(one, `http://${registry.host}${path}`)).body.equals(blob)).toBe(true);
    expect([registry.count('GET', '/models/'), registry.count('GET', '/plain/')]).toEqual([1, 2]);
  });

  test('a file that changed at its source is not given as it was', async () => {
    const one = await world({ PROXIES: [{ regx: '/models/' }] });
    const { registry } = one;
    const [before, after] = [randomBytes(200_000), randomBytes(200_000)];
    const url = `http://${registry.host}/models/m.bin`;
    registry.files.set('/models/m.bin', before);
    expect((await proxied(one, url, { Cookie: 'a=1' })).body.equals(before)).toBe(true);
    registry.files.set('/models/m.bin', after);
    expect((await proxied(one, url, { Cookie: 'a=2' })).body.equals(after)).toBe(true);
  });

  test('of many requests for one token the auth server sees one, and each credential has its own', async () => {
    const one = await world();
    const { registry } = one;
    registry.accepted.set('secret', new Set(['Bearer t']));
    registry.challenge = `Bearer realm="http://${registry.host}/token",service="s",scope="repository:secret:pull"`;
    const blob = `http://${registry.host}/v2/secret/manifests/v1`;
    expect((await proxied(one, blob)).headers['www-authenticate']).toBe(registry.challenge);
    const token = `http://${registry.host}/token?service=s&scope=repository%3Asecret%3Apull`;
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => proxied(one, token, { Authorization: 'Basic a' })),
    );
    expect(answers.every(({ body }) => JSON.parse(body.toString()).token === 'for-Basic-a')).toBe(true);
    expect(registry.count('GET', '/token')).toBe(1);
    const other = await proxied(one, token, { Authorization: 'Basic b' });
    expect(JSON.parse(other.body.toString())).toMatchObject({ token: 'for-Basic-b' });
    expect(registry.count('GET', '/token')).toBe(2);
    const form = Buffer.from('grant_type=password&username=u&password=p');
    const post = () =>
      ask(
        {
          host: '127.0.0.1',
          port: one.daemon.port,
          path: token,
          method: 'POST',
          headers: { 'Content-Length': form.length },
        },
        [form],
      );
    const posted = await Promise.all(Array.from({ length: 20 }, post));
    expect(posted.every(({ status }) => status === 200)).toBe(true);
    expect(registry.count('POST', '/token')).toBe(1);
  });

  test('it does not proxy to itself, to metadata addresses, or for its own requests', async () => {
    const one = await world();
    const refused = async (url: string, headers = {}) => (await proxied(one, url, headers)).status;
    expect(await refused(`http://127.0.0.1:${one.daemon.port}/v2/`)).toBe(403);
    expect(await refused(`http://localhost:${one.daemon.port}/v2/`)).toBe(403);
    expect(await refused('http://169.254.169.254/latest/meta-data/')).toBe(403);
    await proxied(one, `http://${one.registry.host}/x`);
    const lines = one.registry.seen.at(-1)?.lines ?? [];
    const via = lines[lines.indexOf('Via') + 1] ?? '';
    expect(await refused(`http://${one.registry.host}/x`, { Via: via })).toBe(403);
  });

  test('only listed hosts and ports are targets, where there is a list', async () => {
    const one = await world({ TARGET_HOSTS: ['^registry\\.lan$'] });
    expect((await proxied(one, `http://${one.registry.host}/x`)).status).toBe(403);
  });

  test('a target that is not there is a 502 that says so', async () => {
    const one = await world();
    const answer = await proxied(one, 'http://127.0.0.1:1/x');
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining('cannot reach 127.0.0.1:1')]);
  });
});

describe('CONNECT', () => {
  let server: Server;
  let ca: string;
  let folder: string;
  let seen: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dfd-tls-'));
    const pair = await makeAuthority();
    ca = join(folder, 'upstream.crt');
    seen = [];
    await import('node:fs').then(({ writeFileSync }) => writeFileSync(ca, pair.certificates));
    const leaves = new LeafCache(await readAuthority(pair, 'test'));
    const blob = Buffer.alloc(MIB, 'x');
    server = createTlsServer(
      { SNICallback: (name, done) => void leaves.secureContextFor(name).then((context) => done(null, context)) },
      (request, response) => {
        seen.push(`${request.method} ${request.url}`);
        const isBlob = request.url === `/v2/r/blobs/${digestOf(blob)}`;
        response.writeHead(200, { 'Content-Length': isBlob ? blob.length : 2 });
        response.end(request.method === 'HEAD' ? undefined : isBlob ? blob : 'hi');
      },
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(folder, { recursive: true });
    });
  });

  /** Through the proxy to localhost, trusting `trusted`. */
  async function through(one: World, path: string, trusted: string): Promise<Answer & { issuer: string }> {
    const { port } = server.address() as AddressInfo;
    const tunnel = httpRequest({
      host: '127.0.0.1',
      port: one.daemon.port,
      method: 'CONNECT',
      path: `localhost:${port}`,
    });
    tunnel.end();
    const [answer, socket] = (await once(tunnel, 'connect')) as [IncomingMessage, Socket];
    expect(answer.statusCode).toBe(200);
    const secure = connectTls({
      socket,
      servername: 'localhost',
      ca: readFileSync(trusted, 'utf8'),
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(secure, 'secureConnect');
    const issuer = String(secure.getPeerCertificate().issuer.CN);
    const got = await ask({ createConnection: () => secure, path, headers: { Host: `localhost:${port}` } });
    return { ...got, issuer };
  }

  test('is a tunnel where the host is not one to intercept', async () => {
    const one = await world({ HIJACK_HTTPS: { hosts: [{ regx: '^other' }] } });
    expect((await through(one, '/hello', ca)).body.toString()).toBe('hi');
    expect(seen).toEqual(['GET /hello']);
  });

  test('is intercepted where it is: blobs travel P2P, and the target is trusted as configured', async () => {
    const one = await world({ HIJACK_HTTPS: { hosts: [{ regx: '^localhost:', certs: [ca] }] } });
    const own = join(one.folder, 'home', 'ca', 'ca.crt');
    expect((await through(one, '/hello', own)).body.toString()).toBe('hi');
    const path = `/v2/r/blobs/${digestOf(Buffer.alloc(MIB, 'x'))}`;
    for (let time = 0; time < 2; time++) expect((await through(one, path, own)).body.length).toBe(MIB);
    expect(seen.filter((line) => line === `GET ${path}`)).toHaveLength(1);
  });

  test('to a target whose certificate nobody trusts is a 502, not a tunnel to anybody', async () => {
    const one = await world({ HIJACK_HTTPS: { hosts: [{ regx: '^localhost:' }] } });
    const answer = await through(one, '/hello', join(one.folder, 'home', 'ca', 'ca.crt'));
    expect([answer.status, seen]).toEqual([502, []]);
  });

  test.each(['169.254.169.254:80', '127.0.0.1:0', 'nonsense'])('to %s is refused', async (target) => {
    const one = await world();
    const tunnel = httpRequest({ host: '127.0.0.1', port: one.daemon.port, method: 'CONNECT', path: target });
    tunnel.end();
    const [answer] = (await once(tunnel, 'connect')) as [IncomingMessage];
    expect(answer.statusCode).toBe(403);
  });
});

test('the registry of another world stays apart', async () => {
  const other = await new FakeRegistry().start();
  closing.push(() => other.close());
  const one = await world({ REGISTRIES: [{ host: 'lan', remote: `http://${other.host}`, direct: true }] });
  const blob = randomBytes(1000);
  const path = `/v2/lan/r/blobs/${other.addBlob(blob)}`;
  for (let time = 0; time < 2; time++) expect((await one.get(path)).body.equals(blob)).toBe(true);
  expect(other.count('GET', '/v2/r/blobs')).toBe(2);
});
