/** The port to where contents come from. One file per kind of source; `sources.ts` picks by the URL's scheme. */
import type { SourceFacts } from '../protocol/task.ts';

export type SourceRequest = {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes from `start` to `end` (exclusive; absent = to the last). */
  readonly range?: { readonly start: number; readonly end?: number };
  /** With a range: only if the content is still this one (If-Range). */
  readonly ifRange?: SourceFacts;
  /** Without a range: answer 'unchanged' if the content is still this one (If-None-Match, If-Modified-Since). */
  readonly ifChanged?: SourceFacts;
  readonly insecure?: boolean;
  readonly cacerts?: readonly string[];
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
      /** Length of the whole content, or null when the source does not tell (chunked). */
      readonly length: number | null;
      readonly facts: SourceFacts;
      /** How long the source says that it stays fresh; null = not said. */
      readonly freshForMs: number | null;
      /** The bytes as they come. Leaving the loop early closes the connection. Throws Faults. */
      readonly body: AsyncIterable<Uint8Array>;
    };

/**
 * Faults: source-refused (with sourceStatus) for an answer that trying again won't mend; source-unreachable for network
 * errors, stalls, 5xx and 429 (with sourceStatus where there is one); source-lied when the body ends early.
 */
export interface Source {
  readonly schemes: readonly string[];
  open(request: SourceRequest): Promise<SourceAnswer>;
}
