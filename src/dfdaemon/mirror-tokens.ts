/**
 * Tokens for clients of the mirror. podman and its kin, CRI-O and dockerd ask `GET /v2/` once, before they name an image,
 * and believe what it says about credentials for everything after it; but which registry is meant stands only in the
 * paths that follow. So the mirror itself asks for tokens and gives them: the scope of a token names the image, thereby
 * the registry, and the registry's own token is fetched with the client's credentials, once for all that wait.
 *
 * A registry that wants Basic, or nothing, gives no tokens; then the token stands for the client's credentials, or for
 * none, and is turned back on its way to the registry.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { SingleFlight } from '../base/single-flight.ts';
import {
  asksBasic,
  parseChallenges,
  type TokenChallenge,
  tokenChallenge,
  tokenUrl,
} from '../protocol/oci/challenge.ts';
import { HEAD_TIMEOUT_MS } from './answer-limits.ts';
import { allOf, type HeaderLines, headerOf, withHeader, without } from './headers.ts';
import { mirrorTarget, type Upstream, type UpstreamTable } from './registry/upstreams.ts';
import type { Origin } from './targets.ts';
import type { TokenDesk } from './token-desk.ts';
import type { UpstreamClient } from './upstream-client.ts';

/** Not below /v2/, where it could be a repository's. */
const PATH = '/dfdaemon/token';
const NOTHING = 'dfdaemon-nothing';
const BASIC = 'dfdaemon-basic-';
const MAX_REGISTRIES = 256;
const CHALLENGE_KEPT_MS = 300_000;
/** For tokens that are none; a registry's own say it themselves. */
const VALID_SECONDS = 300;
const API = { 'Docker-Distribution-Api-Version': 'registry/2.0', 'Content-Type': 'application/json' };
const CREDENTIALS = new Set(['authorization']);
/** Handed on to the auth server as the client sent them. */
const PASSED = ['account', 'client_id', 'offline_token'];

type Wanted =
  | { readonly type: 'nothing' }
  | { readonly type: 'basic' }
  | { readonly type: 'token'; readonly challenge: TokenChallenge };
type Scope = { readonly upstream: Upstream; readonly text: string; readonly isTrusted: boolean };

export type MirrorTokensOptions = {
  readonly table: UpstreamTable;
  readonly client: UpstreamClient;
  readonly tokens: TokenDesk;
  readonly clock: Clock;
};

export class MirrorTokens {
  readonly #options: MirrorTokensOptions;
  readonly #wanted = new LRUCache<string, { readonly wanted: Wanted; readonly at: number }>({ max: MAX_REGISTRIES });
  readonly #asking = new SingleFlight<string, Wanted>();

  constructor(options: MirrorTokensOptions) {
    this.#options = options;
  }

