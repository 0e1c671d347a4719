/**
 * What the scheduler has decided, gathered per child and content until it leaves as one message. With time to spare everything leaves at the end
 * of the turn that decided it. A busy supernode spends most of its time on messages and little on what they say: so there a child that still has
 * something to do hears of more when that is as much as it has left, or after a while, and is asked to gather its reports as long; nobody waits with
 * idle hands.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { ContentId, HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { Assignment, SupernodeMessage } from '../protocol/messages.ts';
import type { SchedulerCommand } from '../scheduler/events.ts';

/** base64 sha256 of a piece; undefined = there is none yet. */
export type PieceDigests = (piece: PieceIndex) => string | undefined;

export type OutboxParts = {
  readonly clock: Clock;
  /** To the session of a host, now; without effect when it has none. */
  readonly send: (host: HostId, messages: readonly SupernodeMessage[]) => void;
  readonly addressOf: (host: HostId) => ParentAddress | undefined;
  readonly digestsFor: (host: HostId, content: ContentId) => PieceDigests | undefined;
  /** Pieces on their way to that host, those that it has not heard of among them. */
  readonly comingTo: (host: HostId) => number;
};

type Batch = {
  readonly content: ContentId;
  readonly digests: PieceDigests | undefined;
  readonly parents: ParentAddress[];
  readonly pieces: Assignment[];
  readonly cancels: LeaseId[];
  /** It should say when they are near their end. */
  near: boolean;
};

type Waiting = {
  /** One per content; a child is seldom in two swarms at once. */
  readonly batches: Batch[];
  readonly since: Millis;
};

/** What there is to say to a thousand hosts takes ten times as long, and whoever asks something meanwhile would wait for all of it. */
const SLICE_MS = 4;

export class Outbox {
  readonly #parts: OutboxParts;
  /** The oldest first. */
  readonly #children = new Map<HostId, Waiting>();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  get empty(): boolean {
    return this.#children.size === 0;
  }

  assign(command: Extract<SchedulerCommand, { type: 'assign' }>, now: Millis): void {
    const { child, content, parent, piece, lease, near } = command;
    const batch = this.#batch(child, content, now);
    const address = this.#parts.addressOf(parent);
    // The parent left within this turn: its leases end with the event that says so.
    if (address === undefined) return;
    // The same host has the same object, and there are few.
    let index = batch.parents.indexOf(address);
    if (index < 0) index = batch.parents.push(address) - 1;
    const digest = batch.digests?.(piece);
    if (near) batch.near = true;
    batch.pieces.push(digest === undefined ? [piece, index, lease] : [piece, index, lease, digest]);
  }

  cancel({ child, content, lease }: Extract<SchedulerCommand, { type: 'cancel' }>, now: Millis): void {
    this.#batch(child, content, now).cancels.push(lease);
  }

  /** Sends what need not wait; `holdMs` 0 = everything. False = that would take longer than a slice: there is more, in the next turn. */
  send(holdMs: Millis): boolean {
    const now = this.#parts.clock.now();
    for (const [child, waiting] of this.#children) {
      if (holdMs > 0 && now - waiting.since < holdMs && this.#mayWait(child, waiting)) continue;
      if (this.#parts.clock.now() - now >= SLICE_MS) return false;
      this.#children.delete(child);
      const messages = waiting.batches.flatMap((batch) => messagesOf(batch, holdMs));
      if (messages.length > 0) this.#parts.send(child, messages);
    }
    return true;
  }

  /** It has more to do than what it would hear of; what is to end should end now. */
  #mayWait(child: HostId, { batches }: Waiting): boolean {
    let unheard = 0;
    for (const { pieces, cancels } of batches) {
      if (cancels.length > 0) return false;
      unheard += pieces.length;
    }
    return 2 * unheard < this.#parts.comingTo(child);
  }

  #batch(child: HostId, content: ContentId, now: Millis): Batch {
    let waiting = this.#children.get(child);
    if (waiting === undefined) {
      waiting = { batches: [], since: now };
      this.#children.set(child, waiting);
    }
    for (const batch of waiting.batches) if (batch.content === content) return batch;
    const digests = this.#parts.digestsFor(child, content);
    const batch = { content, digests, parents: [], pieces: [], cancels: [], near: false };
    waiting.batches.push(batch);
    return batch;
  }
}

function messagesOf({ content, parents, pieces, cancels, near }: Batch, holdMs: Millis): SupernodeMessage[] {
  const standing = cancels.length === 0 ? pieces : pieces.filter(([, , lease]) => !cancels.includes(lease));
  const messages: SupernodeMessage[] = [];
  if (cancels.length > 0) messages.push({ type: 'cancel', content, leases: cancels });
  if (standing.length > 0)
    messages.push({
      ...{ type: 'assign', content, parents, pieces: standing },
      // A busy supernode has no time for words that come twice.
      ...(holdMs > 0 ? { gatherMs: holdMs } : near ? { near } : {}),
    });
  return messages;
}
