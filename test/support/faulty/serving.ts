/** src/store/serving.ts of an agent that gives wrong bytes, or that takes requests and never answers one. */
import type { Servable } from '../../../src/io/piece-server.ts';
import { heldText, servable as honest } from '../../../src/store/serving.ts';
import { strikes } from './fault.ts';

export { heldText };

export function servable(...args: Parameters<typeof honest>): Servable {
  const served = honest(...args);
  const read: Servable['read'] = async (offset, into) => {
    if (strikes('mute', `${offset}`)) return new Promise<void>(() => undefined);
    await served.read(offset, into);
    if (strikes('corrupt', `${offset}`)) into[0] = (into[0] ?? 0) ^ 0xff;
  };
  return {
    get shape() {
      return served.shape;
    },
    has: (span) => served.has(span),
    read,
    acquire: () => served.acquire(),
    release: () => served.release(),
    heldBase64: () => served.heldBase64?.() ?? '',
    ...(served.vouchedSince === undefined ? {} : { vouchedSince: served.vouchedSince }),
  };
}
