/**
 * The only driver of the scheduler: events in, commands carried out, one timer for `wake-at`. What comes in one turn of the event loop is
 * decided together, and leaves as one message per child and content (outbox.ts). A turn that brings very much is decided in lots: who spoke first in
 * it need not wait until all have been read, and what a lot leaves behind in memory is gone before the collector looks for it.
 */

import { unreachable } from '../base/assert.ts';
import type { Bitfield } from '../base/bitfield.ts';
import type { Clock, Millis } from '../base/clock.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { ContentId, HostId, PieceIndex } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import type { SchedulerCommand, SchedulerCore, SchedulerEvent } from '../scheduler/events.ts';
import type { Standing } from '../scheduler/trust.ts';
import { Holding } from './holding.ts';
import { Outbox, type PieceDigests } from './outbox.ts';

export type SwarmLoopParts = {
  readonly scheduler: SchedulerCore & {
    heldBy(host: HostId, content: ContentId): Bitfield | undefined;
    standingOf(host: HostId, now: number): Standing | undefined;
    /** Pieces on their way to it. */
    comingTo(host: HostId): number;
  };
  readonly clock: Clock;
  /** To the session of a host, now; without effect when it has none. */
  readonly send: (host: HostId, messages: readonly SupernodeMessage[]) => void;
  readonly addressOf: (host: HostId) => ParentAddress | undefined;
  /** base64 sha256 of pieces, for a child that has no manifest yet; undefined = it needs none. */
  readonly digestsFor: (host: HostId, content: ContentId) => PieceDigests | undefined;
  readonly starved: (content: ContentId, pieces: readonly PieceIndex[]) => void;
  readonly trust: (command: TrustCommand) => void;
  /** Share of the time since the last call in which this program was busy. */
  readonly load: () => number;
  /** Said once: so much came at once that it pays to let memory grow. */
  readonly crowded: () => void;
};

/** What is to be done, or known, because of how far a host is trusted. */
export type TrustCommand = Extract<
  SchedulerCommand,
  { type: 'isolated' | 'released' | 'excluded' | 'admitted' | 'check-piece' }
>;

/**
 * Decided together at most: some 20 ms of work. Less would cut one turn of a thousand busy hosts into many small answers, and each answer costs
 * a write here, a read there and a report of its own: a supernode at its limit carried a third less.
 */
const MOST_EVENTS = 4096;
/** From so many on in one turn, the turn is one of very many hosts. */
const CROWD_EVENTS = 512;

export class SwarmLoop {
  readonly #parts: SwarmLoopParts;
  readonly #outbox: Outbox;
  readonly #holding: Holding;
  #events: SchedulerEvent[] = [];
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Runs while something is kept back. */
  #sending: NodeJS.Timeout | undefined;
  /** What was too much for one turn goes on in the next, after what has come meanwhile was read. */
  #nextSlice: NodeJS.Immediate | undefined;
  #deciding = false;
  #crowded = false;
  #closed = false;

  constructor(parts: SwarmLoopParts) {
    this.#parts = parts;
    this.#holding = new Holding(parts.load);
    const { clock, send, addressOf, digestsFor, scheduler } = parts;
    this.#outbox = new Outbox({ clock, send, addressOf, digestsFor, comingTo: (host) => scheduler.comingTo(host) });
  }

  handle(event: SchedulerEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#turn ??= setImmediate(() => this.#decide());
    if (this.#events.length >= CROWD_EVENTS && !this.#crowded) {
      this.#crowded = true;
      this.#parts.crowded();
    }
    if (this.#events.length >= MOST_EVENTS && !this.#deciding) this.decideNow();
  }

  /** As of all that was said before. */
  heldBy(host: HostId, content: ContentId): Bitfield | undefined {
    this.decideNow();
    return this.#parts.scheduler.heldBy(host, content);
  }

  /** How far a host is trusted, as of all that was said before. */
  standingOf(host: HostId): Standing | undefined {
    this.decideNow();
    return this.#parts.scheduler.standingOf(host, this.#parts.clock.now());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#sending);
    clearImmediate(this.#turn);
    clearImmediate(this.#nextSlice);
  }

  /** Now instead of at the end of the turn: somebody has nothing to do but to wait for it. */
  decideNow(): void {
    if (this.#turn === undefined) return;
    clearImmediate(this.#turn);
    this.#decide();
  }

  #decide(): void {
    this.#turn = undefined;
    const events = this.#events;
    this.#events = [];
    const { scheduler, clock } = this.#parts;
    this.#deciding = true;
    try {
      const now = clock.now();
      for (const command of scheduler.handleAll(events, now)) this.#carryOut(command, now);
      this.#send();
    } finally {
      this.#deciding = false;
    }
  }

  #carryOut(command: SchedulerCommand, now: Millis): void {
    switch (command.type) {
      case 'assign':
        this.#outbox.assign(command, now);
        break;
      case 'cancel':
        this.#outbox.cancel(command, now);
        break;
      case 'starved':
        this.#parts.starved(command.content, command.pieces);
        break;
      case 'isolated':
      case 'released':
      case 'excluded':
      case 'admitted':
      case 'check-piece':
        this.#parts.trust(command);
        break;
      case 'wake-at':
        this.#wakeAt(command.time);
        break;
      default:
        unreachable(command);
    }
  }

  /** What may wait leaves at the latest when it has waited so long. */
  #send(): void {
    if (this.#nextSlice !== undefined) return;
    const holdMs = this.#holding.ms(this.#parts.clock.now());
    if (!this.#outbox.send(holdMs)) {
      this.#nextSlice = setImmediate(() => {
        this.#nextSlice = undefined;
        this.#send();
      });
      return;
    }
    if (this.#outbox.empty || this.#sending !== undefined) return;
    this.#sending = setTimeout(() => {
      this.#sending = undefined;
      this.#send();
    }, holdMs);
  }

  #wakeAt(time: number): void {
    clearTimeout(this.#timer);
    const wait = Math.max(0, time - this.#parts.clock.now());
    this.#timer = setTimeout(() => this.handle({ type: 'tick' }), wait);
  }
}
