/**
 * Tells the cluster what this supernode's cache knows, as it comes to know it. Written behind: no piece waits for it. What
 * was not told when this supernode dies is read from the source once more, so it is told several times a second.
 * Invariant: at most one record of a content is on its way, and says all that was known when it left.
 */
import { SHA256_BYTES } from '../../io/hash.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import type { ContentId } from '../../protocol/ids.ts';
import { pieceCount } from '../../protocol/piece.ts';
import type { Entry } from '../cache/entry.ts';
import { type CacheEvents, IGNORED_EVENTS } from '../cache/events.ts';
import { MAX_HOLDERS, type SharedContent, type SharedState } from './shared-state.ts';

export type SharingParts = {
  readonly state: SharedState;
  /** Where others reach this supernode's piece server. */
  readonly here: ParentPlace;
  /** Between two records of one content. Milliseconds. */
  readonly gapMs?: number;
};

const GAP_MS = 200;
/** Records grow with the content: a long one is told more seldom, so that telling costs at most this. */
const BYTES_PER_MS = 4_096;

export class Sharing implements CacheEvents {
  readonly #parts: SharingParts;
  /** Contents that have something to say. */
  readonly #timers = new Map<ContentId, NodeJS.Timeout>();
  readonly #sending = new Map<ContentId, Promise<void>>();
  #closed = false;

  constructor(parts: SharingParts) {
    this.#parts = parts;
  }

  readonly broken = IGNORED_EVENTS.broken;
  readonly dropped = IGNORED_EVENTS.dropped;
  readonly spoilt = IGNORED_EVENTS.spoilt;

  /** What had been complete is told again, so that it is not forgotten while it is used. */
  shaped(entry: Entry): void {
    if (entry.manifest !== undefined) this.completed(entry);
  }

  pieceHeld(entry: Entry): void {
    if (entry.settled || this.#closed || this.#timers.has(entry.id)) return;
    const { gapMs = GAP_MS } = this.#parts;
    const { shape } = entry;
    if (shape.length === null || !entry.facts.ranges) return;
    const wait = gapMs + (pieceCount(shape) * SHA256_BYTES) / BYTES_PER_MS;
    const tell = (): void => {
      this.#timers.delete(entry.id);
      // What is wrong with a content may be wrong with what was read of it; that its source went away says nothing of that.
      const sound = entry.fault === undefined || entry.fault.code === 'source-unreachable';
      if (entry.manifest === undefined && sound) this.#put(entry);
    };
    this.#timers.set(entry.id, setTimeout(tell, wait));
  }

  completed(entry: Entry): void {
    clearTimeout(this.#timers.get(entry.id));
    this.#timers.delete(entry.id);
    if (!this.#closed) this.#put(entry);
  }

  /** Waits for what is on its way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#sending.values());
  }

  #put(entry: Entry): void {
    const { state, here } = this.#parts;
    const before = this.#sending.get(entry.id) ?? Promise.resolve();
    const sending = before
      .then(() => state.put(sharedOf(entry, here)))
      .finally(() => {
        if (this.#sending.get(entry.id) === sending) this.#sending.delete(entry.id);
      });
    this.#sending.set(entry.id, sending);
  }
}

/** What there is to say of it now. */
export function sharedOf(entry: Entry, here: ParentPlace): SharedContent {
  const { id: content, shape, facts, manifest, stored, holders } = entry;
  const { checkedAt, freshUntil } = stored.meta;
  const life = {
    ...(checkedAt === undefined ? {} : { checkedAt }),
    ...(freshUntil === undefined ? {} : { freshUntil }),
  };
  const others = holders.filter(({ ip, port }) => ip !== here.ip || port !== here.port);
  return {
    ...{ content, shape, facts, life },
    digests: manifest === undefined ? digestsOf(entry) : Buffer.from(manifest.digests, 'base64'),
    ...(manifest === undefined ? {} : { manifest }),
    holders: (stored.complete && manifest !== undefined ? [here, ...others] : others).slice(0, MAX_HOLDERS),
  };
}

/** Of the pieces from the first one on, as far as they are known without a gap. */
function digestsOf(entry: Entry): Uint8Array {
  const known: Uint8Array[] = [];
  const all = pieceCount(entry.shape);
  for (let piece = 0; piece < all; piece++) {
    const digest = entry.digestOf(piece);
    if (digest === undefined) break;
    known.push(digest);
  }
  return Buffer.concat(known);
}
