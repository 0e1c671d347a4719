/**
 * The language between an agent and a supernode. One WebSocket per host; each text frame is a JSON array of messages in
 * order, so that everything which one turn of the event loop has to say costs one frame. `codec.ts` checks what comes in.
 * Versions: who does not know a field does not read it, so a new one asks for what only its reader will do.
 */
import type { FaultCode, FaultValue } from './faults.ts';
import type { HostDescription, ParentAddress } from './host.ts';
import type { ContentId, LeaseId, PieceIndex, TaskId } from './ids.ts';
import type { Member } from './member.ts';
import type { ContentShape } from './piece.ts';
import type { Manifest, SourceFacts, Staleness, TaskSpec } from './task.ts';

export const PROTOCOL_VERSION = 1;
/** Contents up to this length travel inside `opened`. */
export const INLINE_MAX_BYTES = 64 * 1024;
/** Longer pieces are not given with their assignment. */
export const GIVEN_MAX_BYTES = 256 * 1024;

/** Names one `fetch` for as long as the session lives. */
export type FetchId = number;

/** One content on a host's disk. `held` is base64 of a bitfield, or 'all'. */
export type InventoryEntry = {
  readonly content: ContentId;
  readonly shape: ContentShape;
  readonly held: string;
  readonly hasManifest: boolean;
};

/** `millis` = time from sending the request to the last byte; 0 when there was no transfer. */
export type HeldPiece = readonly [piece: PieceIndex, lease: LeaseId, millis: number];
/** Three quarters of it are here. */
export type NearPiece = readonly [piece: PieceIndex, lease: LeaseId];
export type FailedPiece = readonly [piece: PieceIndex, lease: LeaseId, fault: FaultCode];

export type HostMessage =
  /** First message of a session. `token` is the cluster's join token, where one is demanded. */
  | { readonly type: 'hello'; readonly protocol: number; readonly host: HostDescription; readonly token?: string }
  /** All that the host holds, in as many messages as needed; `last` ends it. Sent after `welcome`. */
  | { readonly type: 'inventory'; readonly contents: readonly InventoryEntry[]; readonly last: boolean }
  /**
   * "I want this task." Answered by one `opened` or `refused` with the same `request`. `having` is what an earlier
   * attempt left on disk: it counts only if the supernode is still at that generation. `window` says that a reader
   * needs pieces in order from there on; `only: 'window'` that it needs nothing else for now: it gets the pieces of its
   * windows and no others.
   */
  | {
      readonly type: 'open';
      readonly request: number;
      readonly task: TaskId;
      readonly spec: TaskSpec;
      readonly having?: {
        readonly content: ContentId;
        readonly shape: ContentShape;
        readonly held: string;
        readonly hasManifest: boolean;
      };
      readonly window?: PieceWindow;
      readonly only?: 'window';
      /** The first piece may come with its assignment, as `given`, if it is no longer than so many bytes. Absent = none may. */
      readonly give?: number;
      /** As the supernode's `fetch` had it: the content is given without asking the source anything. */
      readonly grant?: string;
    }
  | {
      readonly type: 'report';
      readonly content: ContentId;
      readonly held: readonly HeldPiece[];
      readonly failed: readonly FailedPiece[];
      /** Of assignments that asked for it. */
      readonly near?: readonly NearPiece[];
    }
  /** Pieces that the host does not hold any more (changed under it, or evicted): 'all' or single ones. */
  | { readonly type: 'lost'; readonly content: ContentId; readonly pieces: readonly PieceIndex[] | 'all' }
  /** The reader is elsewhere. `whole: true` ends an `only: 'window'`: from now on the host wants all of the content. */
  | {
      readonly type: 'window';
      readonly content: ContentId;
      readonly window: PieceWindow | null;
      readonly whole?: true;
    }
  /** Done with downloading (finished, cancelled or failed); what it holds it goes on serving. */
  | { readonly type: 'leave'; readonly content: ContentId }
  /** Answer to `ask-manifest`. */
  | { readonly type: 'manifest'; readonly manifest: Manifest }
  /** How far a `fetch` is, now and then; `length` null = not known yet. */
  | { readonly type: 'fetching'; readonly fetch: FetchId; readonly done: number; readonly length: number | null }
  /** The end of a `fetch`: all of it is here, or why not. */
  | { readonly type: 'fetched'; readonly fetch: FetchId; readonly fault?: FaultValue }
  | { readonly type: 'beat' };

/** Pieces `from` … `from + count - 1` are wanted first, in order. */
export type PieceWindow = { readonly from: PieceIndex; readonly count: number };

/** `parent` indexes the message's `parents`; `digest` (base64 sha256) is left out when the child has the manifest. */
export type Assignment = readonly [piece: PieceIndex, parent: number, lease: LeaseId, digest?: string];

export type SupernodeMessage =
  | { readonly type: 'welcome'; readonly protocol: number; readonly supernode: string; readonly beatMs: number }
  | {
      readonly type: 'opened';
      readonly request: number;
      readonly content: ContentId;
      readonly shape: ContentShape;
      readonly facts: SourceFacts;
      /** Present as soon as every piece's digest is known. */
      readonly manifest?: Manifest;
      /** base64 of the whole content, for contents up to INLINE_MAX_BYTES. */
      readonly inline?: string;
      readonly stale?: Staleness;
    }
  | { readonly type: 'refused'; readonly request: number; readonly fault: FaultValue }
  /**
   * The supernodes of the cluster, this one among them: after `welcome` and whenever they change. `fresh: false` says
   * that it cannot know at present what became of the others.
   */
  | { readonly type: 'members'; readonly fresh: boolean; readonly members: readonly Member[] }
  | {
      readonly type: 'assign';
      readonly content: ContentId;
      readonly parents: readonly ParentAddress[];
      readonly pieces: readonly Assignment[];
      /** Each of them is to be told, once, when it is near its end: what comes after it is decided meanwhile. */
      readonly near?: true;
      /** The supernode is busy: reports may be gathered for so long while there is more to do than to tell. */
      readonly gatherMs?: number;
    }
  /**
   * Comes in a frame of bytes (bytes-frame.ts), once per `open` with `give`, before the assignment of that lease, whose digest
   * alone says whether the bytes are right. Who has no use for them fetches the piece as any other.
   */
  | { readonly type: 'given'; readonly content: ContentId; readonly lease: LeaseId; readonly bytes: Uint8Array }
  | { readonly type: 'cancel'; readonly content: ContentId; readonly leases: readonly LeaseId[] }
  /** The length has become known. */
  | { readonly type: 'shape'; readonly content: ContentId; readonly shape: ContentShape }
  /** All digests are known. */
  | { readonly type: 'manifest'; readonly manifest: Manifest }
  /** The content cannot be completed by the supernode; the child decides by the fault what to do. */
  | { readonly type: 'failed'; readonly content: ContentId; readonly fault: FaultValue }
  | { readonly type: 'ask-manifest'; readonly content: ContentId }
  /**
   * "Get this before anybody asks for it." Answered by `fetching` and one `fetched`. The spec has no credentials: with the
   * `grant` this supernode gives the content to this host alone, which never talks to the source.
   */
  | {
      readonly type: 'fetch';
      readonly fetch: FetchId;
      readonly task: TaskId;
      readonly spec: TaskSpec;
      readonly grant: string;
    }
  | { readonly type: 'stop-fetch'; readonly fetch: FetchId };
