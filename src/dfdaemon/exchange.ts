/** One request of a client on its way to a target: what every part of dfdaemon needs to know of it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sha256Hex } from '../io/hash.ts';
import { allOf, type HeaderLines } from './headers.ts';
import type { CredentialPolicy, Trust } from './registry/upstreams.ts';
import type { Origin } from './targets.ts';

export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The target, absolute. */
  readonly url: URL;
  /** Header lines for the target: end to end ones, Host first, credentials by the policy. */
  readonly headers: HeaderLines;
  readonly trust: Trust;
  readonly policy: CredentialPolicy;
  readonly origin: Origin;
  /** How paths of the target look to this client; absent = as they are (it believes to speak to the target itself). */
  readonly mirror?: { readonly prefix: string; readonly inner: string };
  /** The origin that the client believes to speak to, where a rule led elsewhere. */
  readonly seenAs?: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
};

/** Names the credentials of a request without holding them; the same for all requests without any. */
export function credentialOf({ headers, policy }: Pick<Exchange, 'headers' | 'policy'>): string {
  if (policy.type === 'own') return 'own';
  const sent = [allOf(headers, 'authorization'), allOf(headers, 'cookie')];
  return sent.every((lines) => lines.length === 0) ? 'none' : sha256Hex(JSON.stringify(sent));
}
