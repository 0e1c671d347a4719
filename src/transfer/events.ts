/**
 * What can happen to one transfer and what it may ask for. Plain data both ways: peer/download.ts carries commands out,
 * a log can print them and a test can replay them.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { FaultCode, FaultValue } from '../protocol/faults.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { ContentShape } from '../protocol/piece.ts';
import type { Vouched } from './claims.ts';

/** Names one fetch of one piece from one parent, for as long as the transfer lives; never 0. */
export type AttemptId = number;
/** Names one read of the source. */
export type ReadId = number;

export type AssignedPiece = {
  readonly piece: PieceIndex;
  readonly parent: ParentAddress;
  readonly lease: LeaseId;
  /** base64 sha256; absent = the manifest has it. */
  readonly digest?: string;
  /** The supernode wants to hear when it is near its end. */
  readonly near?: true;
};

export type TransferEvent = LinkEvent | PieceEvent | SourceEvent | OwnEvent;

/** What the supernode, or the lack of one, brings. */
export type LinkEvent =
  /** The content is known and has its place in the store. `fresh`: it is another one than before (or the first). */
  | {
      readonly type: 'opened';
      readonly by: 'supernode' | 'source';
      readonly fresh: boolean;
      readonly shape: ContentShape;
      readonly held: Bitfield;
      readonly hasManifest: boolean;
      /** The source answers ranges. */
      readonly ranges: boolean;
    }
  /** The supernode says no, or none can be reached (supernode-unreachable); `tried`: the host goes on trying, and says so when one is there. */
  | { readonly type: 'refused'; readonly fault: FaultValue; readonly tried?: 'again' }
  /** `gone`: the supernode itself, where it gives no pieces any more either. */
  | { readonly type: 'session-lost'; readonly gone?: HostId }
  | { readonly type: 'session-back' }
  /** The supernode cannot complete the content. */
  | { readonly type: 'broken'; readonly fault: FaultValue };

export type OpenedEvent = Extract<TransferEvent, { type: 'opened' }>;
export type RefusedEvent = Extract<TransferEvent, { type: 'refused' }>;

/** What happens to pieces and parents. */
export type PieceEvent =
  | { readonly type: 'assigned'; readonly pieces: readonly AssignedPiece[] }
  | { readonly type: 'cancelled'; readonly leases: readonly LeaseId[] }
  | { readonly type: 'shaped'; readonly shape: ContentShape }
  | { readonly type: 'manifest-known' }
  /** Verified and on disk. `attempt` 0 = read from the source. */
  | {
      readonly type: 'piece-held';
      readonly attempt: AttemptId;
      readonly piece: PieceIndex;
      /** Duration of the transfer. */
      readonly millis: Millis;
    }
  /** Most of it is here; once per attempt that asked for it. */
  | { readonly type: 'piece-near'; readonly attempt: AttemptId }
  | { readonly type: 'piece-failed'; readonly attempt: AttemptId; readonly fault: FaultCode }
  /** Answers to `ask-parent`. */
  | {
      readonly type: 'parent-held';
      readonly parent: HostId;
      readonly held: Bitfield;
      /** What pieces are, as it knows by itself, and where to go on the next time. */
      readonly told?: { readonly vouched: readonly Vouched[]; readonly next: number };
    }
  | { readonly type: 'parent-silent'; readonly parent: HostId; readonly fault: FaultCode }
  /** The store had to drop pieces that it held. */
  | { readonly type: 'pieces-lost'; readonly pieces: readonly PieceIndex[] };

export type SourceEvent =
  /** The read came to its end as planned. */
  | { readonly type: 'source-ended'; readonly read: ReadId }
  | { readonly type: 'source-failed'; readonly read: ReadId; readonly fault: FaultValue };

export type OwnEvent =
  /** First event; begins to ask. */
  | { readonly type: 'start' }
  /** A reader needs these pieces first. `whole`: what wanted only its windows wants all of the content from now on. */
  | { readonly type: 'window'; readonly window: PieceWindow | null; readonly whole?: true }
  | { readonly type: 'checked' }
  | { readonly type: 'check-failed'; readonly fault: FaultValue }
  /** The end, by a fault of this host or because nobody wants it any more. */
  | { readonly type: 'stopped'; readonly fault: FaultValue }
  /** The time of `wake-at` has come; early or twice is harmless. */
  | { readonly type: 'tick' };

export type TransferCommand =
  /** Ask the supernode for the task, saying what is held. */
  | { readonly type: 'open' }
  | {
      readonly type: 'fetch';
      readonly attempt: AttemptId;
      readonly piece: PieceIndex;
      readonly parent: ParentAddress;
      readonly digest?: string;
      /** The digest is what others say. */
      readonly hearsay?: true;
      /** Say when most of it is here. */
      readonly near?: true;
      /** No byte for this long ends the attempt with peer-stalled. */
      readonly stallMs: Millis;
    }
  /** The attempt's outcome does not matter any more. */
  | { readonly type: 'abort'; readonly attempt: AttemptId }
  | { readonly type: 'report-held'; readonly piece: PieceIndex; readonly lease: LeaseId; readonly millis: Millis }
  | { readonly type: 'report-near'; readonly piece: PieceIndex; readonly lease: LeaseId }
  | { readonly type: 'report-failed'; readonly piece: PieceIndex; readonly lease: LeaseId; readonly fault: FaultCode }
  | { readonly type: 'report-lost'; readonly pieces: readonly PieceIndex[] }
  | { readonly type: 'report-window'; readonly window: PieceWindow | null; readonly whole?: true }
  /** `from`: what it vouches for is of use, from that word on. */
  | { readonly type: 'ask-parent'; readonly parent: ParentAddress; readonly from?: number }
  /**
   * Read the source from piece `from` up to, not including, `end` (null = to the last). While no content is known the
   * shell finds out what the source has, says `opened`, and reads what is missing from the first missing piece on.
   */
  | {
      readonly type: 'read-source';
      readonly read: ReadId;
      readonly from: PieceIndex;
      readonly end: PieceIndex | null;
      /** Why not from the supernode; absent = the user wants it so. */
      readonly why?: FaultValue;
    }
  | { readonly type: 'stop-source'; readonly read: ReadId }
  /** Forget the content: the next `opened` brings another. */
  | { readonly type: 'forget' }
  /** Check the whole content's digest. */
  | { readonly type: 'check' }
  | { readonly type: 'leave' }
  | { readonly type: 'finish' }
  | { readonly type: 'fail'; readonly fault: FaultValue }
  /** Send a `tick` at this time; replaces an earlier wish; null = none. */
  | { readonly type: 'wake-at'; readonly time: Millis | null };
