/**
 * Which contents leave a store before anybody needs their room. Pure: what is there, how full it is and the marks in, the
 * ids out. A quiet disk loses nothing; one that fills up loses first what has rested; one that is nearly full loses idle
 * contents, least recently used first, until it is comfortable again, all in one look.
 */
import type { ContentId } from '../protocol/ids.ts';
import { expired, type Resident, relief } from './eviction.ts';

export type Marks = {
  /** With less than this free on the disk, contents that have rested make room. Bytes. */
  readonly youngBytes: number;
  /** With no more than this free, every idle content may go, until `youngBytes` are free. Bytes. */
  readonly fullBytes: number;
  /** Unused for so long = rested. Milliseconds. */
  readonly restMs: number;
  /** Quota of the contents; absent = what the disk has. Bytes. */
  readonly maxBytes?: number | undefined;
  readonly maxContents: number;
  /** Unused for so long = gone, however much is free. Milliseconds; absent = never. */
  readonly expireMs?: number | undefined;
};

const GIB = 1024 ** 3;

export const DEFAULT_MARKS: Marks = {
  youngBytes: 10 * GIB,
  fullBytes: GIB,
  restMs: 2 * 60 * 60 * 1000,
  maxContents: 100_000,
};

/** A store over its quota goes down to this share of it, so that the next content finds room at once. */
export const LOW_SHARE = 0.9;

export type Fullness = {
  /** Free on the disk, less what running contents were promised. */
  readonly freeBytes: number;
  /** Held and promised. */
  readonly takenBytes: number;
  /** Milliseconds since 1970. */
  readonly wall: number;
};

/** Nearly full: the next look must not wait. */
export function urgent({ freeBytes, takenBytes }: Omit<Fullness, 'wall'>, marks: Marks): boolean {
  return freeBytes <= marks.fullBytes || (marks.maxBytes !== undefined && takenBytes > marks.maxBytes);
}

/** The contents to evict now, each once; those that go first come first. */
export function overdue(all: readonly Resident[], fullness: Fullness, marks: Marks): readonly ContentId[] {
  const { wall } = fullness;
  const gone = new Set<ContentId>();
  const left = () => all.filter((resident) => !gone.has(resident.id));
  const take = (ids: readonly ContentId[]) => {
    for (const id of ids) gone.add(id);
  };
  if (marks.expireMs !== undefined) take(expired(all, wall, marks.expireMs));
  take(tooMany(left(), marks.maxContents));

  const after = { ...fullness };
  for (const resident of all) {
    if (!gone.has(resident.id)) continue;
    after.freeBytes += resident.frees;
    after.takenBytes -= resident.bytes;
  }
  const quotaBytes = overQuota(after.takenBytes, marks);
  // A young mark below the full one would end an urgent look before it had begun.
  const comfort = Math.max(marks.youngBytes, marks.fullBytes);
  const diskBytes = comfort - after.freeBytes;
  if (after.freeBytes <= marks.fullBytes) take(relief(left(), { diskBytes, quotaBytes }));
  else {
    take(relief(left(), { diskBytes: 0, quotaBytes }));
    const won = all.reduce((sum, { id, frees }) => sum + (gone.has(id) ? frees : 0), 0);
    const rested = left().filter(({ usedAt }) => wall - usedAt >= marks.restMs);
    take(relief(rested, { diskBytes: comfort - fullness.freeBytes - won, quotaBytes: 0 }));
  }
  return [...gone];
}

function overQuota(takenBytes: number, { maxBytes }: Marks): number {
  if (maxBytes === undefined || takenBytes <= maxBytes) return 0;
  return takenBytes - Math.floor(maxBytes * LOW_SHARE);
}

function tooMany(residents: readonly Resident[], maxContents: number): readonly ContentId[] {
  const excess = residents.length - maxContents;
  if (excess <= 0) return [];
  return expired(residents, Number.POSITIVE_INFINITY, 0).slice(0, excess);
}
