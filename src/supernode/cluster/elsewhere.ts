/** Where else a content may be known and lie than at its source, as one part of the supernode. */
import type { Clock } from '../../base/clock.ts';
import { BufferPool } from '../../io/buffers.ts';
import type { Log } from '../../io/log.ts';
import type { AwaitTurn } from '../../io/pacer.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId } from '../../protocol/ids.ts';
import type { S3BucketOptions } from '../../source/s3-bucket.ts';
import type { SourceRequest } from '../../source/source.ts';
import type { CacheEvents } from '../cache/events.ts';
import type { CacheParts } from '../cache/parts.ts';
import { HOSTS_GRACE_MS } from '../limits.ts';
import { ALONE } from './alone.ts';
import { type Holding, HostTier } from './host-tier.ts';
import { MemberTier } from './member-tier.ts';
import { Places } from './places.ts';
import { type RecordKeeper, RedisState } from './redis-state.ts';
import { S3Store, type S3StoreParts } from './s3-store.ts';
import { Sharing } from './sharing.ts';
import { WriteBehind, type WriteBehindParts } from './write-behind.ts';

/** An S3 store that says nothing for so long does not answer. */
const S3_STALL_MS = 10_000;
/** Of all parts that are on their way to it. */
const WRITE_BEHIND_BYTES = 64 * 1024 * 1024;

export type ElsewhereParts = {
  readonly clock: Clock;
  readonly log: Log;
  readonly secret: Uint8Array;
  /** Of this supernode's piece server, as others reach it. */
  readonly here: ParentPlace;
  readonly holdings: (content: ContentId) => Iterable<Holding>;
  /** Absent = this supernode is alone. */
  readonly redis?: RecordKeeper | undefined;
  /** The store behind; absent = none. */
  readonly s3?: S3Behind | undefined;
  /** For what is sent to a store. */
  readonly turn: AwaitTurn;
};

/** What is needed to open the store behind: `s3://BUCKET/PREFIX`, and where buckets are. */
export type S3Behind = Omit<S3BucketOptions, 'wallNow' | 'stallMs'> &
  Pick<WriteBehindParts, 'partBytes'> &
  Pick<S3StoreParts, 'patienceMs'>;

export type Elsewhere = {
  readonly cacheParts: Pick<CacheParts, 'shared' | 'behind' | 'tiers' | 'hosts'>;
  /** Of the cache, beside the swarms. */
  readonly listeners: readonly CacheEvents[];
  /** Fault source-refused for a source that nobody may ask for: the cluster's own store. */
  readonly admit: (request: Pick<SourceRequest, 'url' | 'signature'>) => void;
  /** After the cache. */
  close(): Promise<void>;
};

/** Fault usage for an `s3Store` that is no bucket. */
export async function createElsewhere(parts: ElsewhereParts): Promise<Elsewhere> {
  const { clock, log, secret, redis, here, s3 } = parts;
  const now = (): number => clock.now();
  const places = new Places(now);
  const hostTier = new HostTier({ places, holdings: parts.holdings, now });
  const state = redis === undefined ? undefined : new RedisState({ redis, secret, log });
  const sharing = state === undefined ? undefined : new Sharing({ state, here });
  const behind = s3 === undefined ? undefined : await openBehind(s3, parts);
  return {
    cacheParts: {
      shared: state ?? ALONE.shared,
      behind: behind?.store ?? ALONE.behind,
      tiers: [
        ...(state === undefined ? [] : [new MemberTier(places)]),
        ...(behind === undefined ? [] : [behind.store]),
      ],
      hosts: { tier: hostTier, hold: (content, piece) => hostTier.hold(content, piece), graceMs: HOSTS_GRACE_MS },
    },
    listeners: [sharing, behind?.writer].filter((each) => each !== undefined),
    admit({ url, signature }) {
      if (signature !== undefined || behind === undefined || !url.toLowerCase().startsWith('s3:')) return;
      if (behind.bucket.owns(url))
        throw new Fault('source-refused', 'this part of the bucket is the cluster’s own', { sourceStatus: 403 });
    },
    async close() {
      places.close();
      await Promise.all([sharing?.close(), behind?.close()]);
    },
  };
}

async function openBehind(s3: S3Behind, { clock, log, secret, turn }: ElsewhereParts) {
  const { S3Bucket } = await import('../../source/s3-bucket.ts');
  const bucket = new S3Bucket({ ...s3, wallNow: () => clock.wall(), stallMs: S3_STALL_MS });
  const store = new S3Store({ bucket, secret, log, now: () => clock.now(), patienceMs: s3.patienceMs });
  const { partBytes } = s3;
  const pool = new BufferPool({ budgetBytes: WRITE_BEHIND_BYTES });
  const writer = new WriteBehind({
    store,
    bucket,
    pool,
    log,
    random: Math.random,
    turn,
    ...(partBytes === undefined ? {} : { partBytes }),
  });
  const close = async (): Promise<void> => {
    await writer.close();
    await bucket.close();
  };
  return { bucket, store, writer, close };
}
