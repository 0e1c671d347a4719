/**
 * One running download: the loop around transfer/ and its only writer. Everything that happens becomes an event, the
 * transfer answers with commands, and these are carried out here. Many askers share it (download-handle.ts).
 */
import { randomHex } from '../io/hash.ts';
import { Fault, type FaultValue } from '../protocol/faults.ts';
import type { PieceIndex, TaskId } from '../protocol/ids.ts';
import { pieceBytes } from '../protocol/piece.ts';
import type { Manifest } from '../protocol/task.ts';
import type { StoredContent } from '../store/store.ts';
import type { TransferCommand, TransferEvent } from '../transfer/events.ts';
import type { Transfer } from '../transfer/transfer.ts';
import type { DownloadProgress, DownloadRequest, DownloadResult, OpenedContent } from './engine.ts';
import type { EngineParts } from './engine-parts.ts';
import { InlineContent } from './inline-content.ts';
import { Jobs } from './jobs.ts';
import { type OpenedMessage, Place } from './place.ts';
import { type Reader, Readers } from './readers.ts';
import { readableInRanges } from './source-read.ts';
import type { SupernodeLink } from './supernode-link.ts';
import { type Origin, Tally } from './tally.ts';
import { TaskLink } from './task-link.ts';
import { transferFor } from './transfer-for.ts';

