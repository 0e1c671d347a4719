/** The engine's request for what a client wants: the content, and how its source is to be asked on the client's behalf. */
import type { DownloadRequest } from '../peer/engine.ts';
import type { Digest } from '../protocol/task.ts';
import { credentialOf, type Exchange } from './exchange.ts';
import { pairs, without } from './headers.ts';
import { authorized, type OwnCredentials } from './registry/own-credentials.ts';

export type RequestParts = {
  readonly own: OwnCredentials;
  /** What the configuration says of all downloads. */
  readonly request: Pick<DownloadRequest, 'pattern' | 'nodes' | 'noBackToSource' | 'localLimit' | 'minRate'>;
  readonly filter: readonly string[];
};

/** They belong to this one request, not to the content. */
const OF_THE_REQUEST = new Set([
  'host',
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'accept-encoding',
  'content-length',
  'expect',
  'trailer',
]);

export async function requestFor(
  exchange: Exchange,
  digest: Digest | undefined,
  { own, request, filter }: RequestParts,
): Promise<DownloadRequest> {
  const { url, trust, origin, policy, headers: lines } = exchange;
  const base = { url, method: 'GET', headers: lines, trust, origin, policy };
  const authorization = await own.authorization(base);
  const { headers } = authorization === undefined ? base : authorized(base, authorization);
  const spec = {
    url: url.href,
    headers: [...pairs(without(headers, OF_THE_REQUEST))],
    filter,
    ...(digest === undefined ? {} : { digest }),
    ...(trust.insecure ? { insecure: true } : {}),
    ...(trust.cacerts.length === 0 ? {} : { cacerts: trust.cacerts }),
  };
  return { spec, ...request };
}

/** Names the content and who asks for it. */
export function keyFor(exchange: Exchange, digest: Digest | undefined): string {
  return `${digest ?? exchange.url.href} ${credentialOf(exchange)}`;
}
