/**
 * An answer whose bytes come by the engine: in order, verified, while the download runs. Whatever breaks is mended inside
 * the answer: another try of the engine, then the source itself. Invariants: an answer is of one content from its first
 * byte to its last; its last byte goes out only when the whole is proved, where the whole is what was asked for; before the
 * first byte an error is the source's own, after it the connection ends.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../io/log.ts';
import type { Download, DownloadProgress, OpenedContent } from '../peer/engine.ts';
import { Fault, type FaultCode } from '../protocol/faults.ts';
import type { Digest, SourceFacts } from '../protocol/task.ts';
import type { Reading } from './access.ts';
import { DirectRead, SourceSays } from './direct-read.ts';
import type { Exchange } from './exchange.ts';
import { Outlet } from './outlet.ts';
import { keyFor, type RequestParts, requestFor } from './p2p-request.ts';
import { cut, relay } from './pass-through.ts';
import type { Loan, Shelf } from './shelf.ts';
import type { Suspects } from './suspects.ts';
import type { Tally } from './tally.ts';

export type P2pParts = RequestParts & {
  readonly shelf: Shelf;
  readonly suspects: Suspects;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  readonly stallMs: number;
  /** Blobs up to so many bytes go out proved, if that holds their first byte back for no longer. */
  readonly proof: { readonly upToBytes: number; readonly withinMs: number };
};

