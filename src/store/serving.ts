/** How a stored content looks to the piece server and on the wire: only whole verified pieces are given away. */
import type { Servable } from '../io/piece-server.ts';
import { piecesOf } from '../protocol/piece.ts';
import type { StoredContent } from './store.ts';

/** `vouchedSince`: what this host knows of it by itself. */
export function servable(content: StoredContent, vouchedSince?: Servable['vouchedSince']): Servable {
  return {
    get shape() {
      return content.shape;
    },
    has(span) {
      const { first, last } = piecesOf(content.shape, span);
      for (let piece = first; piece <= last; piece++) if (!content.has(piece)) return false;
      return true;
    },
    read: (offset, into) => content.read(offset, into),
    acquire: () => content.acquire(),
    release: () => content.release(),
    heldBase64: () => heldText(content),
    ...(vouchedSince === undefined ? {} : { vouchedSince }),
  };
}

/** base64 of the bitfield, or `all`. */
export function heldText(content: StoredContent): string {
  return content.complete ? 'all' : Buffer.from(content.held.toBytes()).toString('base64');
}
