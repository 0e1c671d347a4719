/** The part of a session that both ends share: queue, frames, heartbeat, limits and the one way to end. */
import type { WebSocket } from 'ws';
import { FRAME_HEAD_BYTES, frameHead } from '../protocol/bytes-frame.ts';
import { Fault, type FaultCode, isFaultCode } from '../protocol/faults.ts';
import { giveSendBufferBack, SEND_BUFFER_BYTES, takeSendBuffer } from './send-buffers.ts';

/** WebSocket close code of a goodbye whose reason is `code message`. */
const FAULT_CLOSE = 4000;
const FRAME_BYTES = 256 * 1024;
/** A goodbye that is not answered for this long ends without the answer. Milliseconds. */
const GOODBYE_MS = 2000;

export type SessionLimits = {
  /** A ping goes out when nothing was heard for about this long; two and a half times that in silence ends the session. */
  readonly heartbeatMs: number;
  /** Incoming frame. */
  readonly maxFrameBytes: number;
  /** Queued or unsent text; beyond it the other side does not read and the session ends. */
  readonly maxQueuedBytes: number;
  /** Sessions accepted at once. */
  readonly maxSessions: number;
};

export type SocketPlan<In> = {
  readonly limits: SessionLimits;
  readonly decode: (text: string) => readonly In[];
  /** Of a frame of bytes; absent = none may come. */
  readonly decodeBytes?: (frame: Uint8Array) => readonly In[];
  /** Code of a connection that broke. */
  readonly lost: FaultCode;
  readonly onMessages: (messages: readonly In[]) => void;
  readonly onClose: (reason: Fault) => void;
};

export class SessionSocket<Out, In> {
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #plan: SocketPlan<In>;
  readonly #queue: string[] = [];
  #queuedBytes = 0;
  #flushAsked = false;
  #ready = false;
  #ended = false;
  #reason: Fault | undefined;
  #error: Error | undefined;
  #heardAt = performance.now();
  #heartbeat: NodeJS.Timeout | undefined;
  #heartbeatMs: number;
  /** Pings since anything was heard. */
  #unanswered = 0;
  #goodbye: NodeJS.Timeout | undefined;
  #resolveClosed: () => void = () => undefined;

