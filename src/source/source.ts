/** The port to where contents come from. One file per kind of source; `sources.ts` picks by the URL's scheme. */
import type { Digest, SourceFacts, TaskSpec } from '../protocol/task.ts';
import type { ByteStream } from './byte-stream.ts';

/** What of a task a source must know to read it in the asker's place. Holds secrets. */
export type SourcePlace = Pick<TaskSpec, 'url' | 'headers' | 'insecure' | 'cacerts' | 's3' | 'signature'>;

export type SourceRequest = SourcePlace & {
  /** Bytes from `start` to `end` (exclusive; absent = to the last). */
  readonly range?: { readonly start: number; readonly end?: number };
  /** With a range: only if the content is still this one (If-Range). */
  readonly ifRange?: SourceFacts;
  /** Answer 'unchanged' if the content is still this one (If-None-Match, If-Modified-Since). */
  readonly ifChanged?: SourceFacts;
  /** No byte for this long = Fault source-unreachable. Milliseconds. */
  readonly stallMs: number;
  readonly signal?: AbortSignal;
};

export type SourceAnswer =
  | { readonly type: 'unchanged'; readonly facts: SourceFacts; readonly freshForMs: number | null }
  | {
      readonly type: 'body';
      /** First byte that follows: 0, or the range's start when the source took the range. */
      readonly start: number;
      /** Where what follows ends (exclusive), when that is less than the content's end. */
      readonly end?: number;
      /** Length of the whole content, or null when the source does not tell (chunked). */
      readonly length: number | null;
      readonly facts: SourceFacts;
      /** How long the source says that it stays fresh; null = not said. */
      readonly freshForMs: number | null;
      /** Left before its end it must be closed, as leaving a loop over it does. */
      readonly body: ByteStream;
    };

export type SourceBody = Extract<SourceAnswer, { type: 'body' }>;

/** One file of a tree. */
export type SourceEntry = {
  readonly url: string;
  /** Below the listed URL, as names between slashes; not checked for what a file system makes of it. */
  readonly path: string;
  readonly bytes: number | null;
  /** Where the listing tells it. */
  readonly digest?: Digest;
};

export type ListRequest = Pick<SourceRequest, keyof SourcePlace | 'stallMs' | 'signal'>;

/**
 * Faults: source-refused (with sourceStatus) for an answer that trying again won't mend; source-unreachable for network
 * errors, stalls, 5xx and 429 (with sourceStatus and retryAfterMs where there are such); source-lied when the body ends early;
 * source-changed for a range of another content than `ifRange`.
 */
export interface Source {
  readonly schemes: readonly string[];
  open(request: SourceRequest): Promise<SourceAnswer>;
  /** All files below the URL. Absent = this kind has no listing. */
  list?(request: ListRequest): AsyncIterable<SourceEntry>;
}

export function placeOf(spec: TaskSpec): SourcePlace {
  const { url, headers, insecure, cacerts, s3, signature } = spec;
  return {
    url,
    headers,
    ...(insecure === undefined ? {} : { insecure }),
    ...(cacerts === undefined ? {} : { cacerts }),
    ...(s3 === undefined ? {} : { s3 }),
    ...(signature === undefined ? {} : { signature }),
  };
}