  /** True when it is answered: what it says of a registry that is not named yet, or a token. Faults: as of a request. */
  async answer(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<boolean> {
    const { url: line = '', method } = request;
    if (method !== 'GET' && method !== 'HEAD') return false;
    if (isPing(request)) {
      this.#ping(request, response);
      return true;
    }
    if (method !== 'GET' || !(line === PATH || line.startsWith(`${PATH}?`))) return false;
    await this.#token(request, response, origin);
    return true;
  }

  #ping({ headers, socket }: IncomingMessage, response: ServerResponse): void {
    if (/^Bearer /i.test(headers.authorization ?? '')) {
      response.writeHead(200, API).end('{}');
      return;
    }
    const scheme = socket instanceof TLSSocket ? 'https' : 'http';
    const challenge = `Bearer realm="${scheme}://${headers.host ?? ''}${PATH}",service="dfdaemon"`;
    response.writeHead(401, { ...API, 'WWW-Authenticate': challenge });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"a token is needed"}]}');
  }

  async #token(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<void> {
    const asked = new URL(request.url ?? '', 'http://mirror').searchParams;
    const scopes = asked.getAll('scope').flatMap((text) => text.split(' '));
    const found = scopes.map((text) => this.#scopeOf(text)).filter((scope) => scope !== undefined);
    const { upstream, isTrusted } = found[0] ?? { upstream: this.#options.table.standard, isTrusted: true };
    const basic = isTrusted ? basicOf(request) : undefined;
    const wanted: Wanted =
      upstream.credentials.type === 'client' && found.length > 0
        ? await this.#wantedBy(upstream, origin)
        : { type: 'nothing' };
    if (wanted.type !== 'token') {
      const token = wanted.type === 'basic' && basic !== undefined ? `${BASIC}${basic}` : NOTHING;
      const body = { token, access_token: token, expires_in: VALID_SECONDS, issued_at: new Date().toISOString() };
      response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
      response.end(JSON.stringify(body));
      return;
    }
    // A request for tokens of two registries at once cannot be fulfilled; no client makes it.
    const same = found.filter((scope) => scope.upstream.origin === upstream.origin).map(({ text }) => text);
    const url = new URL(tokenUrl(wanted.challenge, same.join(' ')));
    for (const name of PASSED) for (const value of asked.getAll(name)) url.searchParams.append(name, value);
    const agent = request.headers['user-agent'] ?? 'dfdaemon';
    const headers = ['Host', url.host, 'User-Agent', agent, 'Accept', 'application/json'];
    const lines = basic === undefined ? headers : withHeader(headers, 'Authorization', `Basic ${basic}`);
    await this.#options.tokens.give(response, { url, headers: lines, trust: upstream.trust, origin });
  }

  /** `repository:NAME:ACTIONS` as the registry calls it. Undefined for a scope that names no repository. */
  #scopeOf(text: string): Scope | undefined {
    const [, name, actions] = /^repository(?:\([^)]*\))?:(.+):([^:]+)$/.exec(text) ?? [];
    if (name === undefined || actions === undefined) return undefined;
    const { table } = this.#options;
    const target = mirrorTarget(`/v2/${name}/`, undefined, table);
    if (target === undefined) return undefined;
    const own = target.path.slice('/v2/'.length, -1);
    // Credentials for the mirror go where its operator says, and nowhere because an image is called so.
    const isTrusted = target.inner === '' || table.named.has(target.inner.toLowerCase());
    return { upstream: target.upstream, text: `repository:${own}:${actions}`, isTrusted };
  }

  /** What a registry asks for, by its own answer to `GET /v2/`. */
  async #wantedBy(upstream: Upstream, origin: Origin): Promise<Wanted> {
    const { clock } = this.#options;
    const known = this.#wanted.get(upstream.origin);
    if (known !== undefined && clock.now() - known.at < CHALLENGE_KEPT_MS) return known.wanted;
    const wanted = await this.#asking.do(upstream.origin, () => this.#probe(upstream, origin));
    this.#wanted.set(upstream.origin, { wanted, at: clock.now() });
    return wanted;
  }

  async #probe({ origin: registry, trust }: Upstream, origin: Origin): Promise<Wanted> {
    const url = new URL('/v2/', registry);
    const headers = ['Host', url.host, 'User-Agent', 'dfdaemon'];
    const request = { url, method: 'GET', headers, trust, origin, headTimeoutMs: HEAD_TIMEOUT_MS };
    const answer = await this.#options.client.get(request);
    answer.resume();
    if (answer.statusCode !== 401) return { type: 'nothing' };
    const challenges = parseChallenges(allOf(answer.rawHeaders, 'www-authenticate'));
    const challenge = tokenChallenge(challenges);
    if (challenge !== undefined) return { type: 'token', challenge };
    return asksBasic(challenges) ? { type: 'basic' } : { type: 'nothing' };
  }
}

/** A question about credentials that names no registry. */
function isPing({ url, headers }: IncomingMessage): boolean {
  return (url === '/v2/' || url === '/v2') && headers['x-dragonfly-registry'] === undefined;
}

/** Empty ones are none: some clients send them where they have none. */
function basicOf({ headers }: IncomingMessage): string | undefined {
  const [, text] = /^Basic +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (text === undefined || Buffer.from(text, 'base64').toString('utf8') === ':') return undefined;
  return text;
}

/** A token that stands for something else, turned back into it. */
export function withoutMirrorToken(lines: HeaderLines): HeaderLines {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(headerOf(lines, 'authorization') ?? '') ?? [];
  if (token === NOTHING) return without(lines, CREDENTIALS);
  if (!token.startsWith(BASIC)) return lines;
  return withHeader(lines, 'Authorization', `Basic ${token.slice(BASIC.length)}`);
}
