/**
 * What one download has running outside of its loop: fetches from parents, reads of the source, questions to parents,
 * the last check. Invariant: everything that was started ends in an event, unless the transfer has given it up or the
 * content it was for is gone.
 */
import { Fault, type FaultCode } from '../protocol/faults.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { pieceBytes } from '../protocol/piece.ts';
import { piecesPath, vouchedPath } from '../protocol/piece-path.ts';
import type { TaskSpec } from '../protocol/task.ts';
import type { SourceBody } from '../source/source.ts';
import type { StoredContent } from '../store/store.ts';
import type { AttemptId, ReadId, TransferCommand, TransferEvent } from '../transfer/events.ts';
import { checkWhole } from './check-whole.ts';
import type { EngineParts } from './engine-parts.ts';
import type { GivenPiece } from './given-pieces.ts';
import { parseHeld } from './held-field.ts';
import { PieceFetch } from './piece-fetch.ts';
import type { Place } from './place.ts';
import { readSource } from './source-read.ts';
import type { Origin } from './tally.ts';
import { parseVouched } from './vouches.ts';
import { WholeDigest } from './whole-digest.ts';

/** A parent that does not say within this long what it holds is passed over. Milliseconds. */
const ASK_STALL_MS = 1_000;
/** Faults that no other parent can mend. */
const OURS: ReadonlySet<FaultCode> = new Set(['no-space', 'local-io', 'store-version', 'internal']);

/** Faults that say that a parent may be away. */
const SILENT: ReadonlySet<FaultCode> = new Set(['peer-stalled', 'peer-reset', 'peer-refused']);

export type FetchCommand = Extract<TransferCommand, { type: 'fetch' }>;
export type ReadCommand = Extract<TransferCommand, { type: 'read-source' }>;

export type JobsSink = {
  dispatch(event: TransferEvent): void;
  /** A piece is on disk; told before the event. */
  onHeld(piece: PieceIndex, bytes: number, origin: Origin): void;
  /** A piece is proved and can be read. */
  onFresh(piece: PieceIndex): void;
  /** The source told which content it is. */
  onPlaced(content: StoredContent): void;
  onLength(length: number): Promise<void>;
  /** Which of the two kinds of parent it is. */
  originOf(parent: ParentAddress): Origin;
};

export type JobsOptions = {
  readonly parts: EngineParts;
  readonly key: string;
  readonly spec: TaskSpec;
  readonly place: Place;
  /** Pieces that may wait for the disk. */
  readonly queue: number;
  readonly sink: JobsSink;
};

export class Jobs {
  readonly #options: JobsOptions;
  readonly #fetch: PieceFetch;
  readonly #attempts = new Map<AttemptId, AbortController>();
  readonly #reads = new Map<ReadId, AbortController>();
  #digest: WholeDigest | undefined;
  #given: GivenPiece | undefined;

  constructor(options: JobsOptions) {
    const { place, sink } = options;
    this.#options = options;
    this.#fetch = new PieceFetch(options.parts, options.key, options.queue, {
      onFresh: (content, piece) => {
        if (place.content === content) sink.onFresh(piece);
      },
      ...(options.spec.digest === undefined ? {} : { onBytes: this.#hash }),
    });
  }

  readonly #hash = (content: StoredContent, piece: PieceIndex, bytes: Uint8Array): void => {
    if (this.#options.place.content === content) this.#digestOf(content)?.take(piece, bytes);
  };

