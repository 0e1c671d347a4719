/** What one scrape of the supernode sees: one look at each part, from which all meters read, so that they fit together. */
import type { HostCounts, TaskState } from '../protocol/api-views.ts';
import type { Member } from '../protocol/member.ts';
import type { ContentStore } from '../store/store.ts';
import { taskState } from './api/tasks.ts';
import type { Cache } from './cache/cache.ts';
import type { RedisHealth } from './cluster/redis.ts';
import { type CensusParts, type CountedHost, takeCensus } from './host-census.ts';
import type { Preheats } from './preheat/preheats.ts';
import type { Traffic } from './traffic.ts';
import type { TrustTally } from './trust-tally.ts';

export type MeterParts = CensusParts & {
  readonly version: string;
  readonly tally: TrustTally;
  readonly traffic: Traffic;
  readonly downloads: () => number;
  readonly sessions: () => number;
  readonly swarms: () => number;
  readonly cache: Pick<Cache, 'entries'>;
  readonly store: Pick<ContentStore, 'list'>;
  readonly sending: () => { readonly sending: number; readonly waiting: number; readonly bytesSent: number };
  readonly firstPieceBytes: () => number;
  readonly preheats: Pick<Preheats, 'list'>;
  readonly members: () => readonly Member[];
  /** Undefined for a supernode without one. */
  readonly redis: () => RedisHealth | undefined;
};

export type MeterState = MeterParts & {
  readonly counts: HostCounts;
  /** Those that are isolated for longest first, here or away. */
  readonly isolated: readonly CountedHost[];
  readonly tasks: Readonly<Record<TaskState, number>>;
  readonly cached: { readonly contents: number; readonly pieces: number; readonly bytes: number };
};

export function lookAt(parts: MeterParts): MeterState {
  const isolated: CountedHost[] = [];
  const counts = takeCensus(parts, (host) => {
    if (host.standing.state === 'isolated') isolated.push(host);
  });
  isolated.sort((a, b) => secondsLeft(b) - secondsLeft(a) || (a.id < b.id ? -1 : 1));
  const tasks = { filling: 0, complete: 0, broken: 0 };
  for (const entry of parts.cache.entries) tasks[taskState(entry)]++;
  return { ...parts, counts, isolated, tasks, cached: cachedIn(parts.store) };
}

/** Infinity = until it is released. */
export function secondsLeft({ standing }: CountedHost): number {
  const { leftMs } = standing;
  return leftMs === undefined ? 0 : leftMs === null ? Number.POSITIVE_INFINITY : leftMs / 1000;
}

function cachedIn(store: MeterParts['store']): MeterState['cached'] {
  let [contents, pieces, bytes] = [0, 0, 0];
  for (const { held, shape, complete } of store.list()) {
    contents++;
    pieces += held.count;
    bytes += complete && shape.length !== null ? shape.length : held.count * shape.pieceSize;
  }
  return { contents, pieces, bytes };
}
