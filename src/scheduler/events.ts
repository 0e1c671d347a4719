/**
 * What can happen to the scheduler and what it may ask for. Both are plain data: the supernode carries commands out, the
 * simulator replays them, the log prints them and the console explains them.
 *
 * A *swarm* is all the peers of one content. The supernode's own cache is a host like every other (`seed: true`).
 */

import type { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { Site } from '../protocol/host.ts';
import type { ContentId, HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { IsolationReason } from './trust.ts';

/** What a peer downloads: the whole content, only the pieces that its windows name, or nothing (it only holds). */
export type Wants = 'all' | 'window' | 'nothing';

/** Names one check as long as the supernode lives. */
export type CheckId = number;
/** `unknown`: the parent could not be reached, or has the piece no more. */
export type CheckOutcome = 'right' | 'wrong' | 'unknown';

/** Its probation went well; what was held against it was not true; an operator wants it so. */
export type ReleaseReason = 'proved' | 'refuted' | 'operator';

export type SchedulerEvent =
  /** Repeating it for a known host updates it (a session that reconnects). */
  | {
      readonly type: 'host-joined';
      readonly host: HostId;
      readonly site: Site;
      readonly seed: boolean;
      readonly uploads: boolean;
      /** Configured limits, bytes per second; absent = learn from the transfers. */
      readonly upBytesPerSecond?: number;
      readonly downBytesPerSecond?: number;
    }
  | { readonly type: 'host-left'; readonly host: HostId }
  /** Opens a swarm, or tells more of it: `pieces` so far; `final` when there will be no more. Never shrinks. */
  | {
      readonly type: 'content-shaped';
      readonly content: ContentId;
      readonly pieceSize: number;
      readonly pieces: number;
      /** Bytes of the last piece; pieceSize unless final. */
      readonly lastPieceSize: number;
      readonly final: boolean;
    }
  /** The swarm is forgotten; leases in it end without a word. */
  | { readonly type: 'content-closed'; readonly content: ContentId }
  /** Joining again replaces what was known of the peer. */
  | {
      readonly type: 'peer-joined';
      readonly host: HostId;
      readonly content: ContentId;
      readonly held: Bitfield;
      readonly wants: Wants;
      readonly window?: PieceWindow;
    }
  /** It wants no more; with `keeps` it stays as a holder. Its own leases as a child end. */
  | { readonly type: 'peer-left'; readonly host: HostId; readonly content: ContentId; readonly keeps: boolean }
  /** `wants` absent = as before. A peer that wants nothing goes on wanting nothing. */
  | {
      readonly type: 'window-moved';
      readonly host: HostId;
      readonly content: ContentId;
      readonly window: PieceWindow | null;
      readonly wants?: Wants;
    }
  /** `lease` 0: held without a transfer that we had assigned (from the source, or from before a restart). */
  | {
      readonly type: 'piece-held';
      readonly host: HostId;
      readonly content: ContentId;
      readonly piece: PieceIndex;
      readonly lease: LeaseId;
      /** Duration of the transfer as the child saw it; 0 = unknown. */
      readonly millis: Millis;
    }
  /** Most of it is here, and what is left takes about as long as the next assignment: said of leases that ask for it. */
  | {
      readonly type: 'piece-near';
      readonly host: HostId;
      readonly content: ContentId;
      readonly piece: PieceIndex;
      readonly lease: LeaseId;
    }
  | {
      readonly type: 'piece-failed';
      readonly host: HostId;
      readonly content: ContentId;
      readonly piece: PieceIndex;
      readonly lease: LeaseId;
      readonly fault: FaultCode;
    }
  | {
      readonly type: 'pieces-lost';
      readonly host: HostId;
      readonly content: ContentId;
      readonly pieces: readonly PieceIndex[] | 'all';
    }
  /** Nothing is heard of a busy host, and: it is heard again. */
  | { readonly type: 'host-silent'; readonly host: HostId }
  | { readonly type: 'host-heard'; readonly host: HostId }
  /** The answer to `check-piece`. */
  | { readonly type: 'piece-checked'; readonly check: CheckId; readonly outcome: CheckOutcome }
  /** An operator's word; `forMs` null = until the release. */
  | { readonly type: 'isolation-ordered'; readonly host: HostId; readonly forMs: Millis | null; readonly note: string }
  /** `by`: the other supernode at which the operator said so; absent = here. */
  | { readonly type: 'release-ordered'; readonly host: HostId; readonly by?: HostId }
  /** What another supernode of the cluster holds against a host, for the time that is left of it (null = until the release). */
  | {
      readonly type: 'isolation-told';
      readonly host: HostId;
      readonly forMs: Millis | null;
      readonly reason: IsolationReason;
      readonly note?: string;
      readonly by: HostId;
    }
  /** That supernode was wrong; what others hold against the host stays. */
  | { readonly type: 'isolation-withdrawn'; readonly host: HostId; readonly by: HostId }
  /** Time has come: the answer to `wake-at`. Coming early or twice is harmless. */
  | { readonly type: 'tick' };

export type SchedulerCommand =
  | {
      readonly type: 'assign';
      readonly content: ContentId;
      readonly child: HostId;
      readonly parent: HostId;
      readonly piece: PieceIndex;
      readonly lease: LeaseId;
      /** The child should say when it is near its end. */
      readonly near: boolean;
    }
  /** The child need not go on with it (hedged elsewhere, or the parent is gone). */
  | {
      readonly type: 'cancel';
      readonly content: ContentId;
      readonly child: HostId;
      readonly piece: PieceIndex;
      readonly lease: LeaseId;
    }
  /**
   * The last live holder of these pieces is gone while peers want them, or a peer wants them that may have them from the seed alone: the shell must get
   * them from wherever they are.
   */
  | { readonly type: 'starved'; readonly content: ContentId; readonly pieces: readonly PieceIndex[] }
  /** Gives nothing to anybody until then (Infinity = until it is released); after that one piece at a time. */
  | {
      readonly type: 'isolated';
      readonly host: HostId;
      readonly reason: IsolationReason;
      readonly until: Millis;
      readonly note?: string;
      /** The other supernode that said so; absent = it was decided here. */
      readonly by?: HostId;
      /** It was so before: the host is back. */
      readonly again?: true;
    }
  /** It gives again. `by`: the other supernode that said so. */
  | { readonly type: 'released'; readonly host: HostId; readonly why: ReleaseReason; readonly by?: HostId }
  /** It gave wrong bytes of this content, or is said to have: it gives nothing of it until then. */
  | { readonly type: 'excluded'; readonly host: HostId; readonly content: ContentId; readonly until: Millis }
  | { readonly type: 'admitted'; readonly host: HostId; readonly content: ContentId }
  /** Get this piece from that host and compare it with its digest; answered by `piece-checked`. */
  | {
      readonly type: 'check-piece';
      readonly check: CheckId;
      readonly content: ContentId;
      readonly host: HostId;
      readonly piece: PieceIndex;
    }
  /** Send a `tick` at this time; replaces an earlier wish. */
  | { readonly type: 'wake-at'; readonly time: Millis };

/**
 * The scheduler, synchronous and total. A late or senseless event (unknown host, spent lease) changes nothing and is no
 * error. Events that come together should be handed in together: parents that became free at the same time are then matched
 * in one round, which is what keeps all of them busy. The array returned is valid until the next call.
 */
export interface SchedulerCore {
  handleAll(events: readonly SchedulerEvent[], now: Millis): readonly SchedulerCommand[];
}
