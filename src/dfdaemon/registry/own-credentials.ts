/**
 * Requests to a registry with the configuration's credentials, where the policy says so: Basic, or a token that is asked
 * for once per scope and used ahead of the next challenge. With the client's own credentials nothing is added here.
 */
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { basicAuthorization, type Credential, RegistryTokens, type SmallGet } from '../../io/registry-tokens.ts';
import { asksBasic, parseChallenges, type TokenChallenge, tokenChallenge } from '../../protocol/oci/challenge.ts';
import { HEAD_TIMEOUT_MS, smallBody } from '../answer-limits.ts';
import { allOf, withHeader } from '../headers.ts';
import type { UpstreamClient, UpstreamRequest } from '../upstream-client.ts';
import { parseDistributionPath, pullScope } from './distribution-path.ts';
import type { CredentialPolicy } from './upstreams.ts';

export type RegistryRequest = UpstreamRequest & { readonly policy: CredentialPolicy };

type Way = { readonly type: 'basic' } | { readonly type: 'token'; readonly challenge: TokenChallenge };

const MAX_REGISTRIES = 256;
const MAX_TOKEN_ANSWER_BYTES = 1024 * 1024;
const UNAUTHORIZED = 401;

export class OwnCredentials {
  readonly #client: UpstreamClient;
  readonly #tokens: RegistryTokens;
  /** What a registry asked for last time. */
  readonly #ways = new LRUCache<string, Way>({ max: MAX_REGISTRIES });

  constructor(client: UpstreamClient, clock: Clock) {
    this.#client = client;
    this.#tokens = new RegistryTokens(clock);
  }

  /** A request without a body. Faults: source-unreachable, usage, cancelled. */
  async send(request: RegistryRequest): Promise<IncomingMessage> {
    const { policy, url } = request;
    if (policy.type !== 'own') return this.#client.get(request);
    const known = await this.authorization(request);
    const answer = await this.#client.get(known === undefined ? request : authorized(request, known));
    if (answer.statusCode !== UNAUTHORIZED) return answer;
    const way = wayOf(answer);
    if (way === undefined) return answer;
    this.#ways.set(url.origin, way);
    answer.resume();
    const authorization = await this.authorization(request);
    return this.#client.get(authorization === undefined ? request : authorized(request, authorization));
  }

  /** What the registry is known to ask for; undefined = nothing, or the client's own business. */
  async authorization({ policy, url, trust, origin }: RegistryRequest): Promise<string | undefined> {
    if (policy.type !== 'own') return undefined;
    const way = this.#ways.get(url.origin);
    if (way === undefined) return undefined;
    const credential: Credential = { username: policy.username, password: policy.password };
    if (way.type === 'basic') return basicAuthorization(credential);
    const path = parseDistributionPath(url.pathname);
    const scope = path.repository === undefined ? {} : { scope: pullScope(path.repository) };
    const get: SmallGet = (place, headers) => this.#small(new URL(place), headers, { trust, origin });
    return `Bearer ${await this.#tokens.token(get, way.challenge, { ...scope, credential })}`;
  }

  async #small(url: URL, headers: Parameters<SmallGet>[1], rest: Pick<UpstreamRequest, 'trust' | 'origin'>) {
    const lines = ['Host', url.host, 'User-Agent', 'dragonfly', ...headers.flat()];
    const timed = { ...rest, headTimeoutMs: HEAD_TIMEOUT_MS };
    const answer = await this.#client.get({ url, method: 'GET', headers: lines, ...timed });
    return { status: answer.statusCode ?? 0, body: await smallBody(answer, MAX_TOKEN_ANSWER_BYTES) };
  }
}

export function authorized<Request extends UpstreamRequest>(request: Request, value: string): Request {
  return { ...request, headers: withHeader(request.headers, 'Authorization', value) };
}

function wayOf(answer: IncomingMessage): Way | undefined {
  const challenges = parseChallenges(allOf(answer.rawHeaders, 'www-authenticate'));
  const challenge = tokenChallenge(challenges);
  if (challenge !== undefined) return { type: 'token', challenge };
  return asksBasic(challenges) ? { type: 'basic' } : undefined;
}
