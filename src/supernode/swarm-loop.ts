/**
 * The only driver of the scheduler: events in, commands carried out, one timer for `wake-at`. What comes in one turn of the event loop is
 * decided together, and leaves at once as one message per child and content. A turn that brings very much is decided in lots: who spoke first in
 * it need not wait until all have been read, and what a lot leaves behind in memory is gone before the collector looks for it.
 */

import { unreachable } from '../base/assert.ts';
import type { Bitfield } from '../base/bitfield.ts';
import type { Clock } from '../base/clock.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { ContentId, HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { Assignment, SupernodeMessage } from '../protocol/messages.ts';
import type { SchedulerCommand, SchedulerCore, SchedulerEvent } from '../scheduler/events.ts';
import type { Standing } from '../scheduler/trust.ts';

export type SwarmLoopParts = {
  readonly scheduler: SchedulerCore & {
    heldBy(host: HostId, content: ContentId): Bitfield | undefined;
    standingOf(host: HostId, now: number): Standing | undefined;
  };
  readonly clock: Clock;
  /** To the session of a host, now; without effect when it has none. */
  readonly send: (host: HostId, messages: readonly SupernodeMessage[]) => void;
  readonly addressOf: (host: HostId) => ParentAddress | undefined;
  /** base64 sha256 of pieces, for a child that has no manifest yet; undefined = it needs none. */
  readonly digestsFor: (host: HostId, content: ContentId) => PieceDigests | undefined;
  readonly starved: (content: ContentId, pieces: readonly PieceIndex[]) => void;
  readonly trust: (command: TrustCommand) => void;
  /** Said once: so much came at once that it pays to let memory grow. */
  readonly crowded: () => void;
};

export type PieceDigests = (piece: PieceIndex) => string | undefined;

/** What is to be done, or known, because of how far a host is trusted. */
export type TrustCommand = Extract<
  SchedulerCommand,
  { type: 'isolated' | 'released' | 'excluded' | 'admitted' | 'check-piece' }
>;

type Batch = {
  readonly child: HostId;
  readonly content: ContentId;
  readonly digests: PieceDigests | undefined;
  readonly parents: ParentAddress[];
  readonly pieces: Assignment[];
  readonly cancels: LeaseId[];
};

/**
 * Decided together at most: some 20 ms of work. Less would cut one turn of a thousand busy hosts into many small answers, and each answer costs
 * a write here, a read there and a report of its own: a supernode at its limit carried a third less.
 */
const MOST_EVENTS = 4096;
/** From so many on in one turn, the turn is one of very many hosts. */
const CROWD_EVENTS = 512;

export class SwarmLoop {
  readonly #parts: SwarmLoopParts;
  /** Of each child one batch per content; a child is seldom in two swarms at once. */
  readonly #batches = new Map<HostId, Batch[]>();
  #events: SchedulerEvent[] = [];
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #deciding = false;
  #crowded = false;
  #closed = false;

  constructor(parts: SwarmLoopParts) {
    this.#parts = parts;
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
    clearImmediate(this.#turn);
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
      for (const command of scheduler.handleAll(events, clock.now())) this.#carryOut(command);
      this.#flush();
    } finally {
      this.#deciding = false;
    }
  }

  #carryOut(command: SchedulerCommand): void {
    switch (command.type) {
      case 'assign':
        this.#assign(command);
        break;
      case 'cancel':
        this.#batch(command.child, command.content).cancels.push(command.lease);
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

  #assign(command: Extract<SchedulerCommand, { type: 'assign' }>): void {
    const { child, content, parent, piece, lease } = command;
    const batch = this.#batch(child, content);
    const address = this.#parts.addressOf(parent);
    // The parent left within this turn: its leases end with the event that says so.
    if (address === undefined) return;
    // The same host has the same object, and there are few.
    let index = batch.parents.indexOf(address);
    if (index < 0) index = batch.parents.push(address) - 1;
    const digest = batch.digests?.(piece);
    batch.pieces.push(digest === undefined ? [piece, index, lease] : [piece, index, lease, digest]);
  }

  #batch(child: HostId, content: ContentId): Batch {
    let ofChild = this.#batches.get(child);
    if (ofChild === undefined) {
      ofChild = [];
      this.#batches.set(child, ofChild);
    }
    for (const batch of ofChild) if (batch.content === content) return batch;
    const digests = this.#parts.digestsFor(child, content);
    const batch = { child, content, digests, parents: [], pieces: [], cancels: [] };
    ofChild.push(batch);
    return batch;
  }

  #flush(): void {
    for (const [child, batches] of this.#batches) this.#parts.send(child, batches.flatMap(messagesOf));
    this.#batches.clear();
  }

  #wakeAt(time: number): void {
    clearTimeout(this.#timer);
    const wait = Math.max(0, time - this.#parts.clock.now());
    this.#timer = setTimeout(() => this.handle({ type: 'tick' }), wait);
  }
}

function messagesOf({ content, parents, pieces, cancels }: Batch): SupernodeMessage[] {
  const standing = cancels.length === 0 ? pieces : pieces.filter(([, , lease]) => !cancels.includes(lease));
  const messages: SupernodeMessage[] = [];
  if (cancels.length > 0) messages.push({ type: 'cancel', content, leases: cancels });
  if (standing.length > 0) messages.push({ type: 'assign', content, parents, pieces: standing });
  return messages;
}
