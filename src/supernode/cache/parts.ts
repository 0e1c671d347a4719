/** What the cache works with: its doors, its limits, and who else may have a content. */
import type { Clock } from '../../base/clock.ts';
import type { BufferPool } from '../../io/buffers.ts';
import type { Log } from '../../io/log.ts';
import type { AwaitTurn } from '../../io/pacer.ts';
import type { ContentId, PieceIndex } from '../../protocol/ids.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import type { ContentTier } from '../cluster/content-tier.ts';
import type { CacheEvents } from './events.ts';
import type { KnownParts } from './known.ts';

export type CacheParts = KnownParts & {
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly log: Log;
  readonly openSource: (request: SourceRequest) => Promise<SourceAnswer>;
  /** For reads of a source; undefined = there is no limit. */
  readonly turn: AwaitTurn | undefined;
  readonly delay: (ms: number) => Promise<void>;
  readonly random: () => number;
  readonly unique: () => string;
  readonly rememberFailureMs: number;
  readonly heuristicFreshMs: number;
  /** How long a content may be used after it went stale when its source cannot be reached; 0 = never. */
  readonly staleIfErrorMs: number;
  /** Asked for bytes before the source, in this order. */
  readonly tiers: readonly ContentTier[];
  /** Hosts as those who have what another supernode had begun, and whether one of them has a piece now. */
  readonly hosts: {
    readonly tier: ContentTier;
    readonly hold: (content: ContentId, piece: PieceIndex) => boolean;
    /** How long they may take to come with what another supernode had given them. */
    readonly graceMs: number;
  };
  readonly events: CacheEvents;
};
