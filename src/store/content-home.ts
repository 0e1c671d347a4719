/** What a content on disk is made of: what it shares with all others of its store, and what is its own. */
import type { Clock } from '../base/clock.ts';
import type { BufferPool } from '../io/buffers.ts';
import type { FreshFiles } from '../io/fresh-files.ts';
import type { OpenFiles } from '../io/open-files.ts';
import type { Fault } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { Journal } from './journal.ts';
import type { PieceTable } from './piece-table.ts';
import type { Space } from './space.ts';
import type { ContentMeta } from './store.ts';

export type ContentHome = {
  readonly clock: Clock;
  readonly bootId: string;
  readonly files: OpenFiles;
  readonly fresh: FreshFiles;
  readonly scratch: BufferPool;
  readonly space: Space;
  readonly onError: (fault: Fault) => void;
};

export type ContentParts = {
  readonly id: ContentId;
  readonly folder: string;
  readonly meta: ContentMeta;
  readonly usedAt: number;
  readonly table: PieceTable;
  readonly journal: Journal;
  /** As the journal's header has it: another one than the home's says that the power may have been cut. */
  readonly bootId: string;
};
