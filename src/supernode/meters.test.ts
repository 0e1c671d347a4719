import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../io/api-server.ts';
import { silentLog } from '../io/log.ts';
import type { IsolationReason } from '../scheduler/trust.ts';
import { addMetrics } from './api/metrics.ts';
import { censusOf, type SampleHost } from './host-census.fixture.ts';
import { idOf } from './memory.fixture.ts';
import type { MeterParts } from './meter-state.ts';
import { MAX_LISTED, METERS } from './meters.ts';
import { Traffic } from './traffic.ts';
import { TrustTally } from './trust-tally.ts';

const open: ApiServer[] = [];
afterEach(async () => {
  for (const api of open.splice(0)) await api.close();
});

function partsOf(samples: readonly SampleHost[], more: Partial<MeterParts> = {}): MeterParts {
  return {
    ...censusOf(samples),
    ...{ version: '1.2.3', tally: new TrustTally(), traffic: new Traffic() },
    ...{ downloads: () => 3, sessions: () => 5, swarms: () => 2, firstPieceBytes: () => 7 },
    sending: () => ({ sending: 1, waiting: 4, bytesSent: 1000 }),
    cache: { entries: [] },
    store: { list: () => [] },
    preheats: { list: [] },
    members: () => [{ id: idOf('s1'), place: 'a:1', weight: 1, state: 'up' }],
    redis: () => undefined,
    ...more,
  };
}

type Series = { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number };

const LINE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;

/** As Prometheus reads it; what does not fit the format throws. */
function parse(text: string): Series[] {
  const series: Series[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ') || line.startsWith('# TYPE ')) continue;
    const [, name = '', list = '', value = ''] = LINE.exec(line) ?? [];
    if (name === '') throw new Error(`no line of the format: ${line}`);
    const labels: Record<string, string> = {};
    LABEL.lastIndex = 0;
    for (let match = LABEL.exec(list); match !== null; match = LABEL.exec(list)) {
      labels[match[1] ?? ''] = (match[2] ?? '').replace(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : letter));
      if (LABEL.lastIndex === list.length) break;
    }
    if (list !== '' && LABEL.lastIndex !== list.length) throw new Error(`labels that do not end: ${line}`);
    series.push({ name, labels, value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) });
  }
  return series;
}

async function scrape(parts: MeterParts) {
  const api = new ApiServer({ log: silentLog });
  open.push(api);
  addMetrics(api.app, () => parts);
  const answer = await api.app.inject('/metrics');
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const series = parse(answer.body);
  const all = (name: string) => series.filter((one) => one.name === `dragonfly_supernode_${name}`);
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    all(name).find((one) => Object.entries(labels).every(([key, text]) => one.labels[key] === text))?.value;
  return { api, series, all, value };
}

const NAMED = { reason: 'operator' as IsolationReason, state: 'isolated' } as const;

