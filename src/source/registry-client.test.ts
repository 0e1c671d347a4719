import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeImage } from '../../test/support/image.ts';
import { Registry } from '../../test/support/registry.ts';
import { TokenServer } from '../../test/support/registry-tokens.ts';
import { ManualClock } from '../base/clock.ts';
import { parseImageReference } from '../protocol/oci/image-reference.ts';
import { RegistryClient } from './registry-client.ts';

const IMAGE = makeImage({ layers: [1000] });
const BASIC = `Basic ${Buffer.from('ann:secret').toString('base64')}`;

let clock: ManualClock;
let client: RegistryClient;
const closing: { close(): Promise<void> }[] = [];
beforeEach(() => {
  clock = new ManualClock();
  client = new RegistryClient(clock);
  closing.push(client);
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close()));
});

async function registry(options: Parameters<typeof Registry.start>[0] = {}): Promise<Registry> {
  const made = await Registry.start(options);
  closing.push(made);
  made.add('team/app', 'v1', IMAGE);
  return made;
}

async function tokenServer(): Promise<TokenServer> {
  const tokens = await TokenServer.start({ users: { ann: 'secret' } });
  closing.push(tokens);
  return tokens;
}

function imageAt({ host }: Registry, rest = 'team/app:v1') {
  const image = parseImageReference(`${host}/${rest}`);
  if (image === undefined) throw new Error('no image');
  return image;
}

describe('a manifest', () => {
  test('comes as its registry has it, and is proved where it is asked for by its digest', async () => {
    const open = await registry();
    const repository = client.open(imageAt(open), { headers: [] });
    const { text, mediaType, digest } = await repository.manifest();
    expect({ text, mediaType, digest }).toEqual({
      text: IMAGE.root.bytes.toString('utf8'),
      mediaType: IMAGE.root.mediaType,
      digest: IMAGE.root.digest,
    });
    expect((await repository.manifest(IMAGE.root.digest)).digest).toBe(digest);
    expect(await repository.blobHeaders()).toEqual([]);
  });

  test('that is not there, or of a registry that fails, is the source’s fault', async () => {
    const open = await registry();
    const missing = client.open(imageAt(open, 'team/app:v9'), { headers: [] });
    await expect(missing.manifest()).rejects.toMatchObject({ code: 'source-refused', sourceStatus: 404 });
    open.refuseManifest('team/app:v1', { status: 503 });
    const failing = client.open(imageAt(open), { headers: [] });
    await expect(failing.manifest()).rejects.toMatchObject({ code: 'source-unreachable', sourceStatus: 503 });
  });
});

describe('a registry that wants a token', () => {
  test('gets one for all blobs of a repository, and a new one before it expires', async () => {
    const tokens = await tokenServer();
    const image = imageAt(await registry({ auth: { type: 'bearer', tokens } }));
    const access = { headers: [['Authorization', BASIC] as const] };
    const repository = client.open(image, access);
    await repository.manifest();
    const all = await Promise.all(Array.from({ length: 20 }, () => repository.blobHeaders()));
    expect(new Set(all.map((headers) => JSON.stringify(headers))).size).toBe(1);
    expect(all[0]?.[0]?.[1]).toMatch(/^Bearer /);
    expect(tokens.given).toMatchObject([{ user: 'ann', scope: 'repository:team/app:pull' }]);
    clock.advance(295_000);
    await repository.blobHeaders();
    expect(tokens.given).toHaveLength(2);
  });

  test('refuses who has no login, and a token that was brought along is sent as it is', async () => {
    const tokens = await tokenServer();
    const image = imageAt(await registry({ auth: { type: 'bearer', tokens } }));
    await expect(client.open(image, { headers: [] }).manifest()).rejects.toMatchObject({ code: 'source-refused' });
    const stale = client.open(image, { headers: [['Authorization', 'Bearer old']] });
    await expect(stale.manifest()).rejects.toMatchObject({ code: 'source-refused', sourceStatus: 401 });
    expect(tokens.given).toEqual([]);
  });
});

test('a registry that wants Basic gets it, and one that wants nothing is not told the password', async () => {
  const basic = await registry({ auth: { type: 'basic', user: 'ann', password: 'secret' } });
  const credential = { username: 'ann', password: 'secret' };
  const repository = client.open(imageAt(basic), { headers: [], credential });
  expect((await repository.manifest()).digest).toBe(IMAGE.root.digest);
  expect(await repository.blobHeaders()).toEqual([['authorization', BASIC]]);
  const open = await registry();
  await client.open(imageAt(open), { headers: [], credential }).manifest();
  expect(open.log.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});
