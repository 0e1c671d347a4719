/** What the cache tells those around it: the swarms, the cluster, the store behind. */
import type { Fault } from '../../protocol/faults.ts';
import type { PieceIndex } from '../../protocol/ids.ts';
import type { Entry } from './entry.ts';

export type CacheEvents = {
  /** A content has become current, or its length has become known. */
  shaped(entry: Entry): void;
  pieceHeld(entry: Entry, piece: PieceIndex): void;
  /** All digests are known; said again when all bytes have come to the cache. */
  completed(entry: Entry): void;
  broken(entry: Entry, fault: Fault): void;
  /** It is not the task's content any more, or its bytes are gone from the cache. */
  dropped(entry: Entry): void;
  /** Pieces of it turned out to be spoilt on the cache's disk. */
  spoilt(entry: Entry, pieces: readonly PieceIndex[]): void;
};

/** For listeners that care for a part of it. */
export const IGNORED_EVENTS: CacheEvents = {
  shaped: () => undefined,
  pieceHeld: () => undefined,
  completed: () => undefined,
  broken: () => undefined,
  dropped: () => undefined,
  spoilt: () => undefined,
};

/** Each listener hears all, one after the other. */
export function tellAll(listeners: readonly CacheEvents[]): CacheEvents {
  const each = (tell: (listener: CacheEvents) => void): void => {
    for (const listener of listeners) tell(listener);
  };
  return {
    shaped: (entry) => each((one) => one.shaped(entry)),
    pieceHeld: (entry, piece) => each((one) => one.pieceHeld(entry, piece)),
    completed: (entry) => each((one) => one.completed(entry)),
    broken: (entry, fault) => each((one) => one.broken(entry, fault)),
    dropped: (entry) => each((one) => one.dropped(entry)),
    spoilt: (entry, pieces) => each((one) => one.spoilt(entry, pieces)),
  };
}
