/**
 * Requests for tokens that pass through the proxy: however many wait for the same token with the same credential, the
 * auth server is asked once; its answer serves that credential until shortly before the token expires; few requests are
 * at one auth server at a time. Which URLs give tokens is learned from the challenges that registries send.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { sha256Hex } from '../io/hash.ts';
import { parseChallenges, parseTokenAnswer, tokenChallenge } from '../protocol/oci/challenge.ts';
import { HEAD_TIMEOUT_MS, smallBody, wholeOf } from './answer-limits.ts';
import { credentialOf, type Exchange } from './exchange.ts';
import { allOf, endToEnd, headerOf, withHeader } from './headers.ts';
import type { CredentialPolicy } from './registry/upstreams.ts';
import type { UpstreamClient } from './upstream-client.ts';

/** `policy` is the client's unless it is given; with a `form` it is a POST, which holds the credential itself. */
export type TokenRequest = Pick<Exchange, 'url' | 'headers' | 'trust' | 'origin'> &
  Partial<Pick<Exchange, 'policy'>> & { readonly form?: Buffer };

const CLIENT: CredentialPolicy = { type: 'client' };

type Answer = {
  readonly status: number;
  readonly message: string;
  readonly lines: readonly string[];
  readonly body: Buffer;
};
type Kept = { readonly answer: Answer; readonly until: number; readonly expiresAt: number };

const MAX_REALMS = 256;
const MAX_TOKENS = 4096;
const MAX_BYTES = 256 * 1024;
/** Requests at one auth server at once. */
const AT_ONCE = 4;
/** Clients take a token to be good for at least a minute, whatever it says. */
const MARGIN_MS = 60_000;

export class TokenDesk {
  readonly #client: UpstreamClient;
  readonly #clock: Clock;
  readonly #realms = new LRUCache<string, true>({ max: MAX_REALMS });
  readonly #kept = new LRUCache<string, Kept>({ max: MAX_TOKENS });
  readonly #asking = new SingleFlight<string, Answer>();
  readonly #queues = new Map<string, Queue>();
  /** Token requests that really went out. */
  asked = 0;

  constructor(client: UpstreamClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** A challenge that passes through tells where tokens come from; `placed` is where a request for that URL will go. */
  learn(answer: IncomingMessage, placed: (url: URL) => URL): void {
    if (answer.statusCode !== 401) return;
    const challenge = tokenChallenge(parseChallenges(allOf(answer.rawHeaders, 'www-authenticate')));
    const realm = challenge === undefined ? null : URL.parse(challenge.realm);
    if (realm !== null) this.#realms.set(placeOf(placed(realm)), true);
  }

  /** Whether tokens are known to come from there. */
  isToken(url: URL): boolean {
    return this.#realms.has(placeOf(url));
  }

  /** True when it was a request for a token, and is answered. Faults: source-unreachable, usage. */
  async answer(exchange: Exchange): Promise<boolean> {
    const { request, response, url } = exchange;
    if (!this.isToken(url)) return false;
    if (request.method === 'GET') await this.give(response, exchange);
    else if (request.method === 'POST' && Number(request.headers['content-length'] ?? MAX_BYTES) < MAX_BYTES)
      await this.give(response, { ...exchange, form: await wholeOf(request, MAX_BYTES) });
    else return false;
    return true;
  }

  /** Answers with what the auth server says, or said, to this request. Faults: source-unreachable, usage. */
  async give(response: ServerResponse, request: TokenRequest): Promise<void> {
    const { url, form } = request;
    const parts = [url.href, credentialOf({ policy: CLIENT, ...request }), form === undefined ? '' : sha256Hex(form)];
    const key = sha256Hex(JSON.stringify(parts));
    const kept = this.#kept.get(key);
    const now = this.#clock.now();
    const answer =
      kept !== undefined && now < kept.until
        ? withLife(kept.answer, (kept.expiresAt - now) / 1000, this.#clock.wall())
        : await this.#asking.do(key, () => this.#ask(key, request));
    const { status, message, lines, body } = answer;
    response.sendDate = headerOf(lines, 'date') === undefined;
    response.writeHead(status, message, [...lines]);
    response.end(body);
  }

  /** The asker may go away; the others still want it. */
  async #ask(key: string, { url, headers, trust, origin, form }: TokenRequest): Promise<Answer> {
    const queue = this.#queues.get(url.origin) ?? new Queue(AT_ONCE);
    this.#queues.set(url.origin, queue);
    return await queue
      .run(async () => {
        this.asked++;
        const sentAt = this.#clock.now();
        const answer = await this.#client.get({
          url,
          method: form === undefined ? 'GET' : 'POST',
          ...{ headers, trust, origin, headTimeoutMs: HEAD_TIMEOUT_MS },
          ...(form === undefined ? {} : { body: form }),
        });
        const body = await smallBody(answer, MAX_BYTES);
        const status = answer.statusCode ?? 502;
        const whole = { status, message: answer.statusMessage ?? '', lines: endToEnd(answer.rawHeaders), body };
        const token = status === 200 ? parseTokenAnswer(body.toString('utf8')) : undefined;
        if (token !== undefined) {
          const lifeMs = token.expiresInSeconds * 1000;
          const until = sentAt + Math.max(lifeMs / 2, lifeMs - MARGIN_MS);
          this.#kept.set(key, { answer: whole, until, expiresAt: sentAt + lifeMs });
        }
        return whole;
      })
      .finally(() => {
        if (queue.idle) this.#queues.delete(url.origin);
      });
  }
}

/** A token that was kept for a while is good for less than it says. */
function withLife(answer: Answer, seconds: number, wallNow: number): Answer {
  const fields = JSON.parse(answer.body.toString('utf8')) as Record<string, unknown>;
  const life = { expires_in: Math.floor(seconds), issued_at: new Date(wallNow).toISOString() };
  const body = Buffer.from(JSON.stringify({ ...fields, ...life }));
  return { ...answer, body, lines: withHeader(answer.lines, 'Content-Length', String(body.length)) };
}

function placeOf(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** At most so many at once, first come, first served. */
class Queue {
  readonly #most: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get idle(): boolean {
    return this.#running === 0;
  }

  async run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#running >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
