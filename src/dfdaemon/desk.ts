/**
 * What becomes of a request: which target it has, which rule fits, whether its bytes travel P2P, and what is learned from
 * an answer that passes through. The work itself is done by p2p.ts, pass-through.ts and access.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '../protocol/faults.ts';
import type { Access } from './access.ts';
import type { Exchange } from './exchange.ts';
import { allOf, CONDITIONAL_HEADERS, endToEnd, headerOf, pairs, without } from './headers.ts';
import { type MirrorTokens, withoutMirrorToken } from './mirror-tokens.ts';
import { type P2pParts, serveP2p } from './p2p.ts';
import { hasBody, type Passing, passThrough } from './pass-through.ts';
import { parseDistributionPath } from './registry/distribution-path.ts';
import { mirrorTarget, type Trust, type UpstreamTable, upstreamOf } from './registry/upstreams.ts';
import { type Decision, decide, type Rule } from './rules.ts';
import type { Tally } from './tally.ts';
import type { Origin, Targets } from './targets.ts';
import type { TokenDesk } from './token-desk.ts';

/** Where a request came from; `target` = the intercepted connection's. */
export type From = {
  readonly origin: Origin;
  readonly target?: { readonly base: URL; readonly trust: Trust } | undefined;
};

export type DeskOptions = {
  readonly table: UpstreamTable;
  readonly rules: readonly Rule[];
  readonly targets: Targets;
  readonly access: Access;
  readonly tokens: TokenDesk;
  readonly mirrorTokens: MirrorTokens;
  readonly passing: Passing;
  readonly p2p: P2pParts;
  readonly tally: Tally;
  /** Of this process, for the Via header. */
  readonly name: string;
};

const FOR_US = new Set(['x-dragonfly-registry']);
const NO_TRUST: Trust = { insecure: false, cacerts: [] };

export class Desk {
  readonly #options: DeskOptions;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** Resolves when the answer is out. Faults when no byte of it is out; usage = it is not allowed. */
  async answer(request: IncomingMessage, response: ServerResponse, from: From): Promise<void> {
    const { tally, name } = this.#options;
    tally.requests++;
    if (allOf(request.rawHeaders, 'via').some((line) => line.includes(name)))
      throw new Fault('usage', 'the request comes from this dfdaemon itself');
    const isPath = request.url?.startsWith('/') === true && from.target === undefined;
    if (isPath && (await this.#options.mirrorTokens.answer(request, response, from.origin))) return;
    const { exchange, p2p } = this.#exchange(request, response, from);
    if (await this.#byP2p(exchange, p2p)) return;
    tally.passed++;
    if (await this.#options.tokens.answer(exchange)) return;
    const path = parseDistributionPath(exchange.url.pathname);
    const isManifest = path.kind === 'manifest' && (request.method === 'GET' || request.method === 'HEAD');
    const watch = isManifest ? this.#options.access.watchManifest(exchange, path.repository) : undefined;
    await passThrough(exchange, this.#options.passing, (answer) => {
      this.#options.tokens.learn(answer, (url) => decide(url, this.#options.rules).url);
      watch?.(answer);
    });
  }

  /** True when it is answered. */
  async #byP2p(exchange: Exchange, p2p: Decision['p2p']): Promise<boolean> {
    const { access, targets, tally, tokens } = this.#options;
    const { request, url, origin } = exchange;
    if (p2p === 'never' || request.method !== 'GET' || hasBody(request)) return false;
    if (CONDITIONAL_HEADERS.some((name) => request.headers[name] !== undefined)) return false;
    const path = parseDistributionPath(url.pathname);
    if (path.kind === 'blob') {
      await targets.check(url, origin);
      tally.p2p++;
      // While the registry is asked, the content may be opened; nothing of it goes out before the answer.
      const allowed = access.mayHave(exchange, path.repository, path.digest);
      allowed.catch(() => undefined);
      const sizeBytes = access.sizeOf(exchange, path.repository, path.digest);
      return await serveP2p(exchange, { type: 'blob', digest: path.digest, allowed, sizeBytes }, this.#options.p2p);
    }
    // What else a registry says is of the moment, and for who asks: a rule that leads to a registry does not keep it.
    if (path.kind !== 'other' || path.repository !== undefined || url.pathname === '/v2/') return false;
    if (tokens.isToken(url)) return false;
    if (p2p !== 'by-rule') return false;
    await targets.check(url, origin);
    const reading = await access.read(exchange);
    if (reading === undefined) return false;
    tally.p2p++;
    return await serveP2p(exchange, { type: 'url', reading }, this.#options.p2p);
  }

  #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    from: From,
  ): { readonly exchange: Exchange; readonly p2p: Decision['p2p'] } {
    const { table, rules } = this.#options;
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const rest = { request, response, origin: from.origin, signal: gone.signal };
    const line = request.url ?? '/';
    const absolute = from.target === undefined ? absoluteUrl(line) : new URL(line, from.target.base);
    if (absolute !== undefined) {
      const { url, p2p } = decide(absolute, rules);
      const known = upstreamOf(url.host, table);
      const configured = known !== undefined && table.named.has(url.host.toLowerCase()) ? known : undefined;
      const trust = from.target?.trust ?? configured?.trust ?? NO_TRUST;
      const headers = this.#headers(request, url.host);
      const policy = { type: 'client' } as const;
      const view = url.origin === absolute.origin ? {} : { seenAs: absolute.origin };
      const exchange = { ...rest, ...view, url, headers, trust, policy };
      return { exchange, p2p: configured?.direct ? 'never' : p2p };
    }
    const target = mirrorTarget(line, headerOf(request.rawHeaders, 'x-dragonfly-registry'), table);
    if (target === undefined) throw new Fault('usage', 'the request names no registry that can be asked');
    const { upstream, path, prefix, inner } = target;
    const { url, p2p } = decide(new URL(path, upstream.origin), rules);
    const headers = withoutMirrorToken(this.#headers(request, url.host, upstream.credentials.type));
    const exchange = {
      ...rest,
      url,
      headers,
      trust: upstream.trust,
      policy: upstream.credentials,
      mirror: { prefix, inner },
    };
    return { exchange, p2p: upstream.direct ? 'never' : p2p };
  }

  /** `host` is the target's, whatever the client wrote there; `policy` says whether its credentials go on. */
  #headers(request: IncomingMessage, host: string, policy = 'client'): string[] {
    const mine = without(endToEnd(request.rawHeaders), FOR_US);
    const lines = policy === 'client' ? mine : without(mine, new Set(['authorization', 'cookie']));
    const withHost: string[] = ['Host', host];
    for (const [name, value] of pairs(lines)) if (name.toLowerCase() !== 'host') withHost.push(name, value);
    const chunked = request.headers['transfer-encoding'] !== undefined;
    if (chunked) withHost.push('Transfer-Encoding', 'chunked');
    withHost.push('Via', `1.1 ${this.#options.name}`);
    return withHost;
  }
}

/** Undefined for a path. Throws Fault usage for what is neither. */
function absoluteUrl(line: string): URL | undefined {
  if (line.startsWith('/')) return undefined;
  const url = URL.parse(line);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new Fault('usage', 'only http and https targets are proxied');
  return url;
}
