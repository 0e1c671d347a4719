/**
 * A content straight from its source, for when P2P cannot bring it: no store, no supernode, little memory. What breaks is
 * taken up where it stopped: cuts, stalls, busy answers, signed addresses that expired (redirects are followed anew each
 * time). Invariant: with a digest the last byte goes out only if the digest is right; without one a second answer is taken
 * only if its validator is that of the first.
 */
import type { IncomingMessage } from 'node:http';
import { DigestBuilder, digestAlgorithmOf } from '../io/hash.ts';
import { sleep } from '../io/sleep.ts';
import { parseContentRange, printRange } from '../protocol/byte-range.ts';
import { Fault } from '../protocol/faults.ts';
import type { Digest, SourceFacts } from '../protocol/task.ts';
import { endWhenStalled } from './answer-limits.ts';
import type { Exchange } from './exchange.ts';
import { CONDITIONAL_HEADERS, headerOf, RANGE_HEADERS, withHeader, without } from './headers.ts';
import type { OwnCredentials } from './registry/own-credentials.ts';
import { isPassing, retryAfterMs } from './retry-after.ts';
import { SentCheck, type SentPart } from './sent-parts.ts';

export type DirectOptions = {
  readonly exchange: Exchange;
  readonly own: OwnCredentials;
  /** sha256 or sha512, of the whole: it is to be proved. */
  readonly digest?: Digest | undefined;
  /** The URL itself names the bytes by their digest, so that validators add nothing. */
  readonly named: boolean;
  /** Of the whole, as a manifest has it: it goes before what the source says of the length. */
  readonly sizeBytes?: number | undefined;
  /** What an earlier part of the response was of: what comes must be of the same. */
  readonly facts?: SourceFacts | undefined;
  readonly stallMs: number;
  readonly wall: () => number;
};

const MAX_REDIRECTS = 10;
/** Failures in a row without a byte gained. */
const MAX_FAILURES = 5;
const FIRST_REST_MS = 200;
const LONGEST_REST_MS = 60_000;
const SECRETS = new Set(['authorization', 'cookie', 'host']);
const CONDITIONS: ReadonlySet<string> = new Set([...RANGE_HEADERS, ...CONDITIONAL_HEADERS, 'accept-encoding']);

/** What the source answered for good; the client is to see it. */
export class SourceSays extends Error {
  readonly answer: IncomingMessage;
  constructor(answer: IncomingMessage) {
    super(`the source answered ${answer.statusCode}`);
    this.answer = answer;
  }
}