/** Pieces that may wait for the disk, where the user did not say. */
const CLIENT_QUEUE = 6;
/** What setTimeout can bear. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class DownloadCore {
  readonly task: TaskId;
  readonly #parts: EngineParts;
  readonly #request: DownloadRequest;
  readonly #transfer: Transfer;
  readonly #place: Place;
  readonly #link: TaskLink;
  readonly #jobs: Jobs;
  readonly #tally = new Tally();
  readonly #readers: Readers;
  readonly #opened = Promise.withResolvers<OpenedContent>();
  readonly #finished = Promise.withResolvers<DownloadResult>();
  readonly #events: TransferEvent[] = [];
  #dispatching = false;
  #wake: NodeJS.Timeout | undefined;
  /** Somebody wants all of it. */
  #whole: boolean;
  #why: FaultValue | undefined;
  #fault: Fault | undefined;
  #over = false;

  constructor(parts: EngineParts, task: TaskId, request: DownloadRequest) {
    this.task = task;
    this.#parts = parts;
    this.#request = request;
    this.#whole = request.only === undefined;
    this.#readers = new Readers(() => this.#whole, request.inOrder);
    const { spec, nodes, grant } = request;
    const { watch, clock, store, supernodes, log } = parts;
    const onUnkept = (error: unknown) => log.warn({ error, task }, 'what is known of a content could not be kept');
    const unique = () => randomHex(16);
    const place = new Place({ store, watch, unique, onUnkept, wall: () => clock.wall() }, task, spec);
    this.#place = place;
    this.#transfer = transferFor(parts, request, place);
    const dispatch = (event: TransferEvent) => this.#dispatch(event);
    const onLength = (length: number) => this.#lengthKnown(length);
    this.#jobs = new Jobs({
      ...{ parts, key: task, spec, place, queue: Math.max(1, request.clientQueue ?? CLIENT_QUEUE) },
      sink: {
        dispatch,
        onLength,
        onHeld: (piece, bytes, origin) => this.#held(piece, bytes, origin),
        onFresh: (piece) => this.#readers.wake(piece),
        onPlaced: (content) => this.#placed(content, 'source', true),
        originOf: (parent) => (parent.id === this.link?.supernode ? 'fromSupernode' : 'fromPeers'),
      },
    });
    this.#link = new TaskLink({
      ...{ supernodes, task, spec, nodes, grant },
      sink: {
        having: () => place.prior(),
        window: () => this.#readers.window,
        whole: () => this.#whole,
        onOpened: (message) => this.#openedBySupernode(message),
        takesGiven: () => parts.bandwidth.taking(task) === undefined,
        onEvent: dispatch,
        onAssigned: (pieces, given) => this.#jobs.giving(given, () => dispatch({ type: 'assigned', pieces })),
        onManifest: ({ manifest }) => this.#learn(manifest),
        onShape: ({ shape }) => (shape.length === null ? Promise.resolve() : onLength(shape.length)),
      },
    });
    // Whoever waits for them has promises of his own; nobody waiting is no error.
    this.#opened.promise.catch(() => undefined);
    this.#finished.promise.catch(() => undefined);
  }

  get opened(): Promise<OpenedContent> {
    return this.#opened.promise;
  }

  get finished(): Promise<DownloadResult> {
    return this.#finished.promise;
  }

  get progress(): DownloadProgress {
    return this.#tally.progress;
  }

  get content(): StoredContent | undefined {
    return this.#place.content;
  }

  /** The supernode's link in use. */
  get link(): SupernodeLink | undefined {
    return this.#link.link;
  }

  /** Finished or failed. */
  get over(): boolean {
    return this.#over;
  }

  /** Why it failed. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  start(): void {
    this.#parts.bandwidth.openTask(this.task, this.#request.localLimit);
    this.#dispatch({ type: 'start' });
  }

  stop(fault: Fault): void {
    this.#dispatch({ type: 'stopped', fault: fault.toValue() });
  }

  /** After the end, when nobody uses the content any more. */
  letGo(): void {
    this.#place.release();
  }

  onProgress(listener: (progress: DownloadProgress) => void): () => void {
    return this.#tally.listen(listener);
  }

  /** The store dropped pieces of the content at hand. */
  lost(pieces: readonly PieceIndex[]): void {
    const { content } = this;
    if (content === undefined) return;
    for (const piece of pieces) this.#tally.lose(pieceBytes(content.shape, piece));
    this.#parts.checked.forget(content);
    this.#jobs.forgetDigest();
    this.#dispatch({ type: 'pieces-lost', pieces });
  }

  /** Another asker wants all of it. */
  wantWhole(): void {
    if (this.#whole) return;
    this.#whole = true;
    if (this.content !== undefined) this.#readers.move(this.content.shape, this.content.held);
    this.#dispatch({ type: 'window', window: this.#readers.window, whole: true });
  }

  /** The reader needs the pieces from `piece` to, not including, `end`. */
  want(reader: Reader, piece: PieceIndex, end: number): void {
    this.#readers.want(reader, piece, end);
    this.#moveWindow();
  }

  leave(reader: Reader): void {
    this.#readers.leave(reader);
    this.#moveWindow();
  }

  /** Resolves when the piece may be here; throws the Fault that the download ended with. */
  async wait(piece: PieceIndex, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#over) await this.#readers.wait(piece, signal);
    if (this.#over && this.content?.has(piece) !== true && signal?.aborted !== true) {
      throw this.#fault ?? new Fault('peer-lacks', 'the content changed on disk after it was downloaded');
    }
  }

  #dispatch(event: TransferEvent): void {
    this.#events.push(event);
    if (this.#dispatching) return;
    this.#dispatching = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      for (const command of this.#transfer.handle(next, this.#parts.clock.now())) this.#carryOut(command);
    }
    this.#dispatching = false;
  }

  #carryOut(command: TransferCommand): void {
    switch (command.type) {
      case 'open':
        this.#link.open();
        break;
      case 'fetch':
        this.#jobs.fetch(command);
        break;
      case 'abort':
        this.#jobs.abort(command.attempt);
        break;
      case 'ask-parent':
        this.#jobs.ask(command.parent, command.from);
        break;
      case 'read-source':
        this.#why ??= command.why;
        this.#jobs.read(command);
        break;
      case 'stop-source':
        this.#jobs.stopRead(command.read);
        break;
      case 'check':
        this.#jobs.check();
        break;
      case 'forget':
        this.#forget();
        break;
      case 'finish':
        this.#finish();
        break;
      case 'fail':
        this.#fail(Fault.fromValue(command.fault));
        break;
      case 'wake-at':
        this.#wakeAt(command.time);
        break;
      default:
        if (this.content !== undefined) this.#link.tell(this.content, command);
    }
  }

  async #openedBySupernode(message: OpenedMessage): Promise<void> {
    try {
      const fresh = await this.#place.fromSupernode(message);
      if (this.#over) this.#place.release();
      else this.#placed(this.#place.content, 'supernode', fresh);
    } catch (error) {
      const fault = Fault.of(error, 'local-io');
      if (fault.code === 'bad-message') this.#dispatch({ type: 'refused', fault: fault.toValue() });
      else this.stop(fault);
    }
  }

  #placed(content: StoredContent | undefined, by: 'supernode' | 'source', fresh: boolean): void {
    if (content === undefined) return;
    const { id, shape, held, meta } = content;
    if (fresh) {
      this.#tally.reset(shape);
      const origin = content instanceof InlineContent ? 'fromSupernode' : 'fromDisk';
      for (const piece of held) this.#tally.add(origin, pieceBytes(content.shape, piece));
      this.#jobs.forgetDigest();
      this.#readers.wakeAll();
    }
    this.#tally.length = shape.length;
    const { proofs, said } = this.#place;
    const ranges = readableInRanges(content, proofs);
    this.#dispatch({ type: 'opened', by, fresh, shape, held, hasManifest: proofs.manifest !== undefined, ranges });
    this.#opened.resolve({ content: id, shape, facts: meta.facts, ...said });
  }

  async #lengthKnown(length: number): Promise<void> {
    const { content } = this;
    if (content === undefined || content.shape.length !== null) return;
    try {
      await content.reshape({ length, pieceSize: content.shape.pieceSize });
    } catch (error) {
      this.stop(Fault.of(error, 'local-io'));
      return;
    }
    this.#tally.length = length;
    this.#dispatch({ type: 'shaped', shape: content.shape });
    this.#readers.wakeAll();
  }

  #learn(manifest: Manifest): void {
    const { content } = this;
    if (content?.id !== manifest.content) return;
    try {
      this.#place.proofs.learn(manifest);
    } catch (error) {
      this.#parts.log.warn({ error, content: content.id }, 'a manifest of no use');
      return;
    }
    void this.#place.note({ manifest });
    this.#dispatch({ type: 'manifest-known' });
  }

  #held(piece: PieceIndex, bytes: number, origin: Origin): void {
    // Two parents may have brought it.
    if (this.#transfer.stateOf(piece) !== 'held') this.#tally.add(origin, bytes);
    this.#readers.wake(piece);
    if (!this.#whole) this.#moveWindow();
  }

  #moveWindow(): void {
    const { content } = this;
    if (content === undefined || this.#over || content.complete) return;
    if (this.#readers.move(content.shape, content.held)) {
      this.#dispatch({ type: 'window', window: this.#readers.window });
    }
  }

  #forget(): void {
    if (this.content !== undefined) this.#parts.vouches.drop(this.content.id);
    this.#place.forget().catch((error: unknown) => {
      this.#parts.log.warn({ error, task: this.task }, 'an old content could not be removed');
    });
    this.#readers.wakeAll();
  }

  #wakeAt(time: number | null): void {
    clearTimeout(this.#wake);
    if (time === null) return;
    const wait = Math.min(Math.max(0, time - this.#parts.clock.now()), MAX_TIMER_MS);
    this.#wake = setTimeout(() => this.#dispatch({ type: 'tick' }), wait);
  }

  #finish(): void {
    const { content } = this;
    if (content === undefined) return;
    const digest = this.#request.spec.digest ?? this.#place.proofs.manifest?.digest;
    this.#end();
    this.#finished.resolve({
      ...this.progress,
      content: content.id,
      ...(digest === undefined ? {} : { digest }),
      ...(this.#why === undefined ? {} : { backToSource: this.#why }),
      ...this.#place.said,
    });
  }

  #fail(fault: Fault): void {
    this.#fault = fault;
    this.#end();
    this.#opened.reject(fault);
    this.#finished.reject(fault);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#wake);
    this.#jobs.stopAll();
    this.#link.close();
    this.#parts.bandwidth.closeTask(this.task);
    this.#readers.wakeAll();
    this.#tally.close();
  }
}
