/** Clients that ask the mirror about credentials before they say which registry they mean. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Image, makeImage } from '../../test/support/image.ts';
import { Registry, type RegistryAuth } from '../../test/support/registry.ts';
import { TokenServer } from '../../test/support/registry-tokens.ts';
import { type Answer, World } from './daemon.fixture.ts';

const USER = 'robin:secret';
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

let world: World;
let tokens: TokenServer;
const registries: Registry[] = [];
let image: Image;

/** A registry behind the mirror, known to it as `name`. */
async function registry(auth?: RegistryAuth): Promise<Registry> {
  const made = await Registry.start(auth === undefined ? {} : { auth });
  made.add('a/b', 'v1', image);
  registries.push(made);
  return made;
}

beforeEach(async () => {
  image = makeImage({ layers: [1000] });
  tokens = await TokenServer.start({ users: { robin: 'secret', '': '' } });
});
afterEach(async () => {
  await world.close();
  for (const one of registries.splice(0)) await one.close();
  await tokens.close();
});

async function startWith(hosts: Readonly<Record<string, Registry>>): Promise<void> {
  const list = Object.entries(hosts).map(([host, { url }]) => ({ host, remote: url }));
  world = await World.start({ REGISTRIES: list });
}

/** As podman does it: the question, a token for the image, then the image. */
async function manifest(path: string, authorization?: string): Promise<Answer> {
  const ping = await world.get('/v2/');
  const [, realm = ''] = /realm="([^"]+)"/.exec(ping.headers['www-authenticate'] ?? '') ?? [];
  expect([ping.status, new URL(realm).port]).toEqual([401, String(world.daemon.port)]);
  const scope = encodeURIComponent(`repository:${path}:pull`);
  const given = await world.get(
    `${new URL(realm).pathname}?service=dfdaemon&scope=${scope}`,
    authorization === undefined ? {} : { authorization },
  );
  if (given.status !== 200) return given;
  const { token } = JSON.parse(given.body.toString()) as { token: string };
  expect((await world.get('/v2/', { authorization: `Bearer ${token}` })).status).toBe(200);
  return world.get(`/v2/${path}/manifests/v1`, { authorization: `Bearer ${token}` });
}

describe('the mirror gives tokens', () => {
  test('of the registry that the image names, one for all that ask with the same credentials', async () => {
    await startWith({ 'closed.test': await registry({ type: 'bearer', tokens }) });
    const all = await Promise.all([1, 2, 3, 4, 5].map(() => manifest('closed.test/a/b', basic(USER))));
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(tokens.given).toEqual([{ scope: 'repository:a/b:pull', user: 'robin', method: 'GET' }]);
    expect((await manifest('closed.test/a/b', basic(':'))).status).toBe(200);
    expect(tokens.given.map(({ user }) => user)).toEqual(['robin', '']);
    expect((await manifest('closed.test/a/b', basic('robin:wrong'))).status).toBe(401);
  });

  test('that stand for Basic credentials where the registry wants those, and for none where it wants none', async () => {
    const auth = { type: 'basic', user: 'robin', password: 'secret' } as const;
    const [closed, open] = [await registry(auth), await registry()];
    await startWith({ 'basic.test': closed, 'open.test': open });
    expect((await manifest('basic.test/a/b', basic(USER))).status).toBe(200);
    expect((await manifest('basic.test/a/b', basic('robin:wrong'))).status).toBe(401);
    expect((await manifest('basic.test/a/b')).status).toBe(401);
    expect((await manifest('open.test/a/b', basic(USER))).status).toBe(200);
    expect(open.log.map(({ headers }) => headers.authorization)).toEqual(open.log.map(() => undefined));
  });

  test('without the credentials where the name of an image alone says which registry it is', async () => {
    const stranger = await registry({ type: 'bearer', tokens });
    await startWith({});
    expect((await manifest(`${stranger.host}/a/b`, basic(USER))).status).toBe(200);
    expect(tokens.given.map(({ user }) => user)).toEqual(['']);
  });

  test('never of a registry that the request names by a header or a query: that one is asked itself', async () => {
    const closed = await registry({ type: 'bearer', tokens });
    await startWith({ 'closed.test': closed });
    const ping = await world.get('/v2/?ns=closed.test');
    expect([ping.status, ping.headers['www-authenticate']]).toEqual([401, tokens.challenge('')]);
  });
});
