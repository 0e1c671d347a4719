/**
 * The supernode's contents and the one way in: `open` gives the task's current content, reading the source at most once however many
 * ask. What is known is used while fresh, else confirmed by one conditional request, whose answer becomes the next
 * generation if the content changed.
 */
import { contentFor } from '../../io/generation.ts';
import { Fault } from '../../protocol/faults.ts';
import { type ContentId, type PieceIndex, type TaskId, taskOf } from '../../protocol/ids.ts';
import { INLINE_MAX_BYTES } from '../../protocol/messages.ts';
import { type ContentShape, pieceCount, pieceSizeFor } from '../../protocol/piece.ts';
import type { Manifest, TaskSpec } from '../../protocol/task.ts';
import type { StoredContent } from '../../store/store.ts';
import { Asking } from './asking.ts';
import { Entry, type Opened } from './entry.ts';
import { askerKey, Failures } from './failures.ts';
import type { BodyAnswer } from './fill.ts';
import { type Filled, fillEntry } from './filling.ts';
import { freshness, usableStale } from './freshness.ts';
import { endElsewhere, findKnown, knownOnDisk, type Part, sealed, shownUrl } from './known.ts';
import type { CacheParts } from './parts.ts';
import { type PullPlan, pull } from './pull.ts';
import { requireSame, sourceTier } from './refill.ts';

/** Who asks while a content is judged waits for the verdict, but no longer than this. Milliseconds. */
const VERDICT_MS = 1000;

export class Cache {
  readonly #parts: CacheParts;
  readonly #current = new Map<TaskId, Entry>();
  readonly #opening = new Map<TaskId, { readonly key: string; readonly answer: Promise<Opened> }>();
  readonly #watched = new WeakSet<StoredContent>();
  readonly #failures: Failures;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #asking: Asking;