  constructor(socket: WebSocket, plan: SocketPlan<In>) {
    this.#socket = socket;
    this.#plan = plan;
    this.#heartbeatMs = plan.limits.heartbeatMs;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    socket.on('pong', () => this.#heard());
    socket.on('ping', () => this.#heard());
    socket.on('error', (error) => {
      this.#error = error;
      // ws closes by itself after an error, but not when the connection never stood.
      if (!this.#ready) this.end(this.#lostFault(error.message));
    });
    socket.on('close', (code, text) => this.end(this.#closeReason(code, text.toString())));
  }

  get open(): boolean {
    return this.#ready && !this.#ended && this.#reason === undefined;
  }

  /** Milliseconds since anything was heard of the other side. */
  get quietMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Asks for a sign of life. */
  ping(): void {
    if (this.open) this.#socket.ping();
  }

  /** The connection stands: what waited goes out and the heartbeat begins. */
  opened(): void {
    if (this.#ended || this.#ready) return;
    this.#ready = true;
    this.#heardAt = performance.now();
    this.#startBeat();
    if (this.#queue.length > 0) this.#askFlush();
  }

  get heartbeatMs(): number {
    return this.#heartbeatMs;
  }

  /** From now on silence is noticed at this rhythm: short while much hangs on the other side, long while nothing does. */
  set heartbeatMs(millis: number) {
    if (millis === this.#heartbeatMs) return;
    const isFaster = millis < this.#heartbeatMs;
    this.#heartbeatMs = millis;
    if (this.#heartbeat === undefined || this.#ended) return;
    clearInterval(this.#heartbeat);
    this.#startBeat();
    if (!isFaster) return;
    // What was silent at a slow rhythm is asked before it is judged at a fast one.
    this.#heard();
    this.#ping();
  }

  send(message: Out): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(json: string): void {
    if (this.#ended || this.#reason !== undefined) return;
    this.#queue.push(json);
    this.#queuedBytes += json.length + 1;
    if (this.#queuedBytes + this.#socket.bufferedAmount > this.#plan.limits.maxQueuedBytes) {
      this.#drop(
        this.#lostFault(`the other side does not read: ${this.#plan.limits.maxQueuedBytes} bytes wait for it`),
      );
      return;
    }
    this.#askFlush();
  }

  sendNow(): void {
    if (!this.#ready || this.#ended || this.#queue.length === 0) return;
    let from = 0;
    let size = 0;
    for (let i = 0; i < this.#queue.length; i++) {
      const length = this.#queue[i]?.length ?? 0;
      if (size > 0 && size + length > FRAME_BYTES) {
        this.#sendFrame(from, i);
        from = i;
        size = 0;
      }
      size += length + 1;
    }
    this.#sendFrame(from, this.#queue.length);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  /**
   * What is queued, these messages as JSON, and bytes, now and in one frame. False = the other side has not read yet what was sent
   * before, or it is too much for one frame: nothing was sent.
   */
  sendBytes(texts: readonly string[], bytes: Uint8Array): boolean {
    if (!this.open || this.#socket.bufferedAmount > 0) return false;
    const text = `[${[...this.#queue, ...texts].join(',')}]`;
    // A character of JSON has three bytes at most.
    if (FRAME_HEAD_BYTES + text.length * 3 + bytes.length > SEND_BUFFER_BYTES) return false;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    const buffer = takeSendBuffer();
    const textBytes = buffer.write(text, FRAME_HEAD_BYTES);
    buffer.set(frameHead(textBytes), 0);
    buffer.set(bytes, FRAME_HEAD_BYTES + textBytes);
    const frame = buffer.subarray(0, FRAME_HEAD_BYTES + textBytes + bytes.length);
    this.#socket.send(frame, { binary: true }, (error) => {
      if (error === undefined || error === null) giveSendBufferBack(buffer);
    });
    return true;
  }

  close(reason = new Fault('cancelled', 'the session was closed')): void {
    if (this.#ended || this.#reason !== undefined) return;
    if (!this.#ready) {
      this.#drop(reason);
      return;
    }
    this.sendNow();
    this.#reason = reason;
    this.#socket.close(FAULT_CLOSE, goodbyeText(reason));
    this.#goodbye = setTimeout(() => this.#drop(reason), GOODBYE_MS);
  }

  /** The one way to end: exactly one onClose, no timer left, the socket gone. */
  end(reason: Fault): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#goodbye);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    if (this.#socket.readyState !== this.#socket.CLOSED) this.#socket.terminate();
    this.#resolveClosed();
    this.#plan.onClose(this.#reason ?? reason);
  }

  #drop(reason: Fault): void {
    this.#reason ??= reason;
    this.end(reason);
  }

  #askFlush(): void {
    if (this.#flushAsked || !this.#ready) return;
    this.#flushAsked = true;
    setImmediate(() => {
      this.#flushAsked = false;
      if (this.open) this.sendNow();
    });
  }

  #sendFrame(from: number, to: number): void {
    const whole = from === 0 && to === this.#queue.length;
    this.#socket.send(`[${(whole ? this.#queue : this.#queue.slice(from, to)).join(',')}]`);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#heard();
    if (this.#ended || this.#reason !== undefined) return;
    let messages: readonly In[];
    try {
      messages = isBinary ? this.#decodeBytes(data) : this.#plan.decode(data.toString());
    } catch (error) {
      this.close(Fault.of(error, 'bad-message'));
      return;
    }
    if (messages.length > 0) this.#plan.onMessages(messages);
  }

  #decodeBytes(data: Buffer): readonly In[] {
    const { decodeBytes } = this.#plan;
    if (decodeBytes === undefined) throw new Fault('bad-message', 'a frame of bytes on a session');
    return decodeBytes(data);
  }

  #startBeat(): void {
    this.#heartbeat = setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  #heard(): void {
    this.#heardAt = performance.now();
    this.#unanswered = 0;
  }

  /** A process that stood still itself has heard nothing either: only silence after pings of its own counts. */
  #beat(): void {
    const silent = performance.now() - this.#heardAt;
    if (silent >= this.#heartbeatMs * 2.5 && this.#unanswered >= 2)
      this.#drop(this.#lostFault(`nothing heard for ${Math.round(silent)} ms`));
    else if (silent >= this.#heartbeatMs * 0.5) this.#ping();
  }

  #ping(): void {
    this.#unanswered++;
    this.#socket.ping();
  }

  #lostFault(why: string): Fault {
    return new Fault(this.#plan.lost, `the session broke: ${why}`, { cause: this.#error });
  }

  #closeReason(code: number, text: string): Fault {
    if (this.#reason !== undefined) return this.#reason;
    if (code === FAULT_CLOSE) return faultOfClose(text);
    return this.#lostFault(this.#error?.message ?? `closed with ${code}`);
  }
}

function goodbyeText(reason: Fault): string {
  // A close frame carries at most 123 bytes; cut by bytes without leaving half a character.
  const bytes = Buffer.from(`${reason.code} ${reason.message}`).subarray(0, 123);
  return bytes.toString().replace(/\uFFFD+$/, '');
}

/** What a goodbye said; text that is not ours is a broken message. */
function faultOfClose(text: string): Fault {
  const space = text.indexOf(' ');
  const code = space < 0 ? text : text.slice(0, space);
  return isFaultCode(code)
    ? new Fault(code, text.slice(code.length + 1))
    : new Fault('bad-message', 'an unknown goodbye');
}
