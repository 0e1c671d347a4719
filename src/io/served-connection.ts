/**
 * One child's connection to the piece server: requests one after another, each answered before the next is looked at. A socket and as much of HTTP as pieces
 * need, because node:http costs more than all else that is done for a piece. Whoever sends too much, too slowly or what is no request is cut off.
 */
import type { Socket } from 'node:net';
import type { Millis } from '../base/clock.ts';
import { parseRequestHead, type RequestHead } from './http-head.ts';

export type ConnectionLimits = {
  /** Between two requests. */
  readonly idleMs: Millis;
  /** From the first byte of a request to the end of its head. */
  readonly headMs: Millis;
  /** For a write to be taken. */
  readonly stallMs: Millis;
};

export type ConnectionListener = {
  /** Leads to one answer: `say`, or `writes` and `finish`, or `cut`. */
  onRequest(request: RequestHead, connection: ServedConnection): void;
  onStalled(connection: ServedConnection): void;
  onClosed(connection: ServedConnection): void;
};

export type Headers = Readonly<Record<string, string | number>>;

const MAX_HEAD_BYTES = 8 * 1024;
const HEAD_END = '\r\n\r\n';
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'Partial Content',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

export class ServedConnection {
  readonly remote: string;
  /** Called when the child goes away while it is being answered, and at most once per answer. */
  onGone: (() => void) | undefined;
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #listener: ConnectionListener;
  /** Received and not looked at yet. */
  #received: Buffer | undefined;
  #answering = false;
  #closeAfter = false;
  #gone = false;
  /** What is waited for must have come by then. */
  #deadline: Millis;
  #writing: ((taken: boolean) => void) | undefined;

  constructor(socket: Socket, limits: ConnectionLimits, listener: ConnectionListener) {
    this.#socket = socket;
    this.#limits = limits;
    this.#listener = listener;
    this.remote = socket.remoteAddress ?? '';
    this.#deadline = performance.now() + limits.headMs;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    // Who says no more has left: the answer would reach nobody who is of ours.
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Called now and then: ends what has waited for too long. */
  check(now: Millis): void {
    if (now < this.#deadline) return;
    if (this.#writing !== undefined) this.#listener.onStalled(this);
    this.#socket.destroy();
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** A whole answer. `close`: and the end of the connection. */
  say(status: number, headers: Headers, options: { readonly body?: string; readonly close?: boolean } = {}): void {
    const { body = '', close = false } = options;
    this.#closeAfter ||= close;
    const length = 'Content-Length' in headers ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const text = this.head(status, { ...length, ...headers }) + body;
    this.#socket.write(text, 'utf8');
    this.finish();
  }

  /** The head of an answer, as the child sees it. */
  head(status: number, headers: Headers): string {
    let text = `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\nDate: ${date()}\r\n`;
    for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
    return this.#closeAfter ? `${text}Connection: close\r\n\r\n` : `${text}\r\n`;
  }

  /** `bytes` are in use until it calls back, once, with false when the child is gone or takes nothing. */
  write(bytes: Uint8Array, done: (taken: boolean) => void): void {
    if (this.#gone) {
      done(false);
      return;
    }
    this.#writing = done;
    this.#deadline = performance.now() + this.#limits.stallMs;
    this.#socket.write(bytes, this.#written);
  }

  /** The answer is complete. */
  finish(): void {
    this.#answering = false;
    this.onGone = undefined;
    if (this.#closeAfter) {
      this.#deadline = performance.now() + this.#limits.stallMs;
      // What the child still sends is read away, or the kernel would reset the connection before the answer is there.
      this.#received = undefined;
      this.#socket.end();
      this.#socket.resume();
      return;
    }
    this.#deadline = performance.now() + this.#limits.idleMs;
    if (this.#received === undefined || this.#gone) return;
    // Not from within the answer before.
    queueMicrotask(() => this.#look());
  }

  readonly #written = (error?: Error | null): void => {
    const done = this.#writing;
    this.#writing = undefined;
    this.#deadline = Number.POSITIVE_INFINITY;
    done?.((error === undefined || error === null) && !this.#gone);
  };

  #receive(bytes: Buffer): void {
    if (this.#closeAfter && !this.#answering) return;
    const before = this.#received;
    this.#received = before === undefined ? bytes : Buffer.concat([before, bytes]);
    if (!this.#answering) this.#look();
    // Further requests wait in the kernel.
    else if (this.#received.length > MAX_HEAD_BYTES) this.#socket.pause();
  }

  #look(): void {
    const received = this.#received;
    if (received === undefined || this.#answering || this.#gone || this.#closeAfter) return;
    const end = received.indexOf(HEAD_END, 0, 'latin1');
    if (end > MAX_HEAD_BYTES || (end < 0 && received.length > MAX_HEAD_BYTES)) {
      this.#refuse(431);
      return;
    }
    if (end < 0) {
      this.#deadline = Math.min(this.#deadline, performance.now() + this.#limits.headMs);
      this.#socket.resume();
      return;
    }
    const rest = received.subarray(end + HEAD_END.length);
    this.#received = rest.length === 0 ? undefined : rest;
    if (rest.length <= MAX_HEAD_BYTES) this.#socket.resume();
    const request = parseRequestHead(received.toString('latin1', 0, end));
    if (request === undefined) {
      this.#refuse(400);
      return;
    }
    this.#answering = true;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#closeAfter = request.close || request.hasBody;
    this.#listener.onRequest(request, this);
  }

  #refuse(status: number): void {
    this.#received = undefined;
    this.#answering = true;
    this.say(status, {}, { close: true });
  }

  #closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#received = undefined;
    this.#written();
    const { onGone } = this;
    this.onGone = undefined;
    onGone?.();
    this.#listener.onClosed(this);
  }
}

let second = 0;
let text = '';

/** RFC 9110 wants it of every server that has a clock. */
function date(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
