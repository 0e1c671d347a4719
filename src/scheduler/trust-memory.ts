/**
 * What is held against a host, as plain data without a moment of any clock: how long it still lasts, not until when. So another process, whose
 * clock is another one, can go on with it.
 */
import type { Millis } from '../base/clock.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';

/** `false-witness`: it called pieces wrong that were right. `operator`: somebody wants it so. */
export type IsolationReason = FaultCode | 'operator' | 'false-witness';

export type Points = readonly (readonly [witness: string, points: number])[];

export type TrustMemory = {
  /** Absent = it may give. `leftMs` null = until it is released. */
  readonly isolated?: {
    readonly reason: IsolationReason;
    readonly note?: string;
    /** The other supernode that said so. */
    readonly by?: HostId;
    readonly leftMs: Millis | null;
  };
  readonly probation: boolean;
  /** How often it was isolated. */
  readonly isolations: number;
  readonly service: Points;
  readonly wrong: Points;
  readonly doubt: Points;
  readonly excluded: readonly (readonly [content: ContentId, leftMs: Millis])[];
};

export type RememberedHost = readonly [host: HostId, memory: TrustMemory];
