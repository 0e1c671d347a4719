/** PURE. Which hosts a preheat brings the content to: those named, all, or some, of one data centre or of any. */
import type { Random } from '../../base/random.ts';
import { Fault } from '../../protocol/faults.ts';
import type { HostDescription } from '../../protocol/host.ts';
import type { HostId } from '../../protocol/ids.ts';

export type HostScope = {
  readonly idc?: string | undefined;
  /** Ids or names. */
  readonly hosts?: readonly string[] | undefined;
  /** So many of them, by chance; absent = all. */
  readonly count?: number | undefined;
};

/** Fault not-found for a name that no host has, and when no host is left. */
export function chooseHosts(all: readonly HostDescription[], scope: HostScope, random: Random): readonly HostId[] {
  const { idc, hosts: named, count } = scope;
  for (const name of named ?? [])
    if (!all.some((host) => host.id === name || host.name === name)) throw new Fault('not-found', `no host ${name}`);
  const left = all.filter(
    (host) =>
      (named === undefined || named.includes(host.id) || named.includes(host.name)) &&
      (idc === undefined || host.site.idc === idc),
  );
  if (left.length === 0)
    throw new Fault('not-found', idc === undefined ? 'no host is here' : `no host of ${idc} is here`);
  const ids = left.map((host) => host.id).sort();
  if (count === undefined || count >= ids.length) return ids;
  // The first `count` of a shuffled deck.
  for (let at = 0; at < count; at++) {
    const from = at + random.below(ids.length - at);
    const [a, b] = [ids[at], ids[from]];
    if (a === undefined || b === undefined) continue;
    ids[at] = b;
    ids[from] = a;
  }
  return ids.slice(0, count).sort();
}
