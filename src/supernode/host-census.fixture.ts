/** Hosts without a scheduler: what each is, as a test wants it. */
import type { HostId } from '../protocol/ids.ts';
import type { Standing } from '../scheduler/trust.ts';
import type { CensusParts } from './host-census.ts';
import { hostSession } from './host-session.fixture.ts';
import { type HostRecord, Hosts } from './hosts.ts';
import { idOf } from './memory.fixture.ts';

export type SampleHost = {
  readonly name?: string;
  readonly ip?: string;
  readonly idc?: string;
  readonly away?: boolean;
  readonly silent?: boolean;
  readonly standing?: Partial<Standing>;
};

/** Ids are `host-0`, `host-1` and so on. */
export function censusOf(samples: readonly SampleHost[]): CensusParts & { readonly hosts: Hosts } {
  const hosts = new Hosts({ id: idOf('supernode-1'), ip: '10.0.0.1', port: 1 });
  const known = new Map<HostId, SampleHost>();
  samples.forEach((sample, at) => {
    const id = idOf(`host-${at}`);
    known.set(id, sample);
    if (sample.away !== true) hosts.add(recordOf(id, sample));
  });
  const away = [...known].filter(([, sample]) => sample.away === true).map(([id]) => id);
  return {
    hosts,
    isolatedAway: () => away,
    isSilent: (id) => known.get(id)?.silent === true,
    standingOf: (id) => {
      const sample = known.get(id);
      if (sample === undefined) return undefined;
      return { state: sample.away ? 'isolated' : 'ok', score: 0, witnesses: 0, excluded: [], ...sample.standing };
    },
  };
}

function recordOf(id: HostId, { name = id, ip = '10.0.0.2', idc = '' }: SampleHost): HostRecord {
  return {
    description: { id, name, ip, port: 1, site: { idc, location: '', machine: id }, version: '1', uploads: true },
    address: { id, ip, port: 1 },
    session: hostSession({}),
    joinedAt: 0,
    offers: new Map(),
    swarms: new Map(),
    manifests: new Set(),
    gives: new Map(),
    isolated: undefined,
  };
}