/** A digest names the content; else the URL does, and `reading` is what its source says of it now. */
export type Wanted =
  | {
      readonly type: 'blob';
      readonly digest: Digest;
      readonly allowed: Promise<boolean>;
      /** What a manifest says of it. */
      readonly sizeBytes: number | undefined;
    }
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
const HOPELESS: ReadonlySet<FaultCode> = new Set(['no-space', 'local-io', 'timeout', 'source-refused', 'source-lied']);

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
  readonly #outlet: Outlet;
  #why: Fault | undefined;
  #refused = false;

  constructor(exchange: Exchange, wanted: Wanted, parts: P2pParts) {
    this.#exchange = exchange;
    this.#wanted = wanted;
    this.#parts = parts;
    this.#digest = wanted.type === 'blob' ? wanted.digest : undefined;
    const { stallMs, tally } = parts;
    const onSent = (bytes: number) => {
      tally.sent += bytes;
    };
    this.#outlet = new Outlet({ exchange, digest: this.#digest, stallMs, onSent });
  }

  async run(): Promise<boolean> {
    const { signal } = this.#exchange;
    for (let tries = 0; tries < MAX_TRIES && !signal.aborted; ) {
      const before = this.#outlet.at;
      if (await this.#byEngine()) return !this.#refused;
      tries = this.#outlet.at > before ? 0 : tries + 1;
      if (this.#isHopeless()) break;
    }
    if (signal.aborted) return true;
    if (!(await this.#allowed())) return false;
    // Nothing of it is out yet, and nothing wrong may go out.
    if (this.#isWrong() && this.#outlet.facts === undefined) throw this.#why;
    this.#parts.log.info({ error: this.#why, host: this.#exchange.url.host }, 'straight from the source');
    await this.#bySourceOrCut();
    return true;
  }

  #isWrong(): boolean {
    return this.#why?.code === 'digest-mismatch';
  }

  /** What is wrong is read again as long as nothing of it is out. */
  #isHopeless(): boolean {
    if (this.#why === undefined) return false;
    return HOPELESS.has(this.#why.code) || (this.#isWrong() && this.#outlet.facts !== undefined);
  }

  async #bySourceOrCut(): Promise<void> {
    const { response, url } = this.#exchange;
    try {
      // All but the byte that was held back is out, and wrong: no other reading mends that.
      if (this.#isWrong() && this.#outlet.at + 1 === this.#outlet.span.end) throw this.#why;
      await this.#bySource();
    } catch (error) {
      this.#suspect(Fault.of(error));
      if (response.headersSent) {
        this.#parts.log.warn({ error: Fault.of(error), host: url.host, at: this.#outlet.at }, 'an answer was cut');
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
    const { shelf, suspects } = this.#parts;
    const request = await requestFor(this.#exchange, this.#digest, this.#parts);
    const whole = keyFor(this.#exchange, this.#digest);
    const isCareful = this.#digest !== undefined && suspects.has(this.#exchange.url);
    // Only a whole can be proved.
    const isPart = this.#exchange.request.headers.range !== undefined && !isCareful;
    const key = isPart ? `${whole} part` : whole;
    const loan = shelf.take(key, isPart ? { ...request, only: 'window' } : { ...request, inOrder: true });
    const { download } = loan;
    let second: Loan | undefined;
    try {
      const opened = await this.#outlet.within(download.opened);
      this.#refused = !(await this.#allowed());
      if (this.#refused) return true;
      if (isCareful) await this.#proved(download);
      else if (!isPart && this.#digest !== undefined) await this.#provedSoon(download, opened.shape.length);
      if (!this.#begin(opened.facts, opened.shape.length)) return true;
      if (isPart && this.#isMostOfIt(download.progress)) second = shelf.take(whole, request);
      await this.#pour(download, opened);
      this.#outlet.end();
      return true;
    } catch (error) {
      this.#why = Fault.of(error);
      this.#suspect(this.#why);
      // One that is only slow goes on for the next reader.
      if (this.#why.code !== 'timeout') {
        shelf.drop(key, download);
        if (second !== undefined) shelf.drop(whole, second.download);
      }
      return this.#exchange.signal.aborted;
    } finally {
      second?.end();
      loan.end();
    }
  }

  #suspect({ code }: Fault): void {
    if (code === 'digest-mismatch') this.#parts.suspects.add(this.#exchange.url);
  }

  /** Resolves when the whole is here and right. It takes as long as it takes, but it must not stand still. */
  async #proved(download: Download): Promise<void> {
    for (;;) {
      const { done } = download.progress;
      try {
        await this.#outlet.within(download.finished);
        return;
      } catch (error) {
        if (Fault.of(error).code !== 'timeout' || download.progress.done === done) throw error;
      }
    }
  }

  /**
   * A short content, or one that is all here, is proved before its first byte goes out, if that is soon: what is wrong is read
   * again then, and does not show. One that takes its time goes out as it comes.
   */
  async #provedSoon(download: Download, length: number | null): Promise<void> {
    if (this.#outlet.facts !== undefined || length === null) return;
    const { upToBytes, withinMs } = this.#parts.proof;
    if (length > upToBytes && download.progress.done < length) return;
    try {
      await this.#outlet.within(download.finished, withinMs);
    } catch (error) {
      if (Fault.of(error).code !== 'timeout') throw error;
    }
  }

  /** Worth to be held as a whole: a large part of it is asked for, or many small ones have been. */
  #isMostOfIt({ length, done }: DownloadProgress): boolean {
    const { start, end } = this.#outlet.span;
    if (length === null || end === null || this.#outlet.endsTheWhole) return true;
    return end - start >= Math.max(LARGE_PART_BYTES, length * LARGE_SHARE) || done >= length * HELD_SHARE;
  }

  /** Sends the head, or finds that what comes now continues it. False = the answer is complete without a body. */
  #begin(facts: SourceFacts, length: number | null): boolean {
    const { facts: before } = this.#outlet;
    if (before !== undefined) {
      if (this.#digest === undefined && !continues(before, facts))
        throw new Fault('source-changed', 'the content changed while it was sent');
      return true;
    }
    if (this.#wanted.type === 'url' && !isWhatSourceHas(this.#wanted.reading, facts, length))
      throw new Fault('source-changed', 'the source has another content now than the swarm');
    if (this.#wanted.type === 'blob') requireSize(this.#wanted.sizeBytes, length);
    return this.#outlet.begin(facts, length);
  }

  async #pour(download: Download, { shape }: OpenedContent): Promise<void> {
    const outlet = this.#outlet;
    const end = outlet.span.end ?? shape.length ?? Number.POSITIVE_INFINITY;
    const whole = outlet.endsTheWhole;
    const isSmall = end - outlet.at <= SMALL_PART_BYTES && !whole;
    const patienceMs = isSmall ? Math.min(SMALL_PART_MS, this.#parts.stallMs) : this.#parts.stallMs;
    let last: Uint8Array | undefined;
    let proved = false;
    download.finished.then(
      () => {
        proved = true;
      },
      () => undefined, // Who waits for it is told.
    );
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#exchange.signal, stop.signal]);
    const bytes = download.read(outlet.at, end, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await outlet.within(bytes.next(), patienceMs);
        if (done) break;
        if (last !== undefined) await outlet.send(last, proved);
        // Of an unknown length every byte may be the last one.
        const isLast = whole && (shape.length === null || outlet.at + value.length >= end);
        last = isLast ? Buffer.from(value.subarray(value.length - 1)) : undefined;
        await outlet.send(isLast ? value.subarray(0, value.length - 1) : value, proved);
      }
      if (last === undefined) return;
      await download.finished;
      await outlet.send(last, true);
    } finally {
      stop.abort();
      // The reading ends by the signal; what it still says is of no interest.
      void bytes.return?.(undefined)?.then(undefined, () => undefined);
    }
  }

  async #bySource(): Promise<void> {
    const outlet = this.#outlet;
    const exchange = this.#exchange;
    const { own, stallMs, clock, tally } = this.#parts;
    const before = outlet.facts;
    const partial = before === undefined ? exchange.request.headers.range !== undefined : !outlet.endsTheWhole;
    const read = new DirectRead({
      exchange,
      own,
      stallMs,
      wall: () => clock.wall(),
      digest: partial ? undefined : this.#digest,
      named: this.#digest !== undefined,
      sizeBytes: this.#wanted.type === 'blob' ? this.#wanted.sizeBytes : undefined,
      facts: before,
    });
    if (before === undefined) {
      await read.open();
      if (!outlet.begin(read.facts ?? { ranges: false }, read.length)) return;
    }
    for await (const part of read.bytes(outlet.at, outlet.span.end, outlet.unproved)) {
      tally.bySource += part.length;
      await outlet.send(part);
    }
    outlet.end();
  }
}

/** What the manifest says goes before what the source said to the supernode: the digest will tell who is right. */
function requireSize(sizeBytes: number | undefined, length: number | null): void {
  if (sizeBytes === undefined || length === null || length === sizeBytes) return;
  throw new Fault('source-lied', `the source has ${length} bytes where the manifest names ${sizeBytes}`);
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
