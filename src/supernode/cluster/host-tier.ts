/**
 * Hosts as a place to read from: after another supernode has gone, they have what it had read. The cache is then one more
 * child, a modest one: a piece at a time from a host, a few in all.
 */
import type { Bitfield } from '../../base/bitfield.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId, PieceIndex } from '../../protocol/ids.ts';
import { placeText } from '../../protocol/member.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier, ReadWatch } from './content-tier.ts';
import { type Places, readPlace } from './places.ts';

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

  async read(
    entry: Entry,
    span: { readonly start: number; readonly end: number },
    into: Uint8Array,
    { signal }: Pick<ReadWatch, 'signal'>,
  ) {
    const piece = span.start / entry.shape.pieceSize;
    const { places } = this.#parts;
    const asked = new Set<string>();
    let fault = new Fault('peer-lacks', `no host has piece ${piece}`);
    while (asked.size < MAX_ASKED && !signal.aborted) {
      const able = this.#holdings(entry.id).filter(
        ({ place, held }) => held.has(piece) && !places.rests(place) && !asked.has(placeText(place.ip, place.port)),
      );
      // One after the other, so that no host has to give it all.
      const chosen = able[this.#turn++ % Math.max(1, able.length)];
      if (chosen === undefined) break;
      asked.add(placeText(chosen.place.ip, chosen.place.port));
      try {
        await readPlace(places, chosen.place, { content: entry.id, span, into, signal });
        return;
      } catch (error) {
        fault = Fault.of(error);
      }
    }
    throw fault;
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
