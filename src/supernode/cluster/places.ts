/** Piece servers of others as this supernode reads from them: one client for all, and a rest for those that failed. */
import { LRUCache } from 'lru-cache';
import { type ParentPlace, PieceClient } from '../../io/piece-client.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId } from '../../protocol/ids.ts';
import type { Span } from '../../protocol/piece.ts';
import { contentPath } from '../../protocol/piece-path.ts';

const CONNECTIONS_PER_PLACE = 2;
const CONNECT_TIMEOUT_MS = 1_000;
const STALL_MS = 3_000;
/** One that did not answer is left alone for so long: a machine that is gone would cost each piece a time-out. */
const REST_MS = 10_000;
const MAX_RESTING = 1_000;

export class Places {
  readonly client = new PieceClient({
    maxConnectionsPerParent: CONNECTIONS_PER_PLACE,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  readonly #resting = new LRUCache<string, number>({ max: MAX_RESTING });
  readonly #now: () => number;

  /** `now` in milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  rests({ ip, port }: ParentPlace): boolean {
    return this.#now() < (this.#resting.get(`${ip} ${port}`) ?? 0);
  }

  rest({ ip, port }: ParentPlace): void {
    this.#resting.set(`${ip} ${port}`, this.#now() + REST_MS);
  }

  close(): void {
    this.client.close();
  }
}

export type PlaceRead = {
  readonly content: ContentId;
  readonly span: Span;
  readonly into: Uint8Array;
  readonly signal: AbortSignal;
};

/** Faults as of the piece client. */
export async function readPlace(places: Places, place: ParentPlace, read: PlaceRead): Promise<void> {
  const { content, span, into, signal } = read;
  try {
    await places.client.fetch(place, contentPath(content), span, into, { stallMs: STALL_MS, signal });
  } catch (error) {
    const { code } = Fault.of(error);
    // To lack a piece is no failure of the place.
    if (code !== 'peer-lacks' && code !== 'cancelled') places.rest(place);
    throw error;
  }
}