  constructor(parts: CacheParts) {
    this.#parts = parts;
    this.#asking = new Asking(parts, this.#stop.signal);
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
      if (running?.settled === false) {
        if (running.judging && (await this.#judged(running))) continue;
        return { entry: running };
      }
      const flight = this.#opening.get(task);
      if (flight === undefined) break;
      if (flight.key === key) return flight.answer;
      await flight.answer.catch(() => undefined); // The fault is its own askers' news.
    }
    const answer = this.#renew(task, spec).finally(() => this.#opening.delete(task));
    this.#opening.set(task, { key, answer });
    return answer;
  }

  /** A host may have found out first that it is wrong. True = the verdict came soon. */
  async #judged(entry: Entry): Promise<boolean> {
    await Promise.race([entry.whenSettled(), this.#parts.delay(VERDICT_MS)]);
    return entry.settled;
  }

  /** Reads pieces again that the swarm has lost. */
  refill(entry: Entry, pieces: readonly PieceIndex[]): void {
    this.#track(this.#refill(entry, { pieces }));
  }

  /** The operator wants it gone, for those too who are downloading it, and not to come back from elsewhere. */
  async drop(task: TaskId): Promise<boolean> {
    const { store, shared, behind } = this.#parts;
    const found = store.ofTask(task);
    await Promise.all(found.map((content) => this.remove(content.id)));
    await Promise.all([shared.forget(task), behind.forget(task)]);
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
    const here = current?.manifest === undefined ? knownOnDisk(this.#parts, task, spec) : current;
    const fresh = (entry: Entry): boolean => this.#judge(entry, spec) === 'fresh';
    const { known, part } = await findKnown(this.#parts, { task, spec, here }, fresh);
    const verdict = known === undefined ? 'read-again' : this.#judge(known, spec);
    if (known !== undefined && verdict === 'fresh') return { entry: await this.#use(known) };
    const refused = this.#failures.find(task, spec);
    if (refused !== undefined) return this.#despite(refused, known);
    // Not to be evicted while its source is asked about it.
    known?.stored.acquire();
    try {
      if (known === undefined || verdict === 'read-again') return { entry: await this.#read(task, spec, { part }) };
      const answer = await this.#asking.first(spec, { ifChanged: known.facts });
      if (answer.type === 'body') return { entry: await this.#read(task, spec, { answer }) };
      await known.stored.annotate(this.#checked(answer.freshForMs));
      known.spec = spec;
      return { entry: await this.#use(known) };
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

  /** What can be given at once is given with its answer, so all of it must be here by then. */
  async #use(known: Entry): Promise<Entry> {
    const { length } = known.shape;
    const small = length !== null && length <= INLINE_MAX_BYTES;
    if (small && !known.stored.complete) await this.#pull(known, { graceMs: 0, elsewhere: () => false });
    return this.#adopt(known);
  }

  #adopt(entry: Entry): Entry {
    if (this.#current.get(entry.task) === entry) return entry;
    this.#make(entry);
    if (!entry.stored.complete) this.#track(this.#refill(entry, this.#lent(entry)));
    return entry;
  }

  /** Hosts that have all of it give it to each other; what none of them has comes from elsewhere. */
  #lent({ id }: Entry): Required<Pick<PullPlan, 'graceMs' | 'elsewhere'>> {
    const { hold, graceMs } = this.#parts.hosts;
    return { graceMs, elsewhere: (piece) => hold(id, piece) };
  }

  /** Makes it the task's content. */
  #make(entry: Entry): void {
    const before = this.#current.get(entry.task);
    if (before !== undefined) this.#forget(before);
    this.#current.set(entry.task, entry);
    this.#watch(entry);
    this.#parts.events.shaped(entry);
    for (const piece of entry.stored.held) this.#parts.events.pieceHeld(entry, piece);
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
  async #read(task: TaskId, spec: TaskSpec, from: { answer?: BodyAnswer; part?: Part | undefined }): Promise<Entry> {
    const { part } = from;
    const answer = from.answer ?? (await this.#asking.body(spec, part?.resume));
    const { facts, length } = answer;
    // A range that starts where we asked is guarded by If-Range: it is the content whose pieces we hold or know.
    const same = part !== undefined && answer.start > 0 ? part : undefined;
    if (same?.digests !== undefined) requireSame({ facts: same.facts, shape: same.shape, manifest: undefined }, answer);
    const id = same?.id ?? contentFor(task, { digest: spec.digest, facts, length }, this.#parts.unique);
    const shape: ContentShape = same?.shape ?? { length, pieceSize: pieceSizeFor(length) };
    const checked = this.#checked(answer.freshForMs);
    const stored = await this.#parts.store.create(id, shape, { url: shownUrl(spec), facts, ...checked });
    await stored.annotate({ facts, ...checked });
    const entry = new Entry({ id, task, stored, facts, spec });
    entry.manifest = undefined;
    if (same?.digests !== undefined) entry.learn(same.digests);
    this.#make(entry);
    this.#track(this.#fill(entry, answer));
    return entry;
  }

  async #fill(entry: Entry, answer: BodyAnswer): Promise<void> {
    const { stored } = entry;
    let manifest: Manifest | undefined;
    stored.acquire();
    try {
      const filled = await fillEntry(entry, answer, {
        ...this.#parts,
        // A read that broke off goes on, unless nothing more need be read.
        ask: async (spec, more) => {
          manifest = await endElsewhere(this.#parts, entry);
          if (manifest !== undefined) throw new Fault('cancelled', 'others have read it to its end');
          return this.#asking.ask(spec, more);
        },
        signal: this.#stop.signal,
        bring: (pieces, which) => {
          const { graceMs, elsewhere } = this.#lent(entry);
          return this.#pull(entry, { pieces, graceMs, ...(which === 'all' ? {} : { elsewhere }) });
        },
      });
      await this.#complete(entry, sealed(this.#parts, entry, filled.digest), filled.written);
    } catch (error) {
      if (manifest === undefined) await this.#break(entry, Fault.of(error));
      else await this.#takeEnd(entry, manifest).catch((fault: unknown) => this.#break(entry, Fault.of(fault)));
    } finally {
      stored.release();
    }
  }

  /** What others have found out of a content; its bytes are theirs to give, where nobody else has them the source's. */
  async #takeEnd(entry: Entry, manifest: Manifest): Promise<void> {
    if (entry.shape.length === null) {
      await entry.stored.reshape(manifest.shape);
      this.#parts.events.shaped(entry);
    }
    await this.#complete(entry, manifest, async () => undefined);
    await this.#refill(entry, this.#lent(entry));
  }

  async #complete(entry: Entry, manifest: Manifest, written: Filled['written']): Promise<void> {
    // Said while the pieces are on their way to the disk: a small content's files are made with it, and need not be written twice.
    await Promise.all([entry.stored.annotate({ manifest }), written()]);
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

  async #refill(entry: Entry, plan: Partial<PullPlan>): Promise<void> {
    if (entry.manifest === undefined) return; // A running fill will bring them.
    entry.stored.acquire();
    const before = entry.stored.complete;
    try {
      await this.#pull(entry, plan);
      if (!before && entry.stored.complete) this.#parts.events.completed(entry);
    } catch (error) {
      await this.#break(entry, Fault.of(error));
    } finally {
      entry.stored.release();
    }
  }

  /** From whoever has it; `pieces` absent = all. */
  #pull(entry: Entry, { pieces, graceMs = 0, elsewhere = () => false }: Partial<PullPlan>): Promise<void> {
    const { hosts, tiers, events } = this.#parts;
    const all = pieces ?? Array.from({ length: pieceCount(entry.shape) }, (_, piece) => piece);
    return pull(
      entry,
      { pieces: all, graceMs, elsewhere },
      {
        ...this.#parts,
        tiers: [hosts.tier, ...tiers],
        source: sourceTier((spec, more) => this.#asking.ask(spec, more), entry.facts.ranges),
        signal: this.#stop.signal,
        held: (piece) => events.pieceHeld(entry, piece),
      },
    );
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
