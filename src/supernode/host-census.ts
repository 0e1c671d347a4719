/** One look at all hosts: how many are in which state, and each of them with its standing for who wants more. API and meters count the same way. */
import type { HostCounts } from '../protocol/api-views.ts';
import type { HostId } from '../protocol/ids.ts';
import type { Standing } from '../scheduler/trust.ts';
import type { HostRecord, Hosts } from './hosts.ts';

export type CensusParts = {
  readonly hosts: Pick<Hosts, 'all' | 'find'>;
  readonly standingOf: (host: HostId) => Standing | undefined;
  readonly isolatedAway: () => readonly HostId[];
  readonly isSilent: (host: HostId) => boolean;
};

export type CountedHost = {
  readonly id: HostId;
  /** Undefined for an isolated host that is away. */
  readonly record: HostRecord | undefined;
  readonly standing: Standing;
  readonly silent: boolean;
};

export const NOTHING_KNOWN: Standing = { state: 'ok', score: 0, witnesses: 0, excluded: [] };

export function takeCensus(parts: CensusParts, each: (host: CountedHost) => void): HostCounts {
  const { hosts, standingOf, isolatedAway, isSilent } = parts;
  const states = { ok: 0, limited: 0, isolated: 0, probation: 0 };
  let [connected, silentHosts, excluding, away] = [0, 0, 0, 0];
  for (const record of hosts.all) {
    const { id } = record.description;
    const standing = standingOf(id) ?? NOTHING_KNOWN;
    const silent = isSilent(id);
    connected++;
    states[standing.state]++;
    if (silent) silentHosts++;
    if (standing.excluded.length > 0) excluding++;
    each({ id, record, standing, silent });
  }
  for (const id of isolatedAway()) {
    away++;
    each({ id, record: undefined, standing: standingOf(id) ?? NOTHING_KNOWN, silent: false });
  }
  return { connected, ...states, silent: silentHosts, excluding, isolatedAway: away };
}
