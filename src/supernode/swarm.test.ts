import { describe, expect, test } from 'vitest';
import { parseHostId } from '../protocol/ids.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { cacheLab, filled, specOf } from './cache/cache.fixture.ts';
import { hostSession } from './host-session.fixture.ts';
import type { HostRecord } from './hosts.ts';
import { idOf } from './memory.fixture.ts';
import { SeedPeer } from './seed-peer.ts';
import { Swarm } from './swarm.ts';

const URL = 'http://source.example/a';

function record(name: string): HostRecord {
  const id = parseHostId(name);
  if (id === undefined) throw new Error('no id');
  const site = { idc: '', location: '', machine: '' };
  const description = { id, name, ip: '10.0.0.2', port: 1, site, version: '1', uploads: true };
  const session = hostSession({});
  return {
    ...{ description, address: description, session, joinedAt: 0, isolated: undefined },
    ...{ offers: new Map(), swarms: new Map(), manifests: new Set(), gives: new Map() },
  };
}

/** The cache has room for one content and a half. */
async function lab() {
  const base = cacheLab({ marks: { maxBytes: 450_000 } });
  base.source.serve(URL, { bytes: bytesOf(300_000), etag: '"a"' });
  base.source.serve(`${URL}b`, { bytes: bytesOf(300_000, 2), etag: '"b"' });
  const { entry } = await filled(base, specOf(URL));
  const more = () =>
    filled(base, specOf(`${URL}b`)).then(
      () => 'there was room',
      ({ code }) => code as string,
    );
  const loop = { handle: () => undefined, decideNow: () => undefined };
  const seed = new SeedPeer(entry.shape, { loop, host: idOf('seed'), content: entry.id });
  return { ...base, entry, swarm: new Swarm(entry, seed, 0), more };
}

describe('a content that somebody downloads', () => {
  test('is not evicted before the last download of it ends', async () => {
    const { swarm, more, store, entry, clock } = await lab();
    const [one, two] = [record('one'), record('two')];
    for (const host of [one, two]) swarm.enter(host, true);
    swarm.enter(one, true);
    clock.advance(60_000);
    expect(await more()).toBe('no-space');
    swarm.enter(one, false);
    expect(swarm.wanted).toBe(true);
    expect(await more()).toBe('no-space');
    swarm.leave(two);
    expect(swarm.wanted).toBe(false);
    expect(await more()).toBe('there was room');
    expect(store.find(entry.id)).toBeUndefined();
  });

  test('stays in use when it is opened anew under the download', async () => {
    const { swarm, more, cache, entry, clock, open } = await lab();
    const one = record('one');
    swarm.enter(one, true);
    cache.forget(entry.id);
    const again = await open(specOf(URL));
    expect(again.entry).not.toBe(entry);
    swarm.renew(again.entry);
    clock.advance(60_000);
    expect(await more()).toBe('no-space');
    swarm.leave(one);
    swarm.leave(one);
    expect(await more()).toBe('there was room');
  });
});

test('who leaves is remembered nowhere', async () => {
  const { swarm, entry } = await lab();
  const one = record('one');
  swarm.enter(one, false);
  one.manifests.add(entry.id);
  expect(one.swarms.get(entry.id)).toBe(false);
  swarm.leave(one);
  expect([one.swarms.size, one.manifests.size, swarm.hosts.size]).toEqual([0, 0, 0]);
});
