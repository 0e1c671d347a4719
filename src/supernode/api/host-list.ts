/**
 * Hosts as they are shown, and those of them that somebody asks for: with a limit the ones with trouble come first, so that ten thousand hosts cost
 * the answer no more than what a reader looks at.
 */
import { FirstFew } from '../../base/first-few.ts';
import type { AwayView, HereView, HostFilter, HostListView, HostView, TrustView } from '../../protocol/api-views.ts';
import type { Standing, TrustState } from '../../scheduler/trust.ts';
import { type CensusParts, type CountedHost, NOTHING_KNOWN, takeCensus } from '../host-census.ts';
import type { HostRecord } from '../hosts.ts';

export type HostQuery = {
  readonly limit?: number;
  readonly state?: HostFilter;
  /** Part of a name, address, id, place or note. */
  readonly search?: string;
};

const TROUBLE: Readonly<Record<TrustState, number>> = { isolated: 0, probation: 1, limited: 2, ok: 4 };
const SOME_TROUBLE = 3;

export function listHosts(parts: CensusParts, { limit, state, search }: HostQuery): HostListView {
  const words = search?.trim().toLowerCase() ?? '';
  const few = limit === undefined ? undefined : new FirstFew<CountedHost>(limit, byTrouble);
  const all: CountedHost[] = [];
  let matched = 0;
  const counts = takeCensus(parts, (host) => {
    if (!isOf(host, state) || !speaksOf(host, words)) return;
    matched++;
    if (few === undefined) all.push(host);
    else few.offer(host);
  });
  return { counts, matched, hosts: (few?.items ?? all).map(viewOf) };
}

function isOf({ standing, silent }: CountedHost, filter: HostFilter | undefined): boolean {
  if (filter === undefined) return true;
  if (filter === 'silent') return silent;
  if (filter === 'excluding') return standing.excluded.length > 0;
  return standing.state === filter;
}

function speaksOf({ id, record, standing }: CountedHost, words: string): boolean {
  if (words === '') return true;
  const has = (text: string | undefined): boolean => text?.toLowerCase().includes(words) === true;
  if (has(id) || has(standing.note)) return true;
  if (record === undefined) return false;
  const { name, ip, site } = record.description;
  return has(name) || has(ip) || has(site.idc) || has(site.location);
}

/** Worse trouble first, then by name. */
export function byTrouble(a: CountedHost, b: CountedHost): number {
  const worse = troubleOf(a) - troubleOf(b);
  if (worse !== 0) return worse;
  const [one, other] = [nameOf(a), nameOf(b)];
  if (one !== other) return one < other ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function troubleOf({ standing, silent }: CountedHost): number {
  const { state, score, excluded } = standing;
  if (state !== 'ok' || (!silent && score === 0 && excluded.length === 0)) return TROUBLE[state];
  return SOME_TROUBLE;
}

function nameOf({ id, record }: CountedHost): string {
  return record?.description.name ?? id;
}

export function viewOf({ id, record, standing, silent }: CountedHost): HostView {
  if (record === undefined) return { id, connected: false, ...trustOf(standing) } satisfies AwayView;
  return hereView(record, standing, silent);
}

function hereView(record: HostRecord, standing: Standing, silent: boolean): HereView {
  const { description, joinedAt, swarms, offers } = record;
  let downloads = 0;
  for (const downloading of swarms.values()) if (downloading) downloads++;
  return {
    ...description,
    connected: true,
    joinedAt: new Date(joinedAt).toISOString(),
    downloads,
    contents: swarms.size + offers.size,
    silent,
    ...trustOf(standing),
  };
}

export function trustOf(standing: Standing | undefined): TrustView {
  const { state, score, witnesses, reason, note, by, leftMs, excluded } = standing ?? NOTHING_KNOWN;
  return {
    state,
    score,
    witnesses,
    ...(reason === undefined ? {} : { reason }),
    ...(note === undefined ? {} : { note }),
    ...(by === undefined ? {} : { by }),
    ...(leftMs === undefined ? {} : { secondsLeft: leftMs === null ? null : Math.ceil(leftMs / 1000) }),
    ...(excluded.length === 0 ? {} : { excluded }),
  };
}
