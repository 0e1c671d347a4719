/** Piece servers of others as this supernode reads from them: one client for all, and a rest for those that failed. */
import { LRUCache } from 'lru-cache';
import { type ParentPlace, PieceClient } from '../../io/piece-client.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId } from '../../protocol/ids.ts';
import { placeText } from '../../protocol/member.ts';
import type { Span } from '../../protocol/piece.ts';
import { contentPath } from '../../protocol/piece-path.ts';

const CONNECTIONS_PER_PLACE = 2;
const CONNECT_TIMEOUT_MS = 1_000;
/** Servers of one cluster are near: one that is silent for so long stands still. A successor's hosts wait meanwhile. */
const STALL_MS = 1_500;
/**
 * One that did not answer is left alone for so long, twice as long after each further failure: a machine that is gone would cost each
 * piece a time-out, but one that failed once may be the only one that has the content.
 */
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 16_000;
const MAX_RESTING = 1_000;

export class Places {
  readonly client = new PieceClient({
    maxConnectionsPerParent: CONNECTIONS_PER_PLACE,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  readonly #resting = new LRUCache<string, Rest>({ max: MAX_RESTING });
  readonly #now: () => number;

  /** `now` in milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  rests(place: ParentPlace): boolean {
    return this.#now() < (this.#resting.get(placeText(place.ip, place.port))?.until ?? 0);
  }

  failed(place: ParentPlace): void {
    const key = placeText(place.ip, place.port);
    const last = this.#resting.get(key);
    const now = this.#now();
    // What was under way when the first one failed is the same failure.
    if (last !== undefined && now < last.until) return;
    const again = last !== undefined && now - last.until < LONGEST_REST_MS;
    const rest = again ? Math.min(2 * last.rest, LONGEST_REST_MS) : FIRST_REST_MS;
    this.#resting.set(key, { until: now + rest, rest });
  }

  answered(place: ParentPlace): void {
    this.#resting.delete(placeText(place.ip, place.port));
  }

  close(): void {
    this.client.close();
  }
}

/** Until when it is left alone, and how long that was. Milliseconds. */
type Rest = { readonly until: number; readonly rest: number };

export type PlaceRead = {
  readonly content: ContentId;
  readonly span: Span;
  readonly into: Uint8Array;
  readonly signal: AbortSignal;
};

/** From the first of these places that gives it; those that rest are not asked. Fault peer-lacks as said, or the last one's. */
export async function readFirst(
  places: Places,
  candidates: Iterable<ParentPlace>,
  { lacking, ...read }: PlaceRead & { readonly lacking: string },
): Promise<void> {
  let fault = new Fault('peer-lacks', lacking);
  for (const place of candidates) {
    if (read.signal.aborted) break;
    if (places.rests(place)) continue;
    try {
      await readPlace(places, place, read);
      return;
    } catch (error) {
      fault = Fault.of(error);
    }
  }
  throw fault;
}

/** Faults as of the piece client. */
async function readPlace(places: Places, place: ParentPlace, read: PlaceRead): Promise<void> {
  const { content, span, into, signal } = read;
  try {
    await places.client.fetch(place, contentPath(content), span, into, { stallMs: STALL_MS, signal });
    places.answered(place);
  } catch (error) {
    const { code } = Fault.of(error);
    // To lack a piece is no failure of the place.
    if (code !== 'peer-lacks' && code !== 'cancelled') places.failed(place);
    throw error;
  }
}
