/**
 * An answer whose bytes come by the engine: in order, verified, while the download runs. Whatever breaks is mended inside
 * the answer: another try of the engine, then the source itself. Invariants: an answer is of one content from its first
 * byte to its last; its last byte goes out only when the whole is proved, where the whole is what was asked for; before the
 * first byte an error is the source's own, after it the connection ends.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../io/log.ts';
import type { Download, DownloadProgress, DownloadRequest, OpenedContent } from '../peer/engine.ts';
import { Fault, type FaultCode } from '../protocol/faults.ts';
import type { Digest, SourceFacts, TaskSpec } from '../protocol/task.ts';
import type { Reading } from './access.ts';
import { type AnswerPlan, type OpenSpan, planAnswer } from './answer-plan.ts';
import { DirectRead, SourceSays } from './direct-read.ts';
import { credentialOf, type Exchange } from './exchange.ts';
import { headerOf, pairs, without } from './headers.ts';
import { cut, relay } from './pass-through.ts';
import { authorized, type OwnCredentials } from './registry/own-credentials.ts';
import type { Loan, Shelf } from './shelf.ts';
import type { Tally } from './tally.ts';

export type P2pParts = {
  readonly shelf: Shelf;
  readonly own: OwnCredentials;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  readonly stallMs: number;
  /** What the configuration says of all downloads. */
  readonly request: Pick<DownloadRequest, 'pattern' | 'nodes' | 'noBackToSource' | 'localLimit' | 'minRate'>;
  readonly filter: readonly string[];
};

/** A digest names the content; else the URL does, and `reading` is what its source says of it now. */
export type Wanted =
  | { readonly type: 'blob'; readonly digest: Digest; readonly allowed: Promise<boolean> }
  | { readonly type: 'url'; readonly reading: Reading };

/** Tries of the engine without a byte gained. */
const MAX_TRIES = 2;
/** A part that is as large as these two brings the whole. */
const LARGE_PART_BYTES = 4 * 1024 * 1024;
const LARGE_SHARE = 1 / 16;
/**
 * A reader of small parts waits for each of them. One that the swarm does not bring in this time, because the supernode has
 * not read so far yet, comes straight from the source.
 */
const SMALL_PART_BYTES = 1024 * 1024;
const SMALL_PART_MS = 1_000;
/** So much of a content held brings the rest. */
const HELD_SHARE = 1 / 2;
/** Another try of the engine would end the same way. */
const HOPELESS: ReadonlySet<FaultCode> = new Set([
  'no-space',
  'local-io',
  'digest-mismatch',
  'timeout',
  'source-refused',
]);
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

type Started = { readonly plan: Extract<AnswerPlan, { type: 'body' }>; readonly facts: SourceFacts };

/**
 * Resolves when the answer is out, or with false when the client may not have the content: then nothing was said. Faults
 * when no byte of it is out.
 */
export async function serveP2p(exchange: Exchange, wanted: Wanted, parts: P2pParts): Promise<boolean> {
  return await new P2pAnswer(exchange, wanted, parts).run();
}

class P2pAnswer {
  readonly #exchange: Exchange;
  readonly #wanted: Wanted;
  readonly #parts: P2pParts;
  readonly #digest: Digest | undefined;
  #started: Started | undefined;
  /** Next byte to send. */
  #at = 0;
  #why: Fault | undefined;
  #refused = false;

  constructor(exchange: Exchange, wanted: Wanted, parts: P2pParts) {
    this.#exchange = exchange;
    this.#wanted = wanted;
    this.#parts = parts;
    this.#digest = wanted.type === 'blob' ? wanted.digest : undefined;
  }

