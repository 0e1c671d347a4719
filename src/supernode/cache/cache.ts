/**
 * The supernode's contents and the one way in: `open` gives the task's current content, reading the source at most once however many
 * ask. What is known is used while fresh, else confirmed by one conditional request, whose answer becomes the next
 * generation if the content changed.
 */
import type { Clock } from '../../base/clock.ts';
import { withAttempts } from '../../io/attempts.ts';
import type { BufferPool } from '../../io/buffers.ts';
import { contentFor } from '../../io/generation.ts';
import type { Log } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import { type ContentId, type PieceIndex, type TaskId, taskOf } from '../../protocol/ids.ts';
import { type ContentShape, pieceSizeFor } from '../../protocol/piece.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import { placeOf, type SourceAnswer, type SourceRequest } from '../../source/source.ts';
import type { StoredContent } from '../../store/store.ts';
import {
  SOURCE_BACKOFF,
  SOURCE_MAX_REST_MS,
  SOURCE_OPEN_ATTEMPTS,
  SOURCE_OPEN_PATIENCE_MS,
  SOURCE_STALL_MS,
} from '../limits.ts';
import { Entry, type Opened } from './entry.ts';
import { askerKey, Failures } from './failures.ts';
import { type BodyAnswer, Fill } from './fill.ts';
import { freshness, usableStale } from './freshness.ts';
import { type KnownParts, knownOnDisk, knownToHosts, partOnDisk, sealed, shownUrl } from './known.ts';
import { refillPiece, requireSame } from './refill.ts';

const OPEN_ATTEMPTS = {
  attempts: SOURCE_OPEN_ATTEMPTS,
  backoff: SOURCE_BACKOFF,
  maxRestMs: SOURCE_MAX_REST_MS,
  patienceMs: SOURCE_OPEN_PATIENCE_MS,
} as const;

export type CacheEvents = {
  /** A content has become current, or its length has become known. */
  shaped(entry: Entry): void;
  pieceHeld(entry: Entry, piece: PieceIndex): void;
  completed(entry: Entry): void;
  broken(entry: Entry, fault: Fault): void;
  /** It is not the task's content any more, or its bytes are gone from the cache. */
  dropped(entry: Entry): void;
  /** Pieces of it turned out to be spoilt on the cache's disk. */
  spoilt(entry: Entry, pieces: readonly PieceIndex[]): void;
};

export type CacheParts = KnownParts & {
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly log: Log;
  readonly openSource: (request: SourceRequest) => Promise<SourceAnswer>;
  /** Milliseconds to wait after so many bytes from a source; undefined = there is no limit. */
  readonly take: ((bytes: number) => number) | undefined;
  readonly delay: (ms: number) => Promise<void>;
  readonly random: () => number;
  readonly unique: () => string;
  readonly rememberFailureMs: number;
  readonly heuristicFreshMs: number;
  /** How long a content may be used after it went stale when its source cannot be reached; 0 = never. */
  readonly staleIfErrorMs: number;
  readonly events: CacheEvents;
};

