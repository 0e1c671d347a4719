import { afterEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../../io/api-server.ts';
import { silentLog } from '../../io/log.ts';
import type { HostListView, HostView } from '../../protocol/api-views.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import { censusOf, type SampleHost } from '../host-census.fixture.ts';
import { addHosts } from './hosts.ts';

const open: ApiServer[] = [];
afterEach(async () => {
  for (const api of open.splice(0)) await api.close();
});

function apiOf(samples: readonly SampleHost[]) {
  const api = new ApiServer({ log: silentLog });
  open.push(api);
  const orders: SchedulerEvent[] = [];
  addHosts(api.app, { ...censusOf(samples), order: (event) => void orders.push(event) });
  return { app: api.app, orders };
}

async function list(samples: readonly SampleHost[], query = ''): Promise<HostListView> {
  const answer = await apiOf(samples).app.inject(`/v1/hosts${query}`);
  expect(answer.statusCode).toBe(200);
  return answer.json();
}

const named = ({ hosts }: HostListView) => hosts.map((host: HostView) => (host.connected ? host.name : host.id));

const MIXED: readonly SampleHost[] = [
  { name: 'calm' },
  { name: 'quiet', silent: true },
  { name: 'slow', standing: { state: 'limited', score: 3 } },
  { name: 'back', standing: { state: 'probation' } },
  { name: 'bad', standing: { state: 'isolated', leftMs: 1_500, reason: 'peer-corrupt' } },
  { away: true, standing: { leftMs: null, reason: 'operator', note: 'Fans howl' } },
  { name: 'apart', standing: { excluded: ['x' as never] } },
  { name: 'also calm', ip: '10.9.9.9', idc: 'East' },
];

describe('the list of hosts', () => {
  it('is all of them, as before, when nothing is said', async () => {
    const all = await list(MIXED);
    expect(all.hosts).toHaveLength(8);
    expect(named(all)[0]).toBe('calm');
    expect(all.counts).toEqual({
      ...{ connected: 7, ok: 4, limited: 1, isolated: 1, probation: 1, silent: 1, excluding: 1, isolatedAway: 1 },
    });
    expect(all.hosts.find((host) => !host.connected)).toEqual({
      ...{ id: 'host-5', connected: false, state: 'isolated', score: 0, witnesses: 0 },
      ...{ reason: 'operator', note: 'Fans howl', secondsLeft: null },
    });
  });

  it('with a limit has those first that are in trouble, worse trouble before, then by name', async () => {
    const first = ['bad', 'host-5', 'back', 'slow', 'apart', 'quiet', 'also calm', 'calm'];
    expect(named(await list(MIXED, '?limit=100'))).toEqual(first);
    const few = await list(MIXED, '?limit=3');
    expect(named(few)).toEqual(first.slice(0, 3));
    expect(few.matched).toBe(8);
    expect(few.counts.connected).toBe(7);
  });

  it.each([
    ['state=isolated', ['bad', 'host-5']],
    ['state=silent', ['quiet']],
    ['state=excluding', ['apart']],
    ['search=CALM', ['also calm', 'calm']],
    ['search=10.9', ['also calm']],
    ['search=east', ['also calm']],
    ['search=howl', ['host-5']],
    ['search=host-2', ['slow']],
    ['search=calm&state=isolated', []],
  ])('is what was asked for: %s', async (query, names) => {
    const found = await list(MIXED, `?limit=10&${query}`);
    expect(named(found)).toEqual(names);
    expect(found.matched).toBe(names.length);
  });

  it.each(['limit=-1', 'limit=many', 'limit=10001', 'state=dead', `search=${'x'.repeat(201)}`])(
    'says what is wrong with %s',
    async (query) => {
      const answer = await apiOf([]).app.inject(`/v1/hosts?${query}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ code: 'usage' });
    },
  );

  it('is quick with ten thousand, of which two hundred are shown', async () => {
    const many = Array.from({ length: 10_000 }, (_, at) => ({ name: `h${(at * 7919) % 10_000}` }));
    const { app } = apiOf(many);
    const answer = await app.inject('/v1/hosts?limit=200');
    expect(answer.json().matched).toBe(10_000);
    expect(named(answer.json())).toEqual(
      many
        .map(({ name }) => name)
        .toSorted()
        .slice(0, 200),
    );
    expect(answer.body.length).toBeLessThan(100_000);
  });
});

describe('an order about a host', () => {
  it('is not taken from a page of another site, with or without a body', async () => {
    const { app, orders } = apiOf(MIXED);
    const url = '/v1/hosts/host-4/release';
    const forms = [
      { origin: 'http://evil.example' },
      { origin: 'http://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
      { origin: 'null', 'content-type': 'text/plain' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of forms) expect((await app.inject({ method: 'POST', url, headers })).statusCode).toBe(403);
    const isolate = { method: 'POST', url: '/v1/hosts/host-0/isolate' } as const;
    for (const headers of forms)
      expect((await app.inject({ ...isolate, headers, payload: '{"reason":"x"}' })).statusCode).toBe(403);
    expect(orders).toEqual([]);
    const own = { host: 'supernode:8002', origin: 'http://supernode:8002' };
    expect((await app.inject({ method: 'POST', url, headers: own })).statusCode).toBe(200);
    expect(orders).toEqual([{ type: 'release-ordered', host: 'host-4' }]);
  });
});
