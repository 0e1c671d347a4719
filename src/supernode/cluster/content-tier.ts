/**
 * Where bytes of a content lie that is not the source: hosts, other supernodes' caches, a store behind them all. A tier gives
 * bytes, not truth: who reads proves every piece by its digest, and asks the next tier for what was wrong or missing.
 */
import type { Span } from '../../protocol/piece.ts';
import type { Entry } from '../cache/entry.ts';

export type ReadWatch = {
  readonly signal: AbortSignal;
  /** So many bytes are there. A tier that can, says it as they come: then nobody waits for the rest of the read. */
  readonly arrived: (bytes: number) => void;
};

export interface ContentTier {
  /** For the log. */
  readonly name: string;
  /** Most bytes of one read; a single piece may be longer. 0 where `arrived` is not said: then each piece is a read, and nobody waits for others. */
  readonly readBytes: number;
  /** Reads of one content at once. */
  readonly lanes: number;
  /** Fills `into` with these bytes, from the first to the last. Rejects with a Fault when it has them not, or not now. */
  read(entry: Entry, span: Span, into: Uint8Array, watch: ReadWatch): Promise<void>;
}
