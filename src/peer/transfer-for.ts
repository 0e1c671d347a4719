/**
 * The mind of one download. What lies on disk as a whole and is named by its digest needs no supernode and no source: it
 * is what it is, and its last check is all that is left to do.
 */
import { namesBytes } from '../protocol/identity.ts';
import { Transfer } from '../transfer/transfer.ts';
import type { DownloadRequest } from './engine.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Place } from './place.ts';

export function transferFor(parts: EngineParts, request: DownloadRequest, place: Place): Transfer {
  const { noBackToSource, timeoutMs, minRate, only, spec } = request;
  const pattern = namesBytes(spec.digest) && place.prior()?.complete === true ? 'source' : request.pattern;
  return new Transfer({
    pattern,
    only,
    backToSource: !noBackToSource || request.pattern === 'source',
    random: parts.random,
    self: parts.host,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(minRate === undefined ? {} : { minRate }),
    ...(parts.transferLimits === undefined ? {} : { limits: parts.transferLimits }),
  });
}
