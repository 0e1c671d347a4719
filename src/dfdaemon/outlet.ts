/**
 * The client's side of one answer: its head, its bytes in order, and the patience with whatever they come from. Invariant:
 * bytes go out only after the head, each of them once.
 */
import { Fault } from '../protocol/faults.ts';
import type { Digest, SourceFacts } from '../protocol/task.ts';
import { type AnswerPlan, type OpenSpan, planAnswer } from './answer-plan.ts';
import type { Exchange } from './exchange.ts';
import { headerOf } from './headers.ts';
import { type SentPart, SentParts } from './sent-parts.ts';

export type OutletOptions = {
  readonly exchange: Exchange;
  readonly digest: Digest | undefined;
  /** Nothing comes for so long = it stalls: clients have no such limit of their own. Milliseconds. */
  readonly stallMs: number;
  readonly onSent: (bytes: number) => void;
};

type Begun = { readonly plan: Extract<AnswerPlan, { type: 'body' }>; readonly facts: SourceFacts };

export class Outlet {
  readonly #options: OutletOptions;
  #begun: Begun | undefined;
  #at = 0;
  readonly #unproved = new SentParts();

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Next byte to send. */
  get at(): number {
    return this.#at;
  }

  /** What the answer is of; undefined while nothing was said. */
  get facts(): SourceFacts | undefined {
    return this.#begun?.facts;
  }

  get span(): OpenSpan {
    return this.#begun?.plan.span ?? { start: 0, end: null };
  }

  /** What went out before it was proved, where that matters. */
  get unproved(): readonly SentPart[] {
    return this.#unproved.all;
  }

  /** The client takes the content's end for the proof that it has all of it. */
  get endsTheWhole(): boolean {
    const { request } = this.#options.exchange;
    return this.#begun?.plan.status === 200 || /^bytes=\d+-$/.test(request.headers.range ?? '');
  }

  /** Sends the head. False = the answer is complete without a body. */
  begin(facts: SourceFacts, length: number | null): boolean {
    const { exchange, digest } = this.#options;
    const { request, response } = exchange;
    const { range } = request.headers;
    const ifRange = headerOf(request.rawHeaders, 'if-range');
    const plan = planAnswer({ length, facts, digest }, { range, ifRange });
    if (plan.type === 'unsatisfiable') {
      response.writeHead(416, [...plan.headers, 'Content-Length', '0']);
      response.end();
      return false;
    }
    response.writeHead(plan.status, [...plan.headers]);
    this.#begun = { plan, facts };
    this.#at = plan.span.start;
    return true;
  }

  /**
   * Resolves when the kernel has it: what holds the part may be used again then. `proved` = the digest of the whole that it is of
   * is known to be right. Fault cancelled.
   */
  async send(part: Uint8Array, proved = false): Promise<void> {
    if (part.length === 0) return;
    const { exchange, onSent, digest } = this.#options;
    const { response, signal } = exchange;
    if (!proved && digest !== undefined && this.endsTheWhole) this.#unproved.add(this.#at, part);
    this.#at += part.length;
    onSent(part.length);
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

  end(): void {
    this.#options.exchange.response.end();
  }

  /** Faults timeout and cancelled, beside those of the work. */
  within<Value>(work: Promise<Value>, limitMs = this.#options.stallMs): Promise<Value> {
    const { promise, reject, resolve } = Promise.withResolvers<Value>();
    const timer = setTimeout(() => reject(new Fault('timeout', 'the download stalls')), limitMs);
    const gone = () => reject(new Fault('cancelled', 'the client went away'));
    const { signal } = this.#options.exchange;
    signal.addEventListener('abort', gone, { once: true });
    if (signal.aborted) gone();
    work.then(resolve, reject);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', gone);
    });
  }
}
