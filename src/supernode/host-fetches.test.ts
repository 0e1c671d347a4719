import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { cacheLab, filled, specOf } from './cache/cache.fixture.ts';
import type { Entry } from './cache/entry.ts';
import { Grants } from './grants.ts';
import { HostFetches } from './host-fetches.ts';
import { hostSession } from './host-session.fixture.ts';
import { Hosts } from './hosts.ts';

function idOf(name: string): HostId {
  const id = parseHostId(name);
  if (id === undefined) throw new Error('no id');
  return id;
}

const ONE = idOf('one');
const SPEC = specOf('http://user:word@source.example/a?x=1', {
  headers: [
    ['Authorization', 'Bearer hush'],
    ['Range', 'bytes=0-9'],
  ],
  cacerts: ['PEM'],
});

async function lab(limit = 10) {
  const base = cacheLab();
  base.source.serve(SPEC.url, { bytes: bytesOf(300_000), etag: '"a"' });
  const { entry } = await filled(base, SPEC);
  const hosts = new Hosts({ id: idOf('seed'), ip: '10.0.0.1', port: 1 });
  const said: SupernodeMessage[] = [];
  const send = (message: SupernodeMessage) => void said.push(message);
  const session = hostSession({ send });
  const site = { idc: '', location: '', machine: '' };
  const description = { id: ONE, name: 'one', ip: '10.0.0.2', port: 1, site, version: '1', uploads: true };
  hosts.add({
    ...{ description, address: description, session, joinedAt: 0, isolated: undefined },
    ...{ offers: new Map(), swarms: new Map(), manifests: new Set(), gives: new Map() },
  });
  let grantNames = 0;
  const grants = new Grants(() => `grant-${grantNames++}`);
  const fetches = new HostFetches({ hosts, grants, limit, silenceMs: 1000 });
  return { entry, hosts, said, grants, fetches };
}

function order(entry: Entry, more: { signal?: AbortSignal; onProgress?: (done: number) => void; host?: HostId } = {}) {
  const { signal = new AbortController().signal, onProgress = () => undefined, host = ONE } = more;
  return { host, entry, spec: SPEC, signal, onProgress };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a host that is told to fetch', () => {
  test('gets the content’s name and a grant, and nothing that a source wants to know', async () => {
    const { entry, said, grants, fetches } = await lab();
    const done: number[] = [];
    const fetched = fetches.run(order(entry, { onProgress: (bytes) => done.push(bytes) }));
    expect(said).toEqual([
      {
        type: 'fetch',
        fetch: 1,
        task: entry.task,
        grant: 'grant-0',
        spec: { url: 'http://source.example/a?x=1', filter: [], headers: [['Range', 'bytes=0-9']] },
      },
    ]);
    expect(grants.find('grant-0', ONE, entry.task)).toBe(entry);
    expect(grants.find('grant-0', idOf('two'), entry.task)).toBeUndefined();
    fetches.heard(ONE, { type: 'fetching', fetch: 1, done: 5, length: 9 });
    fetches.heard(idOf('two'), { type: 'fetched', fetch: 1 });
    fetches.heard(ONE, { type: 'fetched', fetch: 1 });
    await fetched;
    expect(done).toEqual([5]);
    expect([grants.count, fetches.count]).toEqual([0, 0]);
  });

  test('fails with its own words, by leaving, by silence, or when it is not here', async () => {
    vi.useFakeTimers();
    const { entry, grants, fetches } = await lab();
    const ends = [1, 2, 3].map(() => fetches.run(order(entry)).catch((error: unknown) => Fault.of(error).code));
    fetches.heard(ONE, { type: 'fetched', fetch: 1, fault: { code: 'no-space', message: 'full' } });
    vi.advanceTimersByTime(900);
    fetches.heard(ONE, { type: 'fetching', fetch: 3, done: 0, length: null });
    vi.advanceTimersByTime(200);
    fetches.hostLeft(ONE);
    expect(await Promise.all(ends)).toEqual(['no-space', 'timeout', 'not-found']);
    await expect(fetches.run(order(entry, { host: idOf('two') }))).rejects.toMatchObject({ code: 'not-found' });
    expect([grants.count, fetches.count]).toEqual([0, 0]);
  });

  test('is told to stop when nobody wants it any more', async () => {
    const { entry, said, fetches } = await lab();
    const stop = new AbortController();
    const fetched = fetches.run(order(entry, { signal: stop.signal }));
    stop.abort();
    await expect(fetched).rejects.toMatchObject({ code: 'cancelled' });
    expect(said.at(-1)).toEqual({ type: 'stop-fetch', fetch: 1 });
  });
});

test('only so many run at once; the others wait in line', async () => {
  const { entry, said, fetches } = await lab(2);
  const all = [1, 2, 3].map(() => fetches.run(order(entry)));
  expect(said).toHaveLength(2);
  fetches.heard(ONE, { type: 'fetched', fetch: 1 });
  await all[0];
  await vi.waitFor(() => expect(said).toHaveLength(3));
  for (const fetch of [2, 3]) fetches.heard(ONE, { type: 'fetched', fetch });
  await Promise.all(all);
});
