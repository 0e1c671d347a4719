/** Other supernodes' caches, as far as the shared state says that they have all of a content. */
import type { Span } from '../../protocol/piece.ts';
import type { Entry } from '../cache/entry.ts';
import type { ContentTier, ReadWatch } from './content-tier.ts';
import { type Places, readFirst } from './places.ts';

const LANES = 4;

export class MemberTier implements ContentTier {
  readonly name = 'supernodes';
  readonly readBytes = 0;
  readonly lanes = LANES;
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  /** The first one that answers; the one that said it last goes first. */
  read({ id, holders }: Entry, span: Span, into: Uint8Array, { signal }: Pick<ReadWatch, 'signal'>): Promise<void> {
    const lacking = 'no other supernode is known to have it';
    return readFirst(this.#places, holders, { content: id, span, into, signal, lacking });
  }
}
