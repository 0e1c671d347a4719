/**
 * The part of a transfer that takes pieces from parents: it joins what is held and in flight (pieces), the attempts and
 * their leases (fetches) and what is known of the parents, and says every change to the supernode while there is one.
 */
import { unreachable } from '../base/assert.ts';
import type { Bitfield } from '../base/bitfield.ts';
import type { Millis } from '../base/clock.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import { Claims } from './claims.ts';
import type { AssignedPiece, AttemptId, PieceEvent, TransferCommand } from './events.ts';
import { type Attempt, Fetches } from './fetches.ts';
import type { TransferLimits } from './limits.ts';
import { Parents } from './parents.ts';
import { Pieces } from './pieces.ts';
import type { Sharing } from './source-turns.ts';
import type { Wants } from './wants.ts';

/** `later`: a supernode has been asked and will be told what changed since, when it has answered. */
export type Reporting = 'now' | 'later' | 'never';

export type Opened = {
  readonly fresh: boolean;
  readonly shape: ContentShape;
  readonly held: Bitfield;
  readonly hasManifest: boolean;
};

/** Faults that say nothing about the parent. */
const NOT_THE_PARENTS: ReadonlySet<FaultCode> = new Set([
  'cancelled',
  'peer-lacks',
  'bad-message',
  'local-io',
  'no-space',
]);

export class Fetching {
  readonly #limits: TransferLimits;
  readonly #random: () => number;
  readonly #say: (command: TransferCommand) => void;
  readonly #fetches = new Fetches();
  readonly #parents: Parents;
  readonly #claims = new Claims();
  #pieces: Pieces | undefined;
  #hasManifest = false;
  #reporting: Reporting = 'never';
  #unreported: TransferCommand[] = [];
  #askAt: Millis = 0;
  /** When a parent gave something last. */
  #givenAt: Millis = 0;

  constructor(limits: TransferLimits, random: () => number, say: (command: TransferCommand) => void) {
    this.#limits = limits;
    this.#random = random;
    this.#say = say;
    this.#parents = new Parents(limits);
  }

  get pieces(): Pieces | undefined {
    return this.#pieces;
  }

  /** Nothing runs and nothing waits. */
  get idle(): boolean {
    return this.#fetches.size === 0;
  }

  /** Parents may bring some pieces without a supernode: the manifest proves them, or what two hosts say. */
  get canShare(): boolean {
    return this.#pieces !== undefined && this.#pieces.shape.length !== null && this.#parents.hopeful;
  }

