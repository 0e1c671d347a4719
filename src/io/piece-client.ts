/**
 * Fetches pieces from parents over keep-alive connections, a bounded number per parent; more requests wait in order.
 * Strict: only a 206 with exactly the asked range and length is taken. Every way to fail has its own Fault, because the
 * scheduler's trust in a parent hangs on it.
 */
import { assert } from '../base/assert.ts';
import { parseContentRange, printRange } from '../protocol/byte-range.ts';
import { Fault } from '../protocol/faults.ts';
import type { ResponseHead } from './http-head.ts';
import type { Pace } from './pacer.ts';
import { type Job, type ParentPlace, PieceConnection, type Sink } from './piece-connection.ts';

export type { ParentPlace } from './piece-connection.ts';

export type PieceClientOptions = {
  readonly maxConnectionsPerParent: number;
  readonly connectTimeoutMs: number;
  /** Connections kept idle over all parents; the oldest goes first. */
  readonly maxIdleConnections?: number;
  readonly idleMs?: number;
};

export type FetchOptions = {
  /** No byte for this long = Fault peer-stalled. Milliseconds. */
  readonly stallMs: number;
  readonly signal?: AbortSignal;
  /** Asked before any of the body is read; absent = nothing limits it. */
  readonly pace?: Pace | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called once, when the last quarter of the body is about to come. */
  readonly near?: (() => void) | undefined;
};

const DEFAULT_MAX_IDLE = 64;
/** Shorter than the piece server's own limit, so that the parent rarely closes first. */
const DEFAULT_IDLE_MS = 30_000;
const MAX_JSON_BYTES = 4 * 1024 * 1024;

type Plan = {
  readonly parent: ParentPlace;
  readonly request: string;
  readonly options: FetchOptions;
  readonly sink: (head: ResponseHead) => Sink;
  readonly settle: (fault: Fault | undefined) => void;
  /** Small: it goes before the pieces that wait. */
  readonly first: boolean;
  retried: boolean;
  connection: PieceConnection | undefined;
};

type Pool = { open: number; readonly idle: PieceConnection[]; readonly waiting: Plan[] };

export class PieceClient {
  readonly #options: PieceClientOptions;
  readonly #pools = new Map<string, Pool>();
  readonly #connections = new Set<PieceConnection>();
  /** Oldest first. */
  readonly #idle = new Map<PieceConnection, NodeJS.Timeout>();
  #closed = false;

  constructor(options: PieceClientOptions) {
    this.#options = options;
  }

  /**
   * Reads bytes `span` of `path` into `into[0…]`; `into` is not written to after the promise has settled. Faults:
   * peer-refused, peer-lacks, peer-reset, peer-stalled, peer-corrupt, cancelled (also for what waited behind a request that stalled).
   */
  fetch(
    parent: ParentPlace,
    path: string,
    span: { readonly start: number; readonly end: number },
    into: Uint8Array,
    options: FetchOptions,
  ): Promise<void> {
    const length = span.end - span.start;
    assert(length > 0 && into.length >= length, 'a buffer that holds the span');
    const sink = (head: ResponseHead): Sink => {
      const refusal = refusalOf(parent, head, 206);
      if (refusal !== undefined) return refusal;
      const range = parseContentRange(head.contentRange ?? '')?.span;
      if (range?.start !== span.start || range.end !== span.end || head.contentLength !== length) {
        return new Fault('peer-corrupt', `parent ${parent.ip}:${parent.port} answered with another range`);
      }
      return into.length === length ? into : into.subarray(0, length);
    };
    const headers = { Range: printRange(span.start, span.end), ...options.headers };
    return this.#ask(parent, requestText(parent, path, headers), options, sink);
  }

