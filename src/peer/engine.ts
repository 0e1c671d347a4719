/**
 * One engine per machine: what `dfget server` runs for the command line and dfdaemon runs for container engines. This
 * file is its face; agent.ts builds it.
 */
import type { FaultValue } from '../protocol/faults.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import type { Digest, Pattern, SourceFacts, Staleness, TaskSpec } from '../protocol/task.ts';
import type { HandOver } from '../store/store.ts';

export type DownloadRequest = {
  readonly spec: TaskSpec;
  readonly pattern: Pattern;
  /** `host:port=weight` forms; empty = those that the agent was started with. */
  readonly nodes: readonly string[];
  /** Fail instead of going back to the source. */
  readonly noBackToSource: boolean;
  /** Bytes per second; absent = unlimited. */
  readonly localLimit?: number;
  /** Milliseconds for the whole download; absent = derived from length and minRate, or none. */
  readonly timeoutMs?: number;
  /** Bytes per second under which a download counts as too slow, used to derive the timeout. */
  readonly minRate?: number;
  /** Pieces that may wait for the disk. */
  readonly clientQueue?: number;
  /** Only what is read is fetched, until somebody opens the same task for the whole. */
  readonly only?: 'window';
  /** A reader will take it from the first byte on: what he needs first is asked for with the content. */
  readonly inOrder?: true;
  /** Of a supernode that told this host to get the content: the source is not asked whether it may. */
  readonly grant?: string;
};

export type DownloadProgress = {
  readonly length: number | null;
  /** Bytes verified and on disk, whatever brought them. */
  readonly done: number;
  readonly fromPeers: number;
  /** From the supernode's cache. */
  readonly fromSupernode: number;
  /** Read from the source by this host itself. */
  readonly fromSource: number;
  /** On disk before this download began. */
  readonly fromDisk: number;
};

export type DownloadResult = DownloadProgress & {
  readonly content: ContentId;
  readonly digest?: Digest;
  /** Why the source was read by this host; absent = it was not. */
  readonly backToSource?: FaultValue;
  /** It may be out of date: the supernode could not ask the source. */
  readonly stale?: Staleness;
};

export type OpenedContent = {
  readonly content: ContentId;
  readonly shape: ContentShape;
  readonly facts: SourceFacts;
  readonly stale?: Staleness;
};

export interface Download {
  readonly task: TaskId;
  readonly progress: DownloadProgress;
  /** Shape and facts are known, and no byte yet need be here. Rejects with a Fault. */
  readonly opened: Promise<OpenedContent>;
  /** Every piece is on disk and the whole digest, where one was given, is right. Rejects with a Fault. */
  readonly finished: Promise<DownloadResult>;
  onProgress(listener: (progress: DownloadProgress) => void): () => void;
  /**
   * Verified bytes `start` to `end` in order as they arrive; pieces in the window ahead are fetched first. A chunk is good
   * until the next one is asked for.
   */
  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Brings what is here so far to the disk itself, so that a hand-over with `sync` has less to wait for. Fault local-io. */
  flush(): Promise<void>;
  /** Waits for `finished`, then makes the file appear. */
  handOver(path: string, options: { readonly copy?: boolean; readonly sync?: boolean }): Promise<HandOver>;
  /** This asker is done with it. The last one's release stops a running download; its verified pieces stay. */
  release(): void;
}

export interface Engine {
  /** Two opens of one task share one download; each gets a handle of its own. */
  open(request: DownloadRequest): Download;
  close(): Promise<void>;
}

/** One line each of the answer to POST /v1/downloads on the agent's socket (NDJSON). */
export type DownloadEvent =
  | {
      readonly type: 'opened';
      readonly task: TaskId;
      readonly content: ContentId;
      readonly length: number | null;
      readonly stale?: Staleness;
    }
  | ({ readonly type: 'progress' } & DownloadProgress)
  | {
      readonly type: 'done';
      readonly result: DownloadResult;
      readonly output: string;
      readonly by: HandOver;
      readonly millis: number;
    }
  | { readonly type: 'failed'; readonly fault: FaultValue };

/** Body of POST /v1/downloads. */
export type AgentDownloadRequest = DownloadRequest & {
  /** Absolute path. */
  readonly output: string;
  readonly copy: boolean;
  readonly sync: boolean;
};

/** One line each of the answer to POST /v1/batches. */
export type BatchEvent = DownloadEvent & {
  /** Which of the request's files it speaks of, from 0 on. */
  readonly item: number;
};

/** Body of POST /v1/batches: what is common to all, and the files with what is theirs alone. */
export type AgentBatchRequest = Omit<AgentDownloadRequest, 'output' | 'spec'> & {
  readonly spec: Omit<TaskSpec, 'url' | 'digest'>;
  readonly files: readonly (Pick<TaskSpec, 'url' | 'digest' | 's3' | 'signature'> &
    Partial<Pick<TaskSpec, 'headers'>> & { readonly output: string })[];
};
