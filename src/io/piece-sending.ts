/** One answer of the piece server on its way: read a buffer, write it, wait until it is taken, again. */
import { assert } from '../base/assert.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { Span } from '../protocol/piece.ts';
import type { Log } from './log.ts';
import type { Pace } from './pacer.ts';
import { giveSendBufferBack, HEAD_ROOM_BYTES, SEND_BUFFER_BYTES, takeSendBuffer } from './send-buffers.ts';
import type { Servable } from './servable.ts';
import type { Headers, ServedConnection } from './served-connection.ts';

export type SendContext = {
  readonly pace: ((content: ContentId) => Pace | undefined) | undefined;
  readonly log: Log;
  readonly onServed: (id: ContentId, bytes: number, remote: string) => void;
};

export type SendPart = {
  readonly span: Span;
  readonly status: number;
  readonly head: Headers;
};

type Order = { readonly id: ContentId; readonly content: Servable; readonly part: SendPart };

export class PieceSending {
  /** Settles when the content is not in use any more. */
  finished: Promise<void> = Promise.resolve();
  readonly #connection: ServedConnection;
  readonly #order: Order;
  readonly #context: SendContext;
  /** Of the content. */
  #sent = 0;
  #begun = false;
  /** Wakes what waits for the limit when the child goes away. */
  #wake: () => void = () => undefined;

  constructor(connection: ServedConnection, order: Order, context: SendContext) {
    this.#connection = connection;
    this.#order = order;
    this.#context = context;
  }

  /** Never rejects. */
  run(): Promise<void> {
    this.finished = this.#send();
    return this.finished;
  }

  async #send(): Promise<void> {
    const { content, id } = this.#order;
    const connection = this.#connection;
    connection.onGone = () => this.#wake();
    content.acquire();
    const buffer = takeSendBuffer();
    try {
      await this.#sendAll(buffer);
    } catch (error) {
      this.#fail(Fault.of(error, 'local-io'));
    } finally {
      if (!connection.gone) giveSendBufferBack(buffer);
      content.release();
      if (this.#sent > 0) this.#context.onServed(id, this.#sent, connection.remote);
    }
  }

  async #sendAll(buffer: Buffer): Promise<void> {
    const { content, part, id } = this.#order;
    const connection = this.#connection;
    let offset = part.span.start;
    while (offset < part.span.end && !connection.gone) {
      const most = Math.min(SEND_BUFFER_BYTES, part.span.end - offset);
      const pace = this.#context.pace?.(id);
      const bytes = pace === undefined ? most : await this.#turn(pace, most);
      if (connection.gone) return;
      const end = HEAD_ROOM_BYTES + bytes;
      await content.read(offset, buffer.subarray(HEAD_ROOM_BYTES, end));
      if (connection.gone) return;
      const from = this.#begun ? HEAD_ROOM_BYTES : this.#begin(buffer);
      if (!(await this.#write(buffer.subarray(from, end)))) return;
      offset += bytes;
      this.#sent += bytes;
    }
    if (!connection.gone) connection.finish();
  }

  /** Puts the head before the first bytes; returns where it begins. */
  #begin(buffer: Buffer): number {
    const head = this.#connection.head(this.#order.part.status, this.#order.part.head);
    assert(head.length <= HEAD_ROOM_BYTES, 'a short head');
    this.#begun = true;
    const from = HEAD_ROOM_BYTES - head.length;
    buffer.write(head, from, 'latin1');
    return from;
  }

  /** False when the child is gone or takes nothing. */
  #write(bytes: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => this.#connection.write(bytes, resolve));
  }

  /** Resolves when the limit allows so many bytes, or the child is gone. */
  #turn(pace: Pace, most: number): Promise<number> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#wake = () => undefined;
        resolve(turn.bytes);
      };
      const turn = pace(most, settle);
      if (turn.come) resolve(turn.bytes);
      else {
        this.#wake = () => {
          turn.cancel();
          settle();
        };
      }
    });
  }

  #fail(fault: Fault): void {
    if (fault.code !== 'peer-lacks')
      this.#context.log.warn({ fault, content: this.#order.id }, 'a piece cannot be read');
    if (this.#begun) this.#connection.cut();
    else if (!this.#connection.gone) this.#connection.say(fault.code === 'peer-lacks' ? 404 : 500, {});
  }
}