export class Cache {
  readonly #parts: CacheParts;
  readonly #current = new Map<TaskId, Entry>();
  readonly #opening = new Map<TaskId, { readonly key: string; readonly answer: Promise<Opened> }>();
  readonly #watched = new WeakSet<StoredContent>();
  readonly #failures: Failures;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: CacheParts) {
    this.#parts = parts;
    this.#failures = new Failures(parts.clock, parts.rememberFailureMs);
  }

  get entries(): Iterable<Entry> {
    return this.#current.values();
  }

  find(content: ContentId): Entry | undefined {
    const entry = this.#current.get(taskOf(content));
    return entry?.id === content ? entry : undefined;
  }

  current(task: TaskId): Entry | undefined {
    return this.#current.get(task);
  }

  /** Entries in memory, questions that are being asked, and failures that are remembered: what must not grow for ever. */
  get counts(): { readonly entries: number; readonly opening: number; readonly failures: number } {
    return { entries: this.#current.size, opening: this.#opening.size, failures: this.#failures.count };
  }

  /**
   * The task's content with shape and facts known; it may still be filling. Who asks while the source is being asked in
   * the same words gets the same answer; with other credentials he waits for his turn. Faults of the source and the store.
   */
  async open(task: TaskId, spec: TaskSpec): Promise<Opened> {
    const key = askerKey(task, spec);
    for (;;) {
      const running = this.#current.get(task);
      if (running !== undefined && !running.settled) return { entry: running };
      const flight = this.#opening.get(task);
      if (flight === undefined) break;
      if (flight.key === key) return flight.answer;
      await flight.answer.catch(() => undefined); // The fault is its own askers' news.
    }
    const answer = this.#renew(task, spec).finally(() => this.#opening.delete(task));
    this.#opening.set(task, { key, answer });
    return answer;
  }

  /** Reads pieces again that the swarm has lost. */
  refill(entry: Entry, pieces: readonly PieceIndex[]): void {
    this.#track(this.#refill(entry, pieces));
  }

  /** The operator wants it gone, for those too who are downloading it. */
  async drop(task: TaskId): Promise<boolean> {
    const found = this.#parts.store.ofTask(task);
    await Promise.all(found.map((content) => this.remove(content.id)));
    return found.length > 0;
  }

  /** One content of it. */
  async remove(content: ContentId): Promise<void> {
    const entry = this.find(content);
    if (entry !== undefined) {
      this.#current.delete(entry.task);
      this.#parts.events.broken(entry, new Fault('supernode-refused', 'the content was removed from the cache'));
    }
    await this.#parts.store.remove(content);
  }

  /** The store evicted it, or nobody has used it for long: it leaves memory, not the disk. */
  forget(content: ContentId): void {
    const entry = this.find(content);
    if (entry !== undefined) this.#forget(entry);
  }

  /** Failures that count no more leave memory too. */
  sweep(): void {
    this.#failures.sweep();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
  }

  #forget(entry: Entry): void {
    if (this.#current.get(entry.task) === entry) this.#current.delete(entry.task);
    this.#parts.events.dropped(entry);
  }

  async #renew(task: TaskId, spec: TaskSpec): Promise<Opened> {
    const current = this.#current.get(task);
    const known =
      (current?.manifest === undefined ? knownOnDisk(this.#parts, task, spec) : current) ??
      (await knownToHosts(this.#parts, task, spec));
    const verdict = known === undefined ? 'read-again' : this.#judge(known, spec);
    if (known !== undefined && verdict === 'fresh') return { entry: this.#adopt(known) };
    const refused = this.#failures.find(task, spec);
    if (refused !== undefined) return this.#despite(refused, known);
    // Not to be evicted while its source is asked about it.
    known?.stored.acquire();
    try {
      if (known === undefined || verdict === 'read-again') return { entry: await this.#read(task, spec, undefined) };
      const answer = await this.#askFirst(spec, { ifChanged: known.facts });
      if (answer.type === 'body') return { entry: await this.#read(task, spec, answer) };
      await known.stored.annotate(this.#checked(answer.freshForMs));
      known.spec = spec;
      return { entry: this.#adopt(known) };
    } catch (error) {
      const fault = Fault.of(error);
      this.#failures.remember(task, spec, fault);
      return this.#despite(fault, known);
    } finally {
      known?.stored.release();
    }
  }

  #judge({ stored, facts }: Entry, { digest }: TaskSpec): ReturnType<typeof freshness> {
    const { checkedAt, freshUntil } = stored.meta;
    const { heuristicFreshMs: heuristicMs, clock } = this.#parts;
    return freshness({ digest, facts, checkedAt, freshUntil, now: clock.wall(), heuristicMs });
  }

  /** The source failed: a stale content where the operator allows it, else the fault. */
  #despite(fault: Fault, known: Entry | undefined): Opened {
    if (known === undefined) throw fault;
    const { checkedAt, freshUntil } = known.stored.meta;
    const now = this.#parts.clock.wall();
    const why = fault.toValue();
    if (!usableStale({ checkedAt, freshUntil, now }, why, this.#parts.staleIfErrorMs)) throw fault;
    return { entry: this.#adopt(known), stale: { checkedAt: checkedAt ?? now, why } };
  }

  #adopt(entry: Entry): Entry {
    const before = this.#current.get(entry.task);
    if (before === entry) return entry;
    if (before !== undefined) this.#forget(before);
    this.#current.set(entry.task, entry);
    this.#watch(entry);
    this.#parts.events.shaped(entry);
    for (const piece of entry.stored.held) this.#parts.events.pieceHeld(entry, piece);
    return entry;
  }

  #watch({ stored }: Entry): void {
    if (this.#watched.has(stored)) return;
    this.#watched.add(stored);
    stored.onLost((pieces) => {
      const entry = this.find(stored.id);
      if (entry?.stored === stored) this.#parts.events.spoilt(entry, pieces);
    });
  }

  /** Starts a read of the source; gives the content as soon as the answer's head says what it is. */
  async #read(task: TaskId, spec: TaskSpec, given: BodyAnswer | undefined): Promise<Entry> {
    const part = given === undefined ? partOnDisk(this.#parts, task, spec) : undefined;
    const answer = given ?? (await this.#askFirst(spec, part?.resume ?? {}));
    if (answer.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a plain request');
    const { facts, length } = answer;
    // A range that starts where we asked is guarded by If-Range: it is the content whose pieces we hold.
    const same = part !== undefined && answer.start > 0 ? part.stored.id : undefined;
    const id = same ?? contentFor(task, { digest: spec.digest, facts, length }, this.#parts.unique);
    const shape: ContentShape = { length, pieceSize: pieceSizeFor(length) };
    const checked = this.#checked(answer.freshForMs);
    const stored = await this.#parts.store.create(id, shape, { url: shownUrl(spec), facts, ...checked });
    await stored.annotate({ facts, ...checked });
    const entry = new Entry({ id, task, stored, facts, spec });
    entry.manifest = undefined;
    const before = this.#current.get(task);
    if (before !== undefined) this.#forget(before);
    this.#current.set(task, entry);
    this.#watch(entry);
    this.#parts.events.shaped(entry);
    for (const piece of stored.held) this.#parts.events.pieceHeld(entry, piece);
    this.#track(this.#fill(entry, answer));
    return entry;
  }

  async #fill(entry: Entry, answer: BodyAnswer): Promise<void> {
    const { stored, facts, spec } = entry;
    stored.acquire();
    try {
      const fill = new Fill(
        stored,
        {
          pool: this.#parts.pool,
          reopen: async (start) => {
            const more = await this.#ask(spec, start === 0 ? {} : { range: { start }, ifRange: facts });
            if (more.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a range');
            requireSame(entry, more);
            return more;
          },
          take: this.#parts.take,
          delay: this.#parts.delay,
          random: this.#parts.random,
          signal: this.#stop.signal,
        },
        {
          facts,
          digest: spec.digest,
          onPiece: (piece) => this.#parts.events.pieceHeld(entry, piece),
          onLength: () => this.#parts.events.shaped(entry),
        },
      );
      if (answer.start > 0) await fill.resume();
      const { shape, digest } = await fill.run(answer);
      if (stored.shape.length === null) {
        await stored.reshape(shape);
        this.#parts.events.shaped(entry);
      }
      await this.#complete(entry, digest);
    } catch (error) {
      await this.#break(entry, Fault.of(error));
    } finally {
      stored.release();
    }
  }

  async #complete(entry: Entry, digest: string | undefined): Promise<void> {
    const manifest = sealed(this.#parts, entry, digest);
    await entry.stored.annotate({ manifest });
    entry.settle({ manifest });
    this.#failures.forget(entry.task, entry.spec);
    this.#parts.events.completed(entry);
  }

  async #break(entry: Entry, fault: Fault): Promise<void> {
    this.#parts.log.warn({ content: entry.id, fault }, 'a content could not be read');
    this.#failures.remember(entry.task, entry.spec, fault);
    if (this.#current.get(entry.task) === entry) this.#current.delete(entry.task);
    entry.settle({ fault });
    this.#parts.events.broken(entry, fault);
    if (fault.code === 'digest-mismatch' || fault.code === 'source-changed') await this.#parts.store.remove(entry.id);
  }

  async #refill(entry: Entry, pieces: readonly PieceIndex[]): Promise<void> {
    entry.stored.acquire();
    try {
      const ask = (more: Partial<SourceRequest>): Promise<SourceAnswer> => this.#ask(entry.spec, more);
      for (const piece of pieces) if (await refillPiece(entry, piece, ask)) this.#parts.events.pieceHeld(entry, piece);
    } catch (error) {
      await this.#break(entry, Fault.of(error));
    } finally {
      entry.stored.release();
    }
  }

  #ask(spec: TaskSpec, more: Partial<SourceRequest>): Promise<SourceAnswer> {
    const { signal } = this.#stop;
    const request = { ...placeOf(spec), stallMs: SOURCE_STALL_MS, signal, ...more };
    return this.#parts.openSource(request);
  }

  /** The first question about a content: a passing trouble of the source is not passed on at once. */
  #askFirst(spec: TaskSpec, more: Partial<SourceRequest>): Promise<SourceAnswer> {
    const { random } = this.#parts;
    return withAttempts({ ...OPEN_ATTEMPTS, random, signal: this.#stop.signal }, () => this.#ask(spec, more));
  }

  #checked(freshForMs: number | null): { checkedAt: number; freshUntil?: number } {
    const now = this.#parts.clock.wall();
    return freshForMs === null ? { checkedAt: now } : { checkedAt: now, freshUntil: now + freshForMs };
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }
}