describe('the meters', () => {
  it('count hosts by state, those that are away apart', async () => {
    const { value } = await scrape(
      partsOf([
        ...[{}, { silent: true }, { standing: { state: 'limited' } } as const],
        ...[{ standing: { ...NAMED, leftMs: 1 } }, { away: true }, { away: true }],
        ...[{ standing: { excluded: ['x' as never] } }],
      ]),
    );
    expect(['ok', 'limited', 'isolated', 'probation'].map((state) => value('hosts', { state }))).toEqual([3, 1, 1, 0]);
    expect(['hosts_silent', 'hosts_excluding', 'hosts_isolated_away'].map((name) => value(name))).toEqual([1, 1, 2]);
  });

  it('name each isolated host with its reason and what is left of its time', async () => {
    const { all, value } = await scrape(
      partsOf([
        { name: 'for a time', standing: { ...NAMED, leftMs: 90_500, by: idOf('s2'), reason: 'peer-corrupt' } },
        { name: 'until released', standing: { ...NAMED, leftMs: null, note: 'not in any label' } },
        { away: true, standing: { leftMs: 1_000, reason: 'false-witness' } },
        { name: 'well' },
      ]),
    );
    expect(all('host_isolated').map(({ labels }) => labels)).toEqual([
      { host: 'host-1', name: 'until released', reason: 'operator', by: '' },
      { host: 'host-0', name: 'for a time', reason: 'peer-corrupt', by: 's2' },
      { host: 'host-2', name: '', reason: 'false-witness', by: '' },
    ]);
    expect(value('host_isolation_seconds_left', { host: 'host-0' })).toBe(90.5);
    expect(value('host_isolation_seconds_left', { host: 'host-2' })).toBe(1);
    expect(all('host_isolation_seconds_left')).toHaveLength(2);
  });

  it('survive the name of a hostile host', async () => {
    const name = 'a"} 1\nfake_total{x="\\" 9\r# HELP \u{1F409}\\n';
    const { all, series } = await scrape(partsOf([{ name, standing: { ...NAMED, leftMs: null } }]));
    expect(all('host_isolated')[0]?.labels.name).toBe(name.replace(/[\n\r]/g, '\uFFFD'));
    expect(series.some((one) => one.name === 'fake_total')).toBe(false);
  });

  it('have no more series than a bound, and say what they leave out; those isolated for longest stay', async () => {
    const many = Array.from({ length: MAX_LISTED + 30 }, (_, at) => ({ standing: { ...NAMED, leftMs: at * 1000 } }));
    const { all, value } = await scrape(partsOf(many));
    expect(all('host_isolated')).toHaveLength(MAX_LISTED);
    expect(value('host_isolations_unlisted')).toBe(30);
    expect(value('host_isolation_seconds_left', { host: `host-${MAX_LISTED + 29}` })).toBe(MAX_LISTED + 29);
    expect(value('host_isolation_seconds_left', { host: 'host-29' })).toBeUndefined();
  });

  it('count what is done about hosts, by reason and by who decided; who comes back isolated is not counted again', async () => {
    const tally = new TrustTally();
    const host = idOf('h');
    const isolated = { type: 'isolated', host, reason: 'peer-stalled', until: 0 } as const;
    tally.take(isolated);
    tally.take({ ...isolated, again: true });
    tally.take({ ...isolated, reason: 'operator', by: idOf('s2') });
    tally.take({ type: 'released', host, why: 'proved' });
    tally.take({ type: 'excluded', host, content: 'c' as never, until: 0 });
    tally.checks.add('wrong');
    const { value } = await scrape(partsOf([], { tally }));
    expect(value('isolations_total', { reason: 'peer-stalled', decided: 'here' })).toBe(1);
    expect(value('isolations_total', { reason: 'operator', decided: 'elsewhere' })).toBe(1);
    expect(value('isolations_total', { reason: 'operator', decided: 'here' })).toBe(0);
    expect(value('releases_total', { why: 'proved', decided: 'here' })).toBe(1);
    expect(value('exclusions_total')).toBe(1);
    expect(value('piece_checks_total', { outcome: 'wrong' })).toBe(1);
  });

  it('read contents and bytes where they stand, at every scrape anew', async () => {
    const traffic = new Traffic();
    traffic.sourceBytes = 5;
    traffic.inlineBytes = 11;
    const content = { held: { count: 3 }, complete: true, shape: { length: 25, pieceSize: 10 } };
    const half = { held: { count: 2 }, complete: false, shape: { length: null, pieceSize: 10 } };
    const parts = partsOf([], {
      traffic,
      store: { list: () => [content, half] as never },
      cache: { entries: [{ manifest: {} }, {}, {}] as never },
    });
    const { value, api } = await scrape(parts);
    expect([value('cached_contents'), value('cached_pieces'), value('cached_bytes')]).toEqual([2, 5, 45]);
    expect([value('contents', { state: 'complete' }), value('contents', { state: 'filling' })]).toEqual([1, 2]);
    expect(value('source_read_bytes_total')).toBe(5);
    expect(['piece', 'first-piece', 'answer'].map((as) => value('sent_bytes_total', { as }))).toEqual([1000, 7, 11]);
    expect([value('downloads'), value('sessions'), value('swarms')]).toEqual([3, 5, 2]);
    traffic.sourceBytes = 6;
    expect((await api.app.inject('/metrics')).body).toContain('\ndragonfly_supernode_source_read_bytes_total 6\n');
  });

  it('say how Redis is only where there is one', async () => {
    expect((await scrape(partsOf([]))).value('redis_up')).toBeUndefined();
    const down = { up: false, since: 0 };
    expect((await scrape(partsOf([], { redis: () => down }))).value('redis_up')).toBe(0);
  });

  it('are there for the process too, without those that cost something between scrapes', async () => {
    const names = new Set((await scrape(partsOf([]))).series.map(({ name }) => name));
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      expect(names).toContain(name);
    expect([...names].filter((name) => /gc_duration|active_handles/.test(name))).toEqual([]);
  });

  it('are all in the manual', () => {
    const manual = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const missing = METERS.filter(({ name }) => !manual.includes(`\`${name.replace('dragonfly_supernode_', '')}\``));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('have names, units and endings as Prometheus wants them', () => {
    expect(new Set(METERS.map(({ name }) => name)).size).toBe(METERS.length);
    for (const { name, type, help } of METERS) {
      expect(name).toMatch(/^dragonfly_supernode_[a-z_]+[a-z]$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(?:ms|millis|kb|mib|percent)(?:_|$)/);
      expect(help).toMatch(/^[A-Z1].*\.$/);
    }
  });
});