  fetch(command: FetchCommand): void {
    const { sink, place } = this.#options;
    const { attempt, piece, parent, stallMs } = command;
    const { content } = place;
    const digest = place.proofs.of(piece, command.digest);
    if (content === undefined || digest === undefined) {
      sink.dispatch({ type: 'piece-failed', attempt, fault: 'bad-message' });
      return;
    }
    const abort = new AbortController();
    this.#attempts.set(attempt, abort);
    const origin = sink.originOf(parent);
    const isGiven = this.#given?.piece === piece && this.#given.parent === parent.id;
    const given = isGiven ? this.#given?.bytes : undefined;
    const near = command.near ? () => sink.dispatch({ type: 'piece-near', attempt }) : undefined;
    this.#fetch.run({ content, piece, parent, digest, stallMs, signal: abort.signal, given, near }).then(
      (millis) => {
        this.#attempts.delete(attempt);
        // What others had to say this host cannot vouch for.
        if (command.hearsay !== true) this.#options.parts.vouches.add(content.id, piece, digest);
        this.#held(content, { attempt, piece, millis }, origin);
      },
      (error: unknown) => {
        this.#attempts.delete(attempt);
        const fault = Fault.of(error);
        if (!abort.signal.aborted && SILENT.has(fault.code)) this.#options.parts.supernodes.trouble(parent.id);
        if (place.content === content) this.#failed(attempt, fault, abort.signal.aborted);
      },
    );
  }

  /** Fetches that `work` starts take these bytes, if they are of their piece and parent, instead of asking. */
  giving(given: GivenPiece | undefined, work: () => void): void {
    this.#given = given;
    work();
    this.#given = undefined;
  }

  abort(attempt: AttemptId): void {
    this.#attempts.get(attempt)?.abort();
  }

  read(command: ReadCommand): void {
    const { sink, parts, place, spec, key } = this.#options;
    const { read, from, end } = command;
    const abort = new AbortController();
    this.#reads.set(read, abort);
    const { content, proofs } = place;
    const prior = content === undefined ? place.prior() : undefined;
    let placed = content;
    const job = { key, spec, proofs, from, end, content, prior, signal: abort.signal };
    readSource(job, parts, {
      place: async (answer) => {
        placed = await this.#placeFromSource(answer, abort.signal);
        return placed;
      },
      onPiece: (piece) => {
        const digest = placed?.digestOf(piece);
        if (placed === undefined) return;
        if (digest !== undefined) parts.vouches.add(placed.id, piece, digest);
        this.#held(placed, { attempt: 0, piece, millis: 0 }, 'fromSource');
      },
      onLength: (length) => sink.onLength(length),
    }).then(
      () => {
        this.#reads.delete(read);
        sink.dispatch({ type: 'source-ended', read });
      },
      (error: unknown) => {
        this.#reads.delete(read);
        const fault = Fault.of(error, 'source-unreachable');
        if (abort.signal.aborted) return;
        if (OURS.has(fault.code)) sink.dispatch({ type: 'stopped', fault: fault.toValue() });
        else sink.dispatch({ type: 'source-failed', read, fault: fault.toValue() });
      },
    );
  }

  stopRead(read: ReadId): void {
    this.#reads.get(read)?.abort();
  }

  /** `from`: also what it vouches for, from there on. */
  ask(parent: ParentAddress, from: number | undefined): void {
    const { sink, parts, place } = this.#options;
    const { content } = place;
    if (content === undefined) return;
    const options = { stallMs: ASK_STALL_MS };
    const path = from === undefined ? piecesPath(content.id) : vouchedPath(content.id, from);
    parts.client.getJson(parent, path, options).then(
      (answer) => {
        const said = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
        const held = parseHeld(said.held, content.shape);
        if (held === undefined) {
          sink.dispatch({ type: 'parent-silent', parent: parent.id, fault: 'peer-corrupt' });
          return;
        }
        const told = from === undefined ? undefined : parseVouched(said, held.size);
        sink.dispatch({ type: 'parent-held', parent: parent.id, held, ...(told === undefined ? {} : { told }) });
      },
      (error: unknown) =>
        sink.dispatch({ type: 'parent-silent', parent: parent.id, fault: Fault.of(error, 'peer-reset').code }),
    );
  }

  check(): void {
    const { sink, parts, place, spec } = this.#options;
    const { content } = place;
    if (content === undefined) return;
    const { pool, checked } = parts;
    checkWhole({ content, digest: spec.digest, hashed: this.#digest, pool, checked }).then(
      (right) => {
        if (right) sink.dispatch({ type: 'checked' });
      },
      (error: unknown) => sink.dispatch({ type: 'check-failed', fault: Fault.of(error, 'local-io').toValue() }),
    );
  }

  /** The digest that was followed so far speaks of pieces that are gone. */
  forgetDigest(): void {
    this.#digest = undefined;
  }

  stopAll(): void {
    for (const abort of this.#attempts.values()) abort.abort();
    for (const abort of this.#reads.values()) abort.abort();
  }

  async #placeFromSource(answer: SourceBody | 'unchanged', signal: AbortSignal): Promise<StoredContent> {
    const { place, sink } = this.#options;
    const content = await place.fromSource(answer);
    if (signal.aborted) throw new Fault('cancelled', 'the read of the source was stopped');
    sink.onPlaced(content);
    return content;
  }

  #held(
    content: StoredContent,
    event: { attempt: AttemptId; piece: PieceIndex; millis: number },
    origin: Origin,
  ): void {
    const { place, sink } = this.#options;
    if (place.content !== content) return;
    this.#digestOf(content)?.follow();
    sink.onHeld(event.piece, pieceBytes(content.shape, event.piece), origin);
    sink.dispatch({ type: 'piece-held', ...event });
  }

  #failed(attempt: AttemptId, fault: Fault, aborted: boolean): void {
    const { sink, parts } = this.#options;
    if (aborted) return;
    if (OURS.has(fault.code)) {
      parts.log.error({ error: fault }, 'a piece could not be kept');
      sink.dispatch({ type: 'stopped', fault: fault.toValue() });
    } else sink.dispatch({ type: 'piece-failed', attempt, fault: fault.code });
  }

  #digestOf(content: StoredContent): WholeDigest | undefined {
    const { parts, spec } = this.#options;
    if (spec.digest === undefined) return undefined;
    this.#digest ??= new WholeDigest(content, spec.digest, parts.pool);
    return this.#digest;
  }
}
