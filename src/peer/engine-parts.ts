/** What all downloads of one host share. */
import type { Clock } from '../base/clock.ts';
import type { BufferPool } from '../io/buffers.ts';
import type { Log } from '../io/log.ts';
import type { PieceClient } from '../io/piece-client.ts';
import type { HostId } from '../protocol/ids.ts';
import type { SourceAnswer, SourceRequest } from '../source/source.ts';
import type { ContentStore, StoredContent } from '../store/store.ts';
import type { TransferLimits } from '../transfer/limits.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { CheckedDigests } from './check-whole.ts';
import type { Supernodes } from './supernodes.ts';
import type { Vouches } from './vouches.ts';

export type EngineParts = {
  readonly store: ContentStore;
  readonly client: PieceClient;
  readonly pool: BufferPool;
  readonly bandwidth: Bandwidth;
  readonly clock: Clock;
  readonly log: Log;
  readonly supernodes: Supernodes;
  readonly sources: { open(request: SourceRequest): Promise<SourceAnswer> };
  readonly checked: CheckedDigests;
  readonly vouches: Vouches;
  /** This one. */
  readonly host: HostId;
  readonly random: () => number;
  readonly transferLimits: Partial<TransferLimits> | undefined;
  /** Told of every content that a download uses. */
  readonly watch: (content: StoredContent) => void;
};
