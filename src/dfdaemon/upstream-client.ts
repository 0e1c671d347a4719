/**
 * Requests to registries and other targets, header lines and bodies as they are. Connections are kept and shared among
 * requests with the same trust; one that the other side closed in the moment of its reuse costs a second try, never an
 * error. Redirects are not followed here.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { trustedCertificates } from '../io/trusted-certificates.ts';
import { Fault } from '../protocol/faults.ts';
import type { HeaderLines } from './headers.ts';
import type { Trust } from './registry/upstreams.ts';
import { type Origin, portOf, type Targets } from './targets.ts';

export type UpstreamRequest = {
  readonly url: URL;
  readonly method: string;
  /** All of them, Host too. */
  readonly headers: HeaderLines;
  readonly trust: Trust;
  /** Where the client is that wants it. */
  readonly origin: Origin;
  readonly signal?: AbortSignal;
  /** A small one, which may be sent twice. */
  readonly body?: Buffer;
  /** Until the answer's head; absent = as long as it takes. */
  readonly headTimeoutMs?: number;
};

const CONNECT_TIMEOUT_MS = 10_000;
/** Shorter than what servers keep, so that most stale connections are closed on this side. */
const IDLE_MS = 4_000;
const MAX_IDLE_SOCKETS = 64;
const MAX_KINDS = 64;

type Agents = { readonly http: HttpAgent; readonly https: HttpsAgent };

export class UpstreamClient {
  readonly #targets: Targets;
  readonly #kinds = new LRUCache<string, Agents>({
    max: MAX_KINDS,
    dispose: ({ http, https }) => {
      http.destroy();
      https.destroy();
    },
  });

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** The request without its end: the caller writes the body. Faults are errors of the request. */
  start(request: UpstreamRequest): ClientRequest {
    const { url, method, headers, trust, origin, signal } = request;
    const port = portOf(url);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    this.#targets.checkName(host, port);
    if (isIP(host) !== 0) this.#targets.checkAddress(host, port, origin);
    const agents = this.#agentsFor(trust, origin);
    const options = {
      host,
      port,
      method,
      path: `${url.pathname}${url.search}`,
      headers,
      lookup: this.#targets.lookupFor(port, origin),
      setDefaultHeaders: false,
      ...(signal === undefined ? {} : { signal }),
    };
    const sent =
      url.protocol === 'https:'
        ? httpsRequest({ ...options, agent: agents.https, ...tlsOptions(host, trust) })
        : httpRequest({ ...options, agent: agents.http });
    limitTimes(sent, url, request.headTimeoutMs);
    return sent;
  }

  /** For requests without a body, or with a small one. Resolves with the answer's head. Faults: source-unreachable, usage, cancelled. */
  async get(request: UpstreamRequest): Promise<IncomingMessage> {
    try {
      return await this.#once(request);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw upstreamFault(error, request);
    }
    try {
      return await this.#once(request);
    } catch (error) {
      throw upstreamFault(error, request);
    }
  }

  close(): void {
    this.#kinds.clear();
  }

  #once(request: UpstreamRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = this.start(request);
      sent.once('response', (answer) => {
        answer.on('error', () => undefined); // Whoever reads it sees it too.
        resolve(answer);
      });
      sent.on('error', (error) => reject(isStale(sent, error) ? new StaleConnection() : error));
      sent.end(request.body);
    });
  }

  #agentsFor(trust: Trust, origin: Origin): Agents {
    const key = JSON.stringify([trust.insecure, trust.cacerts, origin]);
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    const options = {
      keepAlive: true,
      maxFreeSockets: MAX_IDLE_SOCKETS,
      timeout: 0,
      keepAliveMsecs: 1000,
      scheduling: 'lifo' as const,
    };
    const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
    for (const agent of [agents.http, agents.https])
      agent.on('free', (socket: { setTimeout(ms: number): void }) => socket.setTimeout(IDLE_MS));
    this.#kinds.set(key, agents);
    return agents;
  }
}

/** The connection that was kept had been closed by the other side before the request came. */
class StaleConnection extends Error {}

export function isStale(sent: ClientRequest, error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return sent.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
}

/** What went wrong, with the host and without path or secrets. */
export function upstreamFault(error: unknown, { url, signal }: Pick<UpstreamRequest, 'url' | 'signal'>): Fault {
  if (error instanceof Fault) return error;
  if (signal?.aborted) return new Fault('cancelled', 'the client went away', { cause: error });
  const reason = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error);
  return new Fault('source-unreachable', `cannot reach ${url.host}: ${reason}`, { cause: error });
}

function tlsOptions(host: string, { insecure, cacerts }: Trust) {
  return {
    rejectUnauthorized: !insecure,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(cacerts.length === 0 ? {} : { ca: [...trustedCertificates(), ...cacerts] }),
  };
}

function limitTimes(sent: ClientRequest, url: URL, headTimeoutMs: number | undefined): void {
  const give = (what: string) => sent.destroy(new Fault('source-unreachable', `${url.host} ${what}`));
  sent.once('socket', (socket) => {
    socket.setNoDelay(true);
    if (!socket.connecting) return;
    const timer = setTimeout(give, CONNECT_TIMEOUT_MS, 'cannot be connected to in time');
    const ready = url.protocol === 'https:' ? 'secureConnect' : 'connect';
    socket.once(ready, () => clearTimeout(timer));
    sent.once('close', () => clearTimeout(timer));
  });
  if (headTimeoutMs === undefined) return;
  const timer = setTimeout(give, headTimeoutMs, 'does not answer in time');
  sent.once('response', () => clearTimeout(timer));
  sent.once('close', () => clearTimeout(timer));
}
