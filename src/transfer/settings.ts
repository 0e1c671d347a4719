/** How one transfer is to be done. */
import type { HostId } from '../protocol/ids.ts';
import type { Pattern } from '../protocol/task.ts';
import type { TransferLimits } from './limits.ts';

export type TransferSettings = {
  readonly pattern: Pattern;
  /** Only what readers ask for, until somebody wants the whole. */
  readonly only?: 'window' | undefined;
  /** False = fail instead of reading the source. */
  readonly backToSource: boolean;
  readonly timeoutMs?: number;
  /** Bytes per second under which it takes too long; used where no timeout is given. */
  readonly minRate?: number;
  readonly limits?: Partial<TransferLimits>;
  /** This host's name among others; absent = it reads the source without regard to them. */
  readonly self?: HostId;
  /** 0 to 1. */
  readonly random: () => number;
};