  async run(): Promise<boolean> {
    const { signal } = this.#exchange;
    for (let tries = 0; tries < MAX_TRIES && !signal.aborted; ) {
      const before = this.#at;
      if (await this.#byEngine()) return !this.#refused;
      tries = this.#at > before ? 0 : tries + 1;
      if (this.#why !== undefined && HOPELESS.has(this.#why.code)) break;
    }
    if (signal.aborted) return true;
    if (!(await this.#allowed())) return false;
    this.#parts.log.info({ error: this.#why, host: this.#exchange.url.host }, 'straight from the source');
    await this.#bySourceOrCut();
    return true;
  }

  async #bySourceOrCut(): Promise<void> {
    const { response, url } = this.#exchange;
    try {
      await this.#bySource();
    } catch (error) {
      if (response.headersSent) {
        this.#parts.log.warn({ error: Fault.of(error), host: url.host, at: this.#at }, 'an answer was cut');
        cut(response);
      } else if (error instanceof SourceSays) await relay(error.answer, response, this.#exchange);
      else throw error;
    }
  }

  async #allowed(): Promise<boolean> {
    return this.#wanted.type === 'url' || (await this.#wanted.allowed);
  }

  /** True when the answer is out. */
  async #byEngine(): Promise<boolean> {
    const { shelf } = this.#parts;
    const request = await this.#request();
    const whole = `${this.#digest ?? this.#exchange.url.href} ${credentialOf(this.#exchange)}`;
    const isPart = this.#exchange.request.headers.range !== undefined;
    const key = isPart ? `${whole} part` : whole;
    const loan = shelf.take(key, isPart ? { ...request, only: 'window' } : request);
    const { download } = loan;
    let second: Loan | undefined;
    try {
      const opened = await this.#within(download.opened);
      this.#refused = !(await this.#allowed());
      if (this.#refused) return true;
      if (!this.#begin(opened.facts, opened.shape.length)) return true;
      if (isPart && this.#isMostOfIt(download.progress)) second = shelf.take(whole, request);
      await this.#pour(download, opened);
      this.#exchange.response.end();
      return true;
    } catch (error) {
      this.#why = Fault.of(error);
      // One that is only slow goes on for the next reader.
      if (this.#why.code !== 'timeout') {
        shelf.drop(key, download);
        if (second !== undefined) shelf.drop(whole, second.download);
      }
      if (this.#exchange.signal.aborted) return true;
      return false;
    } finally {
      second?.end();
      loan.end();
    }
  }

  /** Worth to be held as a whole: a large part of it is asked for, or many small ones have been. */
  #isMostOfIt({ length, done }: DownloadProgress): boolean {
    const { start, end } = this.#span();
    if (length === null || end === null || this.#endsTheWhole()) return true;
    return end - start >= Math.max(LARGE_PART_BYTES, length * LARGE_SHARE) || done >= length * HELD_SHARE;
  }

  async #request(): Promise<DownloadRequest> {
    return { spec: await this.#spec(), ...this.#parts.request };
  }

  async #spec(): Promise<TaskSpec> {
    const { url, trust, origin, policy, headers: lines } = this.#exchange;
    const base = { url, method: 'GET', headers: lines, trust, origin, policy };
    const authorization = await this.#parts.own.authorization(base);
    const { headers } = authorization === undefined ? base : authorized(base, authorization);
    return {
      url: url.href,
      headers: [...pairs(without(headers, OF_THE_REQUEST))],
      filter: this.#parts.filter,
      ...(this.#digest === undefined ? {} : { digest: this.#digest }),
      ...(trust.insecure ? { insecure: true } : {}),
      ...(trust.cacerts.length === 0 ? {} : { cacerts: trust.cacerts }),
    };
  }

  /** Sends the head, or finds that what comes now continues it. False = the answer is complete without a body. */
  #begin(facts: SourceFacts, length: number | null): boolean {
    const { request, response } = this.#exchange;
    if (this.#started !== undefined) {
      if (this.#digest === undefined && !continues(this.#started.facts, facts))
        throw new Fault('source-changed', 'the content changed while it was sent');
      return true;
    }
    if (this.#wanted.type === 'url' && !isWhatSourceHas(this.#wanted.reading, facts, length))
      throw new Fault('source-changed', 'the source has another content now than the swarm');
    const { range } = request.headers;
    const ifRange = headerOf(request.rawHeaders, 'if-range');
    const plan = planAnswer({ length, facts, digest: this.#digest }, { range, ifRange });
    if (plan.type === 'unsatisfiable') {
      response.writeHead(416, [...plan.headers, 'Content-Length', '0']);
      response.end();
      return false;
    }
    response.writeHead(plan.status, [...plan.headers]);
    this.#started = { plan, facts };
    this.#at = plan.span.start;
    return true;
  }

  async #pour(download: Download, { shape }: OpenedContent): Promise<void> {
    const span = this.#span();
    const end = span.end ?? shape.length ?? Number.POSITIVE_INFINITY;
    const whole = this.#endsTheWhole();
    const isSmall = end - this.#at <= SMALL_PART_BYTES && !whole;
    const patienceMs = isSmall ? Math.min(SMALL_PART_MS, this.#parts.stallMs) : this.#parts.stallMs;
    let last: Uint8Array | undefined;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#exchange.signal, stop.signal]);
    const bytes = download.read(this.#at, end, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.#within(bytes.next(), patienceMs);
        if (done) break;
        if (last !== undefined) await this.#send(last);
        // Of an unknown length every byte may be the last one.
        const isLast = whole && (shape.length === null || this.#at + value.length >= end);
        last = isLast ? Buffer.from(value.subarray(value.length - 1)) : undefined;
        await this.#send(isLast ? value.subarray(0, value.length - 1) : value);
      }
      if (last === undefined) return;
      await download.finished;
      await this.#send(last);
    } finally {
      stop.abort();
      // The reading ends by the signal; what it still says is of no interest.
      void bytes.return?.(undefined)?.then(undefined, () => undefined);
    }
  }

  async #bySource(): Promise<void> {
    const exchange = this.#exchange;
    const { own, stallMs, clock, tally } = this.#parts;
    const started = this.#started;
    const partial = started === undefined ? exchange.request.headers.range !== undefined : !this.#endsTheWhole();
    const read = new DirectRead({
      exchange,
      own,
      stallMs,
      wall: () => clock.wall(),
      digest: partial ? undefined : this.#digest,
      named: this.#digest !== undefined,
      facts: started?.facts,
    });
    if (started === undefined) {
      await read.open();
      if (!this.#begin(read.facts ?? { ranges: false }, read.length)) return;
    }
    for await (const part of read.bytes(this.#at, this.#span().end)) {
      tally.bySource += part.length;
      await this.#send(part);
    }
    exchange.response.end();
  }

  #span(): OpenSpan {
    return this.#started?.plan.span ?? { start: 0, end: null };
  }

  /** The client takes the content's end for the proof that it has all of it. */
  #endsTheWhole(): boolean {
    const { plan } = this.#started ?? {};
    return plan?.status === 200 || /^bytes=\d+-$/.test(this.#exchange.request.headers.range ?? '');
  }

  /** Resolves when the kernel has it: what holds the part may be used again then. */
  async #send(part: Uint8Array): Promise<void> {
    if (part.length === 0) return;
    const { response, signal } = this.#exchange;
    this.#at += part.length;
    this.#parts.tally.sent += part.length;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      response.write(part, done);
      if (signal.aborted) done();
    });
    if (signal.aborted) throw new Fault('cancelled', 'the client went away');
  }

  /** Fault timeout when nothing comes for so long: clients have no such limit of their own. */
  #within<Value>(work: Promise<Value>, limitMs = this.#parts.stallMs): Promise<Value> {
    const { promise, reject, resolve } = Promise.withResolvers<Value>();
    const timer = setTimeout(() => reject(new Fault('timeout', 'the download stalls')), limitMs);
    const gone = () => reject(new Fault('cancelled', 'the client went away'));
    const { signal } = this.#exchange;
    signal.addEventListener('abort', gone, { once: true });
    if (signal.aborted) gone();
    work.then(resolve, reject);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', gone);
    });
  }
}

/** The second try is of the same generation as the first, as far as the source lets us know. */
function continues(before: SourceFacts, now: SourceFacts): boolean {
  if (before.etag !== undefined) return before.etag === now.etag;
  return before.lastModified !== undefined && before.lastModified === now.lastModified;
}

/** Without a validator in common nothing says that it is the same: another client's page may be as long. */
function isWhatSourceHas(reading: Reading, facts: SourceFacts, length: number | null): boolean {
  const { etag, lastModified } = reading;
  if (reading.length !== undefined && length !== null && reading.length !== length) return false;
  if (etag !== undefined && facts.etag !== undefined) return etag === facts.etag;
  if (lastModified !== undefined && facts.lastModified !== undefined) return lastModified === facts.lastModified;
  return false;
}