  /** A small JSON answer, parsed but not checked; a longer one than maxBytes is peer-corrupt. */
  async getJson(parent: ParentPlace, path: string, options: FetchOptions & { maxBytes?: number }): Promise<unknown> {
    let body: Buffer | undefined;
    const sink = (head: ResponseHead): Sink => {
      const refusal = refusalOf(parent, head, 200);
      if (refusal !== undefined) return refusal;
      if (head.contentLength > (options.maxBytes ?? MAX_JSON_BYTES)) {
        return new Fault('peer-corrupt', `parent ${parent.ip}:${parent.port} answered with too much`);
      }
      body = Buffer.alloc(head.contentLength);
      return body;
    };
    await this.#ask(parent, requestText(parent, path, options.headers ?? {}), { ...options, first: true }, sink);
    try {
      return JSON.parse(body?.toString() ?? '');
    } catch (cause) {
      throw new Fault('peer-corrupt', `parent ${parent.ip}:${parent.port} answered with broken JSON`, { cause });
    }
  }

  /** Ends idle connections at once and running fetches with Fault cancelled; later fetches fail so too. */
  close(): void {
    this.#closed = true;
    const fault = new Fault('cancelled', 'the piece client was closed');
    for (const pool of this.#pools.values()) for (const plan of pool.waiting.splice(0)) plan.settle(fault);
    for (const connection of [...this.#connections]) connection.end(fault);
  }

  #ask(
    parent: ParentPlace,
    request: string,
    options: FetchOptions & { readonly first?: boolean },
    sink: Plan['sink'],
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal, first = false } = options;
      const cancelled = () => new Fault('cancelled', 'the fetch was cancelled');
      if (this.#closed || signal?.aborted) {
        reject(cancelled());
        return;
      }
      const abort = () => {
        if (plan.connection !== undefined) plan.connection.end(cancelled());
        else this.#withdraw(plan, cancelled());
      };
      const settle = (fault: Fault | undefined) => {
        signal?.removeEventListener('abort', abort);
        if (fault === undefined) resolve();
        else reject(fault);
      };
      const plan: Plan = { parent, request, options, sink, settle, first, retried: false, connection: undefined };
      signal?.addEventListener('abort', abort, { once: true });
      this.#start(plan);
    });
  }

  #start(plan: Plan): void {
    const pool = this.#poolOf(plan.parent);
    // After a stale connection the others of its age are likely to be stale too: the second try takes a new one.
    const connection = plan.retried ? undefined : pool.idle.pop();
    if (connection !== undefined) {
      clearTimeout(this.#idle.get(connection));
      this.#idle.delete(connection);
      this.#run(plan, connection);
      return;
    }
    if (pool.open >= this.#options.maxConnectionsPerParent) {
      const stale = pool.idle[0];
      if (stale === undefined) {
        if (plan.first) pool.waiting.unshift(plan);
        else pool.waiting.push(plan);
        return;
      }
      stale.end(new Fault('cancelled', 'room for a new connection'));
    }
    // The end of the last connection has taken the pool away.
    this.#run(plan, this.#connect(plan.parent, this.#poolOf(plan.parent)));
  }

  #connect(parent: ParentPlace, pool: Pool): PieceConnection {
    const connection = new PieceConnection(parent, {
      connectTimeoutMs: this.#options.connectTimeoutMs,
      onFree: (free) => this.#freed(free, pool),
      onClosed: (gone, why) => this.#gone(gone, parent, pool, why),
    });
    pool.open++;
    this.#connections.add(connection);
    return connection;
  }

  #run(plan: Plan, connection: PieceConnection): void {
    const { options } = plan;
    const wasUsed = connection.used;
    plan.connection = connection;
    const job: Job = {
      request: plan.request,
      stallMs: options.stallMs,
      sink: plan.sink,
      pace: options.pace,
      near: options.near,
      done: (fault, answered) => {
        plan.connection = undefined;
        if (fault?.code === 'peer-reset' && wasUsed && !answered && !plan.retried && !this.#closed) {
          plan.retried = true;
          this.#start(plan);
          return;
        }
        plan.settle(fault);
      },
    };
    connection.run(job);
  }

  #freed(connection: PieceConnection, pool: Pool): void {
    const next = pool.waiting.shift();
    if (next !== undefined) {
      // Not from within the end of the job before.
      next.connection = connection;
      queueMicrotask(() => {
        if (connection.closed) this.#lostBeforeStart(next);
        else this.#run(next, connection);
      });
      return;
    }
    pool.idle.push(connection);
    // Made only when it is needed: an error costs as much as the rest of a small piece.
    const end = () => connection.end(new Fault('cancelled', 'idle for too long'));
    this.#idle.set(connection, setTimeout(end, this.#options.idleMs ?? DEFAULT_IDLE_MS).unref());
    if (this.#idle.size > (this.#options.maxIdleConnections ?? DEFAULT_MAX_IDLE)) {
      const [oldest] = this.#idle.keys();
      oldest?.end(new Fault('cancelled', 'too many idle connections'));
    }
  }

  #lostBeforeStart(plan: Plan): void {
    plan.connection = undefined;
    if (this.#closed || plan.options.signal?.aborted) plan.settle(new Fault('cancelled', 'the fetch was cancelled'));
    else this.#start(plan);
  }

  #gone(connection: PieceConnection, parent: ParentPlace, pool: Pool, why: Fault | undefined): void {
    this.#connections.delete(connection);
    clearTimeout(this.#idle.get(connection));
    this.#idle.delete(connection);
    const at = pool.idle.indexOf(connection);
    if (at >= 0) pool.idle.splice(at, 1);
    pool.open--;
    if (why !== undefined && isSilence(why, connection)) this.#giveUp(pool, why);
    const next = this.#closed ? undefined : pool.waiting.shift();
    if (next !== undefined) this.#start(next);
    else if (pool.open === 0 && pool.waiting.length === 0) this.#pools.delete(keyOf(parent));
  }

  /**
   * Who waits behind a silent request is not made to wait as long once more: two at a time, many would take minutes. Nothing was asked
   * for them yet, so they blame nobody.
   */
  #giveUp(pool: Pool, why: Fault): void {
    for (const plan of pool.waiting.splice(0)) plan.settle(new Fault('cancelled', `not asked: ${why.message}`));
  }

  #withdraw(plan: Plan, fault: Fault): void {
    const waiting = this.#pools.get(keyOf(plan.parent))?.waiting ?? [];
    const at = waiting.indexOf(plan);
    if (at >= 0) waiting.splice(at, 1);
    plan.settle(fault);
  }

  #poolOf(parent: ParentPlace): Pool {
    const key = keyOf(parent);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = { open: 0, idle: [], waiting: [] };
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

function isSilence({ code }: Fault, { connected }: PieceConnection): boolean {
  return code === 'peer-stalled' || (code === 'peer-refused' && !connected);
}

function keyOf(parent: ParentPlace): string {
  return `${parent.ip}|${parent.port}`;
}

function refusalOf(parent: ParentPlace, head: ResponseHead, wanted: number): Fault | undefined {
  if (head.status === wanted) return undefined;
  const message = `parent ${parent.ip}:${parent.port} answered ${head.status}`;
  if (head.status === 404) return new Fault('peer-lacks', message);
  return new Fault(head.status >= 400 ? 'peer-refused' : 'peer-corrupt', message);
}

function requestText(parent: ParentPlace, path: string, headers: Readonly<Record<string, string>>): string {
  const host = parent.ip.includes(':') ? `[${parent.ip}]` : parent.ip;
  assert(/^\/[\x21-\x7e]*$/.test(path), 'a path without blanks');
  let text = `GET ${path} HTTP/1.1\r\nHost: ${host}:${parent.port}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    // A line break in a value would be a second request.
    assert(/^[\x21-\x7e]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value), 'a header of one line');
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
