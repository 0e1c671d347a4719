/**
 * Which contents make room. Pure: the catalogue and a need in, the victims out. Idle contents only, least recently used
 * first; nobody is evicted when the need cannot be met at all, and nobody whose going the need does not take.
 */
import type { ContentId } from '../protocol/ids.ts';

export type Resident = {
  readonly id: ContentId;
  /** Bytes that count against the store's quota. */
  readonly bytes: number;
  /** Bytes that the disk wins when it goes: none while somebody else has a hard link to it. */
  readonly frees: number;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
  readonly idle: boolean;
};

/** What is too much at the moment; zero or less means that there is enough. */
export type Need = { readonly diskBytes: number; readonly quotaBytes: number };

/** The contents to evict, oldest use first; undefined when evicting all that is idle would not be enough. */
export function victimsFor(residents: Iterable<Resident>, need: Need): readonly ContentId[] | undefined {
  const { chosen, left } = choose(residents, need);
  if (left.diskBytes > 0 || left.quotaBytes > 0) return undefined;
  return spare(chosen, left).map((resident) => resident.id);
}

/** The same, but as far as it goes: all that is idle and helps where even that is not enough. */
export function relief(residents: Iterable<Resident>, need: Need): readonly ContentId[] {
  const { chosen, left } = choose(residents, need);
  return spare(chosen, left).map((resident) => resident.id);
}

function choose(residents: Iterable<Resident>, need: Need): { chosen: readonly Resident[]; left: Need } {
  let { diskBytes, quotaBytes } = need;
  const chosen: Resident[] = [];
  for (const resident of byUse(residents)) {
    if (diskBytes <= 0 && quotaBytes <= 0) break;
    const helps = (diskBytes > 0 && resident.frees > 0) || (quotaBytes > 0 && resident.bytes > 0);
    if (!helps) continue;
    chosen.push(resident);
    diskBytes -= resident.frees;
    quotaBytes -= resident.bytes;
  }
  return { chosen, left: { diskBytes, quotaBytes } };
}

/** A large victim may have made smaller ones before it needless: the most recently used of those stay. */
function spare(chosen: readonly Resident[], left: Need): readonly Resident[] {
  let { diskBytes, quotaBytes } = left;
  const kept = new Set<Resident>();
  for (const resident of chosen.toReversed()) {
    if (diskBytes + resident.frees > 0 || quotaBytes + resident.bytes > 0) continue;
    kept.add(resident);
    diskBytes += resident.frees;
    quotaBytes += resident.bytes;
  }
  return chosen.filter((resident) => !kept.has(resident));
}

/** Idle contents that nobody used for more than `expireMs`. */
export function expired(residents: Iterable<Resident>, wall: number, expireMs: number): readonly ContentId[] {
  return byUse(residents)
    .filter((resident) => wall - resident.usedAt > expireMs)
    .map((resident) => resident.id);
}

function byUse(residents: Iterable<Resident>): Resident[] {
  return [...residents]
    .filter((resident) => resident.idle)
    .sort((a, b) => a.usedAt - b.usedAt || (a.id < b.id ? -1 : 1));
}
