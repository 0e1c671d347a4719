/**
 * Tokens of registries' auth servers: one request per (realm, service, scope, credential) however many wait for it, kept
 * until shortly before it expires. Invariant: a token that was given to one credential never serves another.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { Fault } from '../protocol/faults.ts';
import { parseTokenAnswer, type TokenChallenge, tokenUrl } from '../protocol/oci/challenge.ts';
import { sha256Hex } from './hash.ts';

export type Credential = { readonly username: string; readonly password: string };

/** A small answer as a whole. Faults source-unreachable, cancelled; a status is no fault. */
export type SmallGet = (
  url: string,
  headers: readonly (readonly [name: string, value: string])[],
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

type Kept = { readonly token: string; readonly until: number };

const MAX_TOKENS = 4096;
/** Taken off a token's life, so that it does not expire on its way. */
const MARGIN_SECONDS = 10;

export class RegistryTokens {
  readonly #clock: Clock;
  readonly #kept = new LRUCache<string, Kept>({ max: MAX_TOKENS });
  readonly #asking = new SingleFlight<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The token for a challenge. `scope` goes before the challenge's own. Faults: source-refused when the auth server does
   * not give one, source-unreachable.
   */
  async token(
    get: SmallGet,
    challenge: TokenChallenge,
    asked: { readonly scope?: string; readonly credential?: Credential | undefined } = {},
  ): Promise<string> {
    const scope = asked.scope ?? challenge.scope ?? '';
    const key = sha256Hex(JSON.stringify([challenge.realm, challenge.service ?? '', scope, asked.credential ?? null]));
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#clock.now() < kept.until) return kept.token;
    return this.#asking.do(key, async () => {
      const { token, expiresInSeconds } = await ask(get, tokenUrl(challenge, scope), asked.credential);
      const lifeSeconds = Math.max(expiresInSeconds / 2, expiresInSeconds - MARGIN_SECONDS);
      this.#kept.set(key, { token, until: this.#clock.now() + lifeSeconds * 1000 });
      return token;
    });
  }
}

export function basicAuthorization({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function ask(get: SmallGet, url: string, credential: Credential | undefined) {
  const headers = credential === undefined ? [] : [['authorization', basicAuthorization(credential)] as const];
  const { status, body } = await get(url, headers);
  const place = new URL(url).host;
  if (status >= 500 || status === 429)
    throw new Fault('source-unreachable', `the token server ${place} answered ${status}`, { sourceStatus: status });
  if (status !== 200)
    throw new Fault('source-refused', `the token server ${place} answered ${status}`, { sourceStatus: status });
  const answer = parseTokenAnswer(Buffer.from(body).toString('utf8'));
  if (answer === undefined) throw new Fault('source-refused', `the token server ${place} gave no token`);
  return answer;
}
