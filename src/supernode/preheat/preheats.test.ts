import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseHostId, type TaskId } from '../../protocol/ids.ts';
import { RegistryClient } from '../../source/registry-client.ts';
import { bytesOf } from '../../store/content.fixture.ts';
import { type CacheLab, cacheLab, specOf, taskOfSpec } from '../cache/cache.fixture.ts';
import type { FetchOrder } from '../host-fetches.ts';
import type { LayerWanted } from './layer.ts';
import { planPreheat } from './planning.ts';
import type { PreheatRequest } from './preheat-request.ts';
import { Preheats, type PreheatsOptions } from './preheats.ts';

const FILE: PreheatRequest = {
  type: 'file',
  url: 'http://source.example/a',
  headers: [],
  filter: [],
  scope: 'supernode',
};
const ON_HOSTS: PreheatRequest = { ...FILE, scope: {} };
const HOST = parseHostId('host-1') as NonNullable<ReturnType<typeof parseHostId>>;

function layerOf(url: string): LayerWanted {
  const spec = specOf(url);
  return { name: url, task: taskOfSpec(spec), length: null, spec: async () => spec };
}

type Lab = CacheLab & { readonly preheats: Preheats; readonly orders: FetchOrder[] };

function lab(more: Partial<PreheatsOptions> = {}): Lab {
  const base = cacheLab();
  base.source.serve('http://source.example/a', { bytes: bytesOf(300_000), etag: '"a"' });
  base.source.serve('http://source.example/b', { bytes: bytesOf(200_000, 2), etag: '"b"' });
  const orders: FetchOrder[] = [];
  let ids = 0;
  const preheats = new Preheats({
    unique: () => `p${ids++}`,
    check: () => undefined,
    plan: async ({ url }) => [layerOf(url)],
    hosts: () => new Map([[HOST, 'one']]),
    open: (task: TaskId, spec) => base.cache.open(task, spec),
    fetch: async (order) => void orders.push(order),
    wall: () => base.clock.wall(),
    ...more,
  });
  return { ...base, preheats, orders };
}

describe('a preheat', () => {
  test('brings all layers and says how many bytes they have', async () => {
    const plan = async () => [layerOf('http://source.example/a'), layerOf('http://source.example/b')];
    const { preheats } = lab({ plan });
    const { preheat } = preheats.ask(FILE);
    await preheat.whenOver();
    expect(preheat.view).toMatchObject({
      state: 'done',
      length: 500_000,
      done: 500_000,
      layers: [
        { state: 'done', length: 300_000 },
        { state: 'done', length: 200_000 },
      ],
    });
  });

  test('fails with its layer, and the other layers are brought all the same', async () => {
    const plan = async () => [layerOf('http://source.example/missing'), layerOf('http://source.example/b')];
    const { preheats } = lab({ plan });
    const { preheat } = preheats.ask(FILE);
    await preheat.whenOver();
    expect(preheat.view).toMatchObject({
      state: 'failed',
      fault: { code: 'source-refused', sourceStatus: 404 },
      layers: [{ state: 'failed' }, { state: 'done', done: 200_000 }],
    });
  });

  test('goes on to hosts while it is read, and a host’s fault is the host’s', async () => {
    const fetch = async (order: FetchOrder) => {
      order.onProgress(1000, 300_000);
      throw new Fault('no-space', 'its disk is full');
    };
    const { preheats } = lab({ fetch });
    const { preheat } = preheats.ask(ON_HOSTS);
    await preheat.whenOver();
    expect(preheat.view).toMatchObject({
      state: 'failed',
      fault: { code: 'no-space' },
      layers: [{ state: 'done' }],
      hosts: [{ name: 'one', state: 'failed', done: 1000, fault: { message: 'its disk is full' } }],
    });
  });

  test('is asked for twice and runs once; after its end it runs again, cheaply', async () => {
    const { preheats, source } = lab();
    const first = preheats.ask(FILE);
    const second = preheats.ask({ ...FILE });
    expect(second).toEqual({ preheat: first.preheat, fresh: false });
    await first.preheat.whenOver();
    const third = preheats.ask(FILE);
    expect(third.fresh).toBe(true);
    await third.preheat.whenOver();
    expect(third.preheat.view.state).toBe('done');
    expect(source.asked).toEqual(['plain', 'conditional']);
    expect(source.bytesRead).toBe(300_000);
  });

  test('stops when it is deleted, whatever it waits for', async () => {
    const gate = Promise.withResolvers<void>();
    const { preheats, source } = lab();
    source.serve(FILE.url, { bytes: bytesOf(300_000), gate: gate.promise });
    const { preheat } = preheats.ask(ON_HOSTS);
    await Promise.resolve();
    expect(preheats.remove(preheat.id)).toBe(true);
    gate.resolve();
    await preheat.whenOver();
    expect(preheat.view.state).toBe('stopped');
    expect(preheats.find(preheat.id)).toBeUndefined();
  });

  test('shows neither headers nor the query', async () => {
    const registries = new RegistryClient(new ManualClock());
    const { preheats } = lab({ plan: (request, signal) => planPreheat(registries, request, signal) });
    const { preheat } = preheats.ask({
      ...FILE,
      url: 'http://user:word@source.example/a?sig=1',
      headers: [['X-Key', 'hush']],
    });
    await preheat.whenOver();
    await registries.close();
    expect(JSON.stringify(preheat.view)).not.toMatch(/word|sig|hush/);
  });
});

describe('all preheats', () => {
  test('wait in line when many run, and are forgotten a week after their end', async () => {
    const gate = Promise.withResolvers<void>();
    const open = async () => {
      await gate.promise;
      throw new Fault('source-refused', 'no');
    };
    const { preheats, clock } = lab({ open });
    const all = Array.from({ length: 12 }, (_, index) => preheats.ask({ ...FILE, tag: `${index}` }).preheat);
    const states = () => all.map(({ view }) => view.state);
    expect(states().filter((state) => state === 'running')).toHaveLength(8);
    expect(states().filter((state) => state === 'waiting')).toHaveLength(4);
    gate.resolve();
    await Promise.all(all.map((preheat) => preheat.whenOver()));
    expect(preheats.list).toHaveLength(12);
    clock.advance(8 * 24 * 3600 * 1000);
    expect(preheats.list).toHaveLength(0);
  });
});