export class DirectRead {
  readonly #options: DirectOptions;
  #facts: SourceFacts | undefined;
  /** Of the whole content; null until known. */
  length: number | null;
  #first: IncomingMessage | undefined;
  #failures = 0;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.#facts = options.facts;
    this.length = options.sizeBytes ?? null;
  }

  get facts(): SourceFacts | undefined {
    return this.#facts;
  }

  /** The first answer is there, and shape and facts are known. Throws SourceSays, or Faults. */
  async open(): Promise<void> {
    this.#first = await this.#ask(0, null);
  }

  /**
   * Bytes `start` to `end` (null = to the last). With a digest the part up to `start` is read once more, because only the
   * whole can be proved, and what was `sent` of it must come out the same. Throws SourceSays before the first byte; Faults.
   */
  async *bytes(start: number, end: number | null, sent: readonly SentPart[] = []): AsyncGenerator<Uint8Array, void> {
    const { digest } = this.#options;
    const algorithm = digest === undefined ? undefined : digestAlgorithmOf(digest);
    const hash = algorithm === undefined ? undefined : new DigestBuilder(algorithm);
    let at = hash === undefined ? start : 0;
    const check = new SentCheck(sent);
    let held: Uint8Array | undefined;
    for await (const part of this.#poured(at, end, hash)) {
      const from = Math.min(part.length, Math.max(0, start - at));
      if (hash !== undefined) check.take(at, part);
      at += part.length;
      if (from === part.length) continue;
      if (hash !== undefined && !check.same)
        throw new Fault('digest-mismatch', 'what was sent already is not what the source sends now');
      if (held !== undefined) yield held;
      // The last byte waits for the proof.
      held = hash === undefined ? undefined : part.subarray(part.length - 1);
      const rest = hash === undefined ? part.subarray(from) : part.subarray(from, part.length - 1);
      if (rest.length > 0) yield rest;
    }
    if (hash !== undefined && hash.digest() !== digest)
      throw new Fault('digest-mismatch', 'the source sends a content of another digest');
    if (held !== undefined) yield held;
  }

  async *#poured(start: number, end: number | null, hash: DigestBuilder | undefined): AsyncGenerator<Uint8Array, void> {
    let at = start;
    for (;;) {
      try {
        const answer = this.#take(at) ?? (await this.#ask(at, end));
        for await (const part of this.#within(answer, at, end)) {
          this.#failures = 0;
          hash?.update(part);
          at += part.length;
          yield part;
        }
        const stop = Math.min(end ?? Number.POSITIVE_INFINITY, this.length ?? at);
        if (at >= stop) return;
        throw new Fault('source-lied', 'the source ended too early');
      } catch (error) {
        await this.#rest(error);
      }
    }
  }

  #take(at: number): IncomingMessage | undefined {
    const first = this.#first;
    this.#first = undefined;
    if (first === undefined || at === 0) return first;
    first.destroy();
    return undefined;
  }

  /** The answer's bytes from `at` on, wherever it begins. */
  async *#within(answer: IncomingMessage, at: number, end: number | null): AsyncGenerator<Uint8Array, void> {
    const { stallMs, sizeBytes } = this.#options;
    let position = answer.statusCode === 206 ? at : 0;
    const stop = Math.min(end ?? Number.POSITIVE_INFINITY, sizeBytes ?? Number.POSITIVE_INFINITY);
    endWhenStalled(answer, stallMs);
    for await (const part of answer as AsyncIterable<Buffer>) {
      const from = Math.max(0, at - position);
      const to = Math.min(part.length, stop - position);
      if (to > from) yield part.subarray(from, to);
      position += part.length;
      if (position >= stop) return;
    }
    if (!answer.complete) throw new Fault('source-lied', 'the source broke off');
    if (this.length === null) this.length = position;
  }

  async #ask(at: number, end: number | null): Promise<IncomingMessage> {
    for (;;) {
      try {
        const answer = await this.#follow(at, end);
        const status = answer.statusCode ?? 0;
        if (status === 200 || (status === 206 && startsAt(answer, at))) {
          this.#know(answer);
          return answer;
        }
        if (!isPassing(status) || this.#failures + 1 >= MAX_FAILURES) throw new SourceSays(answer);
        answer.resume();
        await this.#rest(
          new Fault('source-unreachable', `it answered ${status}`),
          headerOf(answer.rawHeaders, 'retry-after'),
        );
      } catch (error) {
        if (error instanceof SourceSays) throw error;
        await this.#rest(error);
      }
    }
  }

  #know(answer: IncomingMessage): void {
    const lines = answer.rawHeaders;
    const facts = factsOf(lines, answer.statusCode === 206);
    const before = this.#facts;
    if (before !== undefined && !this.#options.named && !sameFacts(before, facts)) {
      answer.destroy();
      throw new Fault('source-changed', 'the source has another content now');
    }
    this.#facts ??= facts;
    const size = headerOf(lines, 'content-length');
    const total =
      answer.statusCode === 206 ? parseContentRange(headerOf(lines, 'content-range') ?? '')?.length : undefined;
    this.length ??= total ?? (answer.statusCode === 200 && size !== undefined ? Number(size) : null);
  }

  async #follow(at: number, end: number | null): Promise<IncomingMessage> {
    const { exchange, own } = this.#options;
    const { trust, origin, policy, signal } = exchange;
    let url = exchange.url;
    const plain = without(exchange.headers, CONDITIONS);
    const isAll = at === 0 && (end === null || end === this.length);
    let headers = isAll ? plain : withHeader(plain, 'Range', printRange(at, end ?? undefined));
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const request = { url, method: 'GET', headers, trust, origin, signal, headTimeoutMs: this.#options.stallMs };
      const answer = await own.send({ ...request, policy: hop === 0 ? policy : { type: 'none' } });
      const location = headerOf(answer.rawHeaders, 'location');
      if (!isRedirect(answer.statusCode) || location === undefined) return answer;
      const next = URL.parse(location, url);
      if (next === null || !/^https?:$/.test(next.protocol)) throw new SourceSays(answer);
      answer.resume();
      headers = next.origin === url.origin ? headers : ['Host', next.host, ...without(headers, SECRETS)];
      url = next;
    }
    throw new Fault('source-refused', 'the source redirects without end');
  }

  /** Throws when there is no hope left. */
  async #rest(error: unknown, retryAfter?: string): Promise<void> {
    const { exchange, wall } = this.#options;
    const fault = Fault.of(error, 'source-unreachable');
    if (error instanceof SourceSays || exchange.signal.aborted) throw error;
    if (fault.code !== 'source-unreachable' && fault.code !== 'source-lied') throw fault;
    this.#failures++;
    if (this.#failures >= MAX_FAILURES) throw fault;
    const asked = retryAfterMs(retryAfter, wall());
    await sleep(Math.min(LONGEST_REST_MS, asked ?? FIRST_REST_MS * 2 ** (this.#failures - 1)), exchange.signal);
  }
}

function startsAt(answer: IncomingMessage, at: number): boolean {
  return parseContentRange(headerOf(answer.rawHeaders, 'content-range') ?? '')?.span?.start === at;
}

function isRedirect(status: number | undefined): boolean {
  return status !== undefined && [301, 302, 303, 307, 308].includes(status);
}

export function factsOf(lines: readonly string[], ranges: boolean): SourceFacts {
  const etag = headerOf(lines, 'etag');
  const lastModified = headerOf(lines, 'last-modified');
  const contentType = headerOf(lines, 'content-type');
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(contentType === undefined ? {} : { contentType }),
    ranges: ranges || headerOf(lines, 'accept-ranges') === 'bytes',
  };
}

/** Provably the same: nothing that cannot be told apart is mixed. */
function sameFacts(before: SourceFacts, now: SourceFacts): boolean {
  if (before.etag !== undefined) return before.etag === now.etag && !before.etag.startsWith('W/');
  return before.lastModified !== undefined && before.lastModified === now.lastModified;
}
