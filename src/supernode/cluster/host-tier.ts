/**
 * Hosts as a place to read from: after another supernode has gone, they have what it had read. The cache is then one more
 * child, a modest one: a piece at a time from a host, a few in all.
 */
import type { Bitfield } from '../../base/bitfield.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import type { ContentId, PieceIndex } from '../../protocol/ids.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier, ReadWatch } from './content-tier.ts';
import { type Places, readFirst } from './places.ts';

/** What a host said it holds of a content. */
export type Holding = { readonly place: ParentPlace; readonly held: Bitfield };

export type HostTierParts = {
  readonly places: Places;
  readonly holdings: (content: ContentId) => Iterable<Holding>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
};

/** Hosts that are looked at for one content. */
const MAX_HOSTS = 64;
/** So long an answer to "who has what?" is good. */
const LOOK_MS = 100;
const LANES = 4;
/** Hosts that are asked for one piece, one after the other, before it is looked for elsewhere. */
const MAX_ASKED = 3;

export class HostTier implements ContentTier {
  readonly name = 'hosts';
  readonly readBytes = 0;
  readonly lanes = LANES;
  readonly #parts: HostTierParts;
  #seen: { readonly content: ContentId; readonly at: number; readonly holdings: readonly Holding[] } | undefined;
  #turn = 0;

  constructor(parts: HostTierParts) {
    this.#parts = parts;
  }

  /** Some host has it now. */
  hold(content: ContentId, piece: PieceIndex): boolean {
    return this.#holdings(content).some(({ held }) => held.has(piece));
  }

  /** One after the other begins, so that no host has to give it all. */
  read(
    entry: Entry,
    span: { readonly start: number; readonly end: number },
    into: Uint8Array,
    { signal }: Pick<ReadWatch, 'signal'>,
  ): Promise<void> {
    const piece = span.start / entry.shape.pieceSize;
    const { places } = this.#parts;
    const able = this.#holdings(entry.id).flatMap(({ place, held }) =>
      held.has(piece) && !places.rests(place) ? [place] : [],
    );
    const first = this.#turn++ % Math.max(1, able.length);
    const asked = [...able.slice(first), ...able.slice(0, first)].slice(0, MAX_ASKED);
    return readFirst(places, asked, { content: entry.id, span, into, signal, lacking: `no host has piece ${piece}` });
  }

  #holdings(content: ContentId): readonly Holding[] {
    const now = this.#parts.now();
    if (this.#seen?.content === content && now - this.#seen.at < LOOK_MS) return this.#seen.holdings;
    const holdings: Holding[] = [];
    for (const holding of this.#parts.holdings(content)) {
      holdings.push(holding);
      if (holdings.length >= MAX_HOSTS) break;
    }
    this.#seen = { content, at: now, holdings };
    return holdings;
  }
}
