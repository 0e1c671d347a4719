/** One answer of the piece server on its way: read a buffer, write it, wait until it is taken, again. */
import type { ServerResponse } from 'node:http';
import { Fault } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { Span } from '../protocol/piece.ts';
import type { Log } from './log.ts';
import type { Pace } from './pacer.ts';
import { giveSendBufferBack, SEND_BUFFER_BYTES, takeSendBuffer } from './send-buffers.ts';
import type { Servable } from './servable.ts';

export type SendContext = {
  readonly pace: ((content: ContentId) => Pace | undefined) | undefined;
  readonly stallMs: number;
  readonly log: Log;
  readonly onServed: (id: ContentId, bytes: number, remote: string) => void;
};

export type SendPart = {
  readonly span: Span;
  readonly status: number;
  readonly head: Readonly<Record<string, string | number>>;
};

type Order = { readonly id: ContentId; readonly content: Servable; readonly part: SendPart };

export class PieceSending {
  readonly part: SendPart;
  /** Settles when the content is not in use any more. */
  finished: Promise<void> = Promise.resolve();
  readonly #response: ServerResponse;
  readonly #order: Order;
  readonly #context: SendContext;
  readonly #remote: string;
  #sent = 0;
  #gone = false;
  /** Wakes whatever waits when the child goes away. */
  #wake: () => void = () => undefined;

  constructor(response: ServerResponse, order: Order, context: SendContext) {
    this.#response = response;
    this.#order = order;
    this.#context = context;
    this.part = order.part;
    this.#remote = response.socket?.remoteAddress ?? '';
  }

  /** Never rejects. */
  run(): Promise<void> {
    this.finished = this.#send();
    return this.finished;
  }

  async #send(): Promise<void> {
    const { content, id } = this.#order;
    this.#response.on('close', this.#onClose);
    this.#gone = this.#response.destroyed;
    content.acquire();
    const buffer = takeSendBuffer();
    try {
      await this.#sendAll(buffer);
    } catch (error) {
      this.#fail(Fault.of(error, 'local-io'));
    } finally {
      this.#response.off('close', this.#onClose);
      if (!this.#gone) giveSendBufferBack(buffer);
      content.release();
      if (this.#sent > 0) this.#context.onServed(id, this.#sent, this.#remote);
    }
  }

  readonly #onClose = () => {
    this.#gone = true;
    this.#wake();
  };

  async #sendAll(buffer: Buffer): Promise<void> {
    const { content, part, id } = this.#order;
    let offset = part.span.start;
    while (offset < part.span.end && !this.#gone) {
      const most = Math.min(SEND_BUFFER_BYTES, part.span.end - offset);
      const pace = this.#context.pace?.(id);
      const bytes = pace === undefined ? most : await this.#turn(pace, most);
      if (this.#gone) return;
      const view = buffer.subarray(0, bytes);
      await content.read(offset, view);
      if (this.#gone) return;
      if (!this.#response.headersSent) this.#response.writeHead(part.status, part.head);
      if (!(await this.#write(view))) return;
      offset += bytes;
      this.#sent += bytes;
    }
    if (!this.#gone) this.#response.end();
  }

  /** False when the child is gone or takes nothing. */
  #write(view: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      const stalled = setTimeout(() => {
        this.#context.log.info({ remote: this.#remote }, 'a child takes no bytes and is cut off');
        this.#response.destroy();
      }, this.#context.stallMs);
      const settle = (ok: boolean) => {
        clearTimeout(stalled);
        this.#wake = () => undefined;
        resolve(ok && !this.#gone);
      };
      this.#wake = () => settle(false);
      this.#response.write(view, (error) => settle(error === undefined || error === null));
    });
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
    if (this.#gone) return;
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(fault.code === 'peer-lacks' ? 404 : 500, { 'Content-Length': 0 }).end();
  }
}
