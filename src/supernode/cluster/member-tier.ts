/** Other supernodes' caches, as far as the shared state says that they have all of a content. */
import { Fault } from '../../protocol/faults.ts';
import type { Span } from '../../protocol/piece.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier, ReadWatch } from './content-tier.ts';
import { type Places, readPlace } from './places.ts';

const READ_BYTES = 4 * 1024 * 1024;
const LANES = 4;

export class MemberTier implements ContentTier {
  readonly name = 'supernodes';
  readonly readBytes = READ_BYTES;
  readonly lanes = LANES;
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  /** The first one that answers; the one that said it last goes first. */
  async read(entry: Entry, span: Span, into: Uint8Array, { signal }: Pick<ReadWatch, 'signal'>): Promise<void> {
    let fault = new Fault('peer-lacks', 'no other supernode is known to have it');
    for (const place of entry.holders) {
      if (this.#places.rests(place)) continue;
      try {
        await readPlace(this.#places, place, { content: entry.id, span, into, signal });
        return;
      } catch (error) {
        fault = Fault.of(error);
        if (signal.aborted) break;
      }
    }
    throw fault;
  }
}