  /** With whom this host shares the reading of the source; undefined = with nobody. `since`: when the reading may have begun. */
  sharing(self: HostId | undefined, since: Millis, now: Millis): Sharing | undefined {
    if (!this.canShare) return undefined;
    const patient = now - this.#limits.sourceTurnMs;
    const others = this.#parents.grownSince(patient < since ? Number.NEGATIVE_INFINITY : patient);
    // Two others have to say what a piece is: where there are no two, each reads for itself.
    const alone = !this.#hasManifest && others.length < 2;
    return {
      self: alone ? undefined : self,
      others,
      stuck: now - Math.max(since, this.#givenAt) >= this.#limits.sourceStuckMs,
      obtainable: (piece) => this.#proved(piece) && this.#parents.heldBySomebody(piece),
      wanting: (piece) => (this.#proved(piece) ? 1 : this.#claims.wanting(piece)),
      spoke: (piece, host) => this.#claims.spoke(piece, host),
    };
  }

  get nextAskAt(): Millis {
    return this.canShare ? this.#askAt : Number.POSITIVE_INFINITY;
  }

  set reporting(reporting: Reporting) {
    this.#reporting = reporting;
    if (reporting === 'now') for (const command of this.#unreported) this.#say(command);
    this.#unreported = [];
  }

  open(opened: Opened): void {
    if (opened.fresh) this.close();
    if (this.#pieces === undefined) this.#pieces = new Pieces(opened.shape, opened.held);
    else {
      this.#reshape(opened.shape);
      for (const piece of opened.held) if (this.#pieces.valid(piece)) this.#hold(this.#pieces, piece);
    }
    this.#hasManifest = opened.hasManifest;
  }

  handle(event: PieceEvent, now: Millis): void {
    switch (event.type) {
      case 'assigned':
        this.#assigned(event.pieces);
        break;
      case 'cancelled':
        this.#cancelled(event.leases);
        break;
      case 'shaped':
        this.#reshape(event.shape);
        break;
      case 'manifest-known':
        this.#hasManifest = true;
        break;
      case 'piece-held':
        this.#held(event, now);
        break;
      case 'piece-near':
        this.#near(event.attempt);
        break;
      case 'piece-failed':
        this.#failed(event.attempt, event.fault, now);
        break;
      case 'parent-held':
        this.#answered(event, now);
        break;
      case 'parent-silent':
        this.#parents.answered(event.parent, undefined, now);
        this.#parents.failed(event.parent, now);
        break;
      case 'pieces-lost':
        this.#lost(event.pieces);
        break;
      default:
        unreachable(event);
    }
  }

  /** Forgets the content and ends all attempts at it. */
  close(): void {
    for (const attempt of this.#fetches.all()) this.#abandon(attempt);
    this.#pieces = undefined;
    this.#hasManifest = false;
    this.#claims.clear();
    this.#unreported = [];
    this.#parents.forgetHeld();
  }

  #reshape(shape: ContentShape): void {
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    pieces.reshape(shape);
    for (const attempt of this.#fetches.all()) {
      if (pieces.valid(attempt.piece)) continue;
      this.#abandon(attempt);
      this.#reportFailed(attempt, 'bad-message');
    }
  }

  #assigned(assignments: readonly AssignedPiece[]): void {
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    for (const { piece, parent, lease, digest, near = false } of assignments) {
      if (this.#fetches.byLease(lease) !== undefined) continue;
      if (!pieces.valid(piece) || lease === 0 || (digest === undefined && !this.#hasManifest)) {
        this.#tell({ type: 'report-failed', piece, lease, fault: 'bad-message' });
      } else if (pieces.held(piece)) {
        this.#tell({ type: 'report-held', piece, lease, millis: 0 });
      } else {
        this.#parents.meet(parent);
        if (digest !== undefined) this.#claims.tell(piece, digest);
        const proof = digest === undefined ? undefined : { digest, hearsay: false };
        const attempt = this.#fetches.add(piece, parent, lease, proof);
        attempt.near = near;
        pieces.begin(piece, attempt.id);
      }
    }
  }

  #cancelled(leases: readonly LeaseId[]): void {
    for (const lease of leases) {
      const attempt = this.#fetches.byLease(lease);
      if (attempt !== undefined) this.#abandon(attempt);
    }
  }

  #answered({ parent, held, told }: Extract<PieceEvent, { type: 'parent-held' }>, now: Millis): void {
    this.#parents.answered(parent, held, now);
    const address = told === undefined ? undefined : this.#parents.heard(parent, told.next);
    if (address === undefined) return;
    for (const word of told?.vouched ?? []) if (this.#pieces?.held(word[0]) === false) this.#claims.hear(address, word);
  }

  #held({ attempt: id, piece, millis }: Extract<PieceEvent, { type: 'piece-held' }>, now: Millis): void {
    const pieces = this.#pieces;
    if (pieces === undefined || !pieces.valid(piece)) return;
    const attempt = this.#end(id);
    if (attempt !== undefined) this.#givenAt = now;
    if (attempt !== undefined) this.#parents.succeeded(attempt.parent.id, pieces.bytesOf(piece), millis);
    const known = pieces.held(piece);
    const lease = attempt?.lease ?? 0;
    if (!known || lease !== 0) this.#tell({ type: 'report-held', piece, lease, millis: lease === 0 ? 0 : millis });
    this.#hold(pieces, piece);
  }

  /** Of use at once or not at all. */
  #near(id: AttemptId): void {
    const attempt = this.#fetches.get(id);
    if (attempt === undefined || attempt.lease === 0 || this.#reporting !== 'now') return;
    this.#say({ type: 'report-near', piece: attempt.piece, lease: attempt.lease });
  }

  #failed(id: AttemptId, fault: FaultCode, now: Millis): void {
    const attempt = this.#end(id);
    if (attempt === undefined) return;
    if (fault === 'peer-lacks') this.#parents.lacks(attempt.parent.id, attempt.piece);
    if (!NOT_THE_PARENTS.has(fault)) this.#parents.failed(attempt.parent.id, now);
    this.#reportFailed(attempt, fault);
  }

  #lost(lost: readonly PieceIndex[]): void {
    const gone = lost.filter((piece) => this.#pieces?.held(piece) === true);
    for (const piece of gone) this.#pieces?.lose(piece);
    if (gone.length > 0) this.#tell({ type: 'report-lost', pieces: gone });
  }

  /** No supernode: what is under way goes on, its leases are void and nobody is told. */
  orphan(): void {
    this.#fetches.voidLeases();
    this.reporting = 'never';
  }

  /** Nothing comes from there any more, nor do its leases count: what was asked of it is missing at once, not after a stall each. */
  parentGone(id: HostId, now: Millis): void {
    const lost = this.#fetches.all().filter(({ parent }) => parent.id === id);
    // The last first: those that still wait for a connection are not given one for a moment.
    for (const attempt of lost.reverse()) this.#abandon(attempt);
    this.#parents.failed(id, now);
  }

  startWaiting(): void {
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    for (;;) {
      const attempt = this.#fetches.next(this.#limits.requests);
      if (attempt === undefined) return;
      const { id, piece, parent, digest, hearsay, near } = attempt;
      const stallMs = this.#parents.stallMs(parent.id, pieces.bytesOf(piece));
      this.#parents.started(parent.id);
      const proof = { ...(digest === undefined ? {} : { digest }), ...(hearsay ? { hearsay } : {}) };
      this.#say({ type: 'fetch', attempt: id, piece, parent, stallMs, ...proof, ...(near ? { near } : {}) });
    }
  }

  /** Without a supernode: asks known parents what they hold, and takes from them what is missing here. */
  takeFromParents(wants: Wants, now: Millis): void {
    const pieces = this.#pieces;
    if (pieces === undefined || !this.canShare) return;
    if (now >= this.#askAt) {
      this.#askAt = now + this.#limits.askAgainMs;
      for (const { parent, from } of this.#parents.askable(now))
        this.#say({ type: 'ask-parent', parent, ...(this.#hasManifest ? {} : { from }) });
    }
    // Hosts that are left alone begin at different places, so that they have something to give to each other.
    const begin = wants.first ?? Math.floor(this.#random() * pieces.known);
    this.#take(pieces, [begin, Math.min(pieces.known, wants.end)], now);
    if (wants.whole) this.#take(pieces, [0, begin], now);
  }

  #take(pieces: Pieces, [from, end]: readonly [number, number], now: Millis): void {
    for (let piece = pieces.nextMissing(from); piece !== -1 && piece < end; piece = pieces.nextMissing(piece + 1)) {
      if (this.#fetches.size >= this.#limits.requests) return;
      const parent = this.#proved(piece) ? this.#parents.holderOf(piece, now) : undefined;
      if (parent === undefined) continue;
      const proof = this.#hasManifest ? undefined : this.#claims.proofOf(piece);
      pieces.begin(piece, this.#fetches.add(piece, parent, 0, proof).id);
      this.startWaiting();
    }
  }

  #proved(piece: PieceIndex): boolean {
    return this.#hasManifest || this.#claims.proofOf(piece) !== undefined;
  }

  #hold(pieces: Pieces, piece: PieceIndex): void {
    this.#claims.drop(piece);
    for (const id of pieces.hold(piece)) {
      const other = this.#end(id);
      if (other?.running) this.#say({ type: 'abort', attempt: id });
      if (other !== undefined && other.lease !== 0) {
        this.#tell({ type: 'report-held', piece, lease: other.lease, millis: 0 });
      }
    }
  }

  #abandon(attempt: Attempt): void {
    this.#end(attempt.id);
    if (attempt.running) this.#say({ type: 'abort', attempt: attempt.id });
  }

  #end(id: AttemptId): Attempt | undefined {
    const attempt = this.#fetches.end(id);
    if (attempt === undefined) return undefined;
    this.#pieces?.end(attempt.piece, id);
    if (attempt.running) this.#parents.ended(attempt.parent.id);
    return attempt;
  }

  #reportFailed(attempt: Attempt, fault: FaultCode): void {
    const { piece, lease } = attempt;
    if (lease !== 0) this.#tell({ type: 'report-failed', piece, lease, fault });
  }

  #tell(command: TransferCommand): void {
    if (this.#reporting === 'now') this.#say(command);
    else if (this.#reporting === 'later') this.#unreported.push(command);
  }
}
