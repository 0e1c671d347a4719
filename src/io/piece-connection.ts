/**
 * One keep-alive connection to a parent: one request at a time, its body read by the kernel straight into the caller's
 * buffer (`onread`), which costs a third of the CPU that node:http or undici need for the same bytes. Nothing is
 * allocated per read but a view. Invariant: after `done` was called nothing is written into that job's buffer.
 */
import { connect, type Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import { Fault } from '../protocol/faults.ts';
import { Gathering } from './gathering.ts';
import { parseResponseHead, type ResponseHead } from './http-head.ts';
import type { Pace, Turn } from './pacer.ts';

export type ParentPlace = { readonly ip: string; readonly port: number };

/** Longest response head; also how much of a refusal's body is read at once. */
const SCRATCH_BYTES = 8 * 1024;
/** What comes with a head is copied, and no limit was asked for it: so it is little. */
const HEAD_READ_BYTES = 1024;
/** A refusal with a longer body is not read to its end: the connection is closed. */
const MAX_DISCARD_BYTES = 64 * 1024;
const NEAR_SHARE = 0.25;

/** Where the body goes (exactly as long as it must be), or why the answer is refused. */
export type Sink = Uint8Array | Fault;

export type Job = {
  readonly request: string;
  readonly stallMs: number;
  readonly sink: (head: ResponseHead) => Sink;
  /** Asked before any of the body is read. */
  readonly pace: Pace | undefined;
  /** Called once, when no more than a quarter of the body is still to come. */
  readonly near?: (() => void) | undefined;
  /** Exactly once. `answered` = at least one byte had come back. */
  readonly done: (fault: Fault | undefined, answered: boolean) => void;
};

export class PieceConnection {
  /** At least one job has been served: the parent may since have closed it. */
  used = false;
  readonly #place: string;
  readonly #socket: Socket;
  readonly #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  readonly #connectTimeoutMs: number;
  readonly #onFree: (connection: PieceConnection) => void;
  readonly #onClosed: (connection: PieceConnection, why?: Fault) => void;
  #job: Job | undefined;
  #state: 'idle' | 'head' | 'body' | 'discard' | 'closed' = 'idle';
  #connected = false;
  #filled = 0;
  #total = 0;
  #sink: Uint8Array | undefined;
  #refusal: Fault | undefined;
  #closeAfter = false;
  /** Bytes of the body that are left when it is near its end; 0 = that was said, or nobody wants to know. */
  #nearAt = 0;
  /** Of the body, before the limit must be asked again; negative = read unasked, with the head. */
  #allowed = Number.POSITIVE_INFINITY;
  #turn: Turn | undefined;
  readonly #gathering = new Gathering();
  #lastByteAt = 0;
  #paused: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(
    parent: ParentPlace,
    options: {
      readonly connectTimeoutMs: number;
      readonly onFree: (connection: PieceConnection) => void;
      /** `why` = it ended before its time. */
      readonly onClosed: (connection: PieceConnection, why?: Fault) => void;
    },
  ) {
    this.#place = `${parent.ip}:${parent.port}`;
    this.#connectTimeoutMs = options.connectTimeoutMs;
    this.#onFree = options.onFree;
    this.#onClosed = options.onClosed;
    this.#socket = connect({
      host: parent.ip,
      port: parent.port,
      noDelay: true,
      onread: { buffer: () => this.#nextBuffer(), callback: (bytes) => this.#receive(bytes) },
    });
    this.#socket.on('connect', () => {
      this.#connected = true;
      this.#lastByteAt = performance.now();
      clearTimeout(this.#watch);
      if (this.#job !== undefined) this.#watchFor(this.#job.stallMs);
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = this.#connected ? 'peer-reset' : 'peer-refused';
      this.end(new Fault(code, `parent ${this.#place}: ${error.code ?? error.message}`, { cause: error }));
    });
    this.#socket.on('end', () => this.end(this.#reset()));
    this.#socket.on('close', () => this.end(this.#reset()));
  }

  /** It stood once. */
  get connected(): boolean {
    return this.#connected;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  run(job: Job): void {
    assert(this.#state === 'idle', 'one job at a time on a connection');
    this.#job = job;
    this.#state = 'head';
    this.#filled = 0;
    this.#lastByteAt = performance.now();
    this.#socket.ref();
    this.#socket.write(job.request, 'latin1');
    this.#watchFor(this.#connected ? job.stallMs : this.#connectTimeoutMs);
  }

  /** Closes the connection; a running job ends with the fault. */
  end(fault: Fault): void {
    if (this.#state === 'closed') return;
    const answered = this.#state !== 'idle' && (this.#state !== 'head' || this.#filled > 0);
    const job = this.#clear();
    const refusal = this.#refusal;
    this.#state = 'closed';
    this.#socket.destroy();
    this.#onClosed(this, fault);
    job?.done(refusal ?? fault, answered);
  }

  #reset(): Fault {
    return new Fault('peer-reset', `parent ${this.#place} closed the connection`);
  }

  #corrupt(what: string): Fault {
    return new Fault('peer-corrupt', `parent ${this.#place}: ${what}`);
  }

  /** Called by the socket before each read: where the next bytes go. */
  #nextBuffer(): Uint8Array {
    if (this.#state === 'body' && this.#sink !== undefined) {
      return this.#sink.subarray(this.#filled, Math.min(this.#total, this.#filled + this.#allowed));
    }
    if (this.#state === 'discard') return this.#scratch.subarray(0, Math.min(SCRATCH_BYTES, this.#allowed));
    const from = this.#state === 'head' ? this.#filled : 0;
    return this.#scratch.subarray(from, from + HEAD_READ_BYTES);
  }

  #receive(bytes: number): boolean {
    this.#lastByteAt = performance.now();
    if (this.#state === 'body' || this.#state === 'discard') this.#receiveBody(bytes);
    else if (this.#state === 'head') this.#receiveHead(bytes);
    else this.end(this.#corrupt('it sent bytes that nobody asked for'));
    return this.#paused === undefined && this.#turn === undefined;
  }

  #receiveHead(bytes: number): void {
    const from = Math.max(0, this.#filled - 3);
    this.#filled += bytes;
    const seen = this.#scratch.subarray(0, this.#filled);
    const end = seen.indexOf('\r\n\r\n', from, 'latin1');
    if (end < 0) {
      if (this.#filled === SCRATCH_BYTES) this.end(this.#corrupt('its answer has an endless head'));
      return;
    }
    const head = parseResponseHead(seen.toString('latin1', 0, end));
    if (head === undefined) {
      this.end(this.#corrupt('its answer is not plain HTTP/1.1'));
      return;
    }
    const sink = this.#job?.sink(head);
    const spill = seen.subarray(end + 4);
    this.#closeAfter = head.close;
    this.#total = head.contentLength;
    if (spill.length > this.#total) {
      this.end(this.#corrupt('its body is longer than announced'));
      return;
    }
    if (sink instanceof Fault) {
      if (this.#total > MAX_DISCARD_BYTES) {
        this.end(sink);
        return;
      }
      this.#refusal = sink;
      this.#state = 'discard';
    } else {
      assert(sink !== undefined && sink.length === this.#total, 'a sink as long as the body');
      sink.set(spill, 0);
      this.#sink = sink;
      this.#state = 'body';
      this.#nearAt = this.#job?.near === undefined ? 0 : NEAR_SHARE * this.#total;
      this.#gathering.restart(this.#lastByteAt);
    }
    this.#allowed = this.#job?.pace === undefined ? Number.POSITIVE_INFINITY : 0;
    this.#filled = 0;
    this.#receiveBody(spill.length);
  }

  #receiveBody(bytes: number): void {
    this.#filled += bytes;
    if (this.#filled > this.#total) {
      this.end(this.#corrupt('its body is longer than announced'));
      return;
    }
    this.#allowed -= bytes;
    const left = this.#total - this.#filled;
    const pace = this.#job?.pace;
    if (left > 0 && left <= this.#nearAt) {
      this.#nearAt = 0;
      this.#job?.near?.();
      // Who hears it may have given the piece up.
      if (this.#job === undefined) return;
    }
    if (left === 0) this.#finish();
    else if (pace !== undefined) {
      if (this.#allowed <= 0) this.#awaitTurn(pace, left);
    } else {
      const rest = this.#gathering.after(bytes, left, this.#lastByteAt);
      if (rest > 0) this.#pause(rest);
    }
  }

  #awaitTurn(pace: Pace, left: number): void {
    const turn = pace(left - this.#allowed, () => {
      this.#turn = undefined;
      this.#readOn();
    });
    this.#allowed += turn.bytes;
    if (turn.come) return;
    this.#turn = turn;
    this.#socket.pause();
  }

  #finish(): void {
    const fault = this.#refusal;
    const job = this.#clear();
    this.used = true;
    if (this.#closeAfter) {
      this.#state = 'closed';
      this.#socket.destroy();
      this.#onClosed(this);
    } else {
      this.#state = 'idle';
      this.#socket.unref();
      this.#onFree(this);
    }
    job?.done(fault, true);
  }

  #clear(): Job | undefined {
    const job = this.#job;
    this.#job = undefined;
    this.#sink = undefined;
    this.#refusal = undefined;
    clearTimeout(this.#watch);
    this.#turn?.cancel();
    this.#turn = undefined;
    if (this.#paused !== undefined) {
      clearTimeout(this.#paused);
      this.#paused = undefined;
    }
    return job;
  }

  #pause(ms: number): void {
    this.#socket.pause();
    this.#paused = setTimeout(() => {
      this.#paused = undefined;
      this.#readOn();
    }, ms);
  }

  #readOn(): void {
    // Waiting for the limit is not the parent's silence.
    this.#lastByteAt = performance.now();
    this.#socket.resume();
  }

  /** One timer per job, looked at again when it fires, instead of one restarted per read. */
  #watchFor(ms: number): void {
    this.#watch = setTimeout(() => {
      const limit = this.#connected ? (this.#job?.stallMs ?? 0) : this.#connectTimeoutMs;
      const reads = this.#paused === undefined && this.#turn === undefined;
      const left = reads ? this.#lastByteAt + limit - performance.now() : limit;
      if (left > 0.5) this.#watchFor(left);
      else if (this.#connected) this.end(new Fault('peer-stalled', `parent ${this.#place}: no byte for ${limit} ms`));
      else this.end(new Fault('peer-refused', `parent ${this.#place}: no connection within ${limit} ms`));
    }, ms);
  }
}
