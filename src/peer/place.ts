/**
 * Where a download's content lies: found in the store, made there, or in memory for a tiny one. Invariant: the content at
 * hand is acquired exactly once, so that it cannot be evicted under the download.
 */
import { contentFor } from '../io/generation.ts';
import { Fault } from '../protocol/faults.ts';
import { canonicalUrl } from '../protocol/identity.ts';
import type { TaskId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import { type ContentShape, pieceSizeFor } from '../protocol/piece.ts';
import type { Staleness, TaskSpec } from '../protocol/task.ts';
import type { SourceBody } from '../source/source.ts';
import type { ContentMeta, ContentStore, StoredContent } from '../store/store.ts';
import { InlineContent } from './inline-content.ts';
import { Proofs } from './proofs.ts';
import { sameContent } from './source-read.ts';

export type OpenedMessage = Extract<SupernodeMessage, { type: 'opened' }>;

export type PlaceParts = {
  readonly store: ContentStore;
  /** Told of every content that a download uses, for what the store may lose of it. */
  readonly watch: (content: StoredContent) => void;
  readonly wall: () => number;
  /** A name that no other content has: of [0-9a-z], at most 32. */
  readonly unique: () => string;
  /** What `note` was told could not be kept: it is of use the next time, and no reason to fail now. */
  readonly onUnkept: (error: unknown) => void;
};

export class Place {
  readonly #parts: PlaceParts;
  readonly #task: TaskId;
  readonly #spec: TaskSpec;
  #content: StoredContent | undefined;
  #proofs = new Proofs();
  #said: { readonly stale?: Staleness } = {};

  constructor(parts: PlaceParts, task: TaskId, spec: TaskSpec) {
    this.#parts = parts;
    this.#task = task;
    this.#spec = spec;
  }

  get content(): StoredContent | undefined {
    return this.#content;
  }

  get proofs(): Proofs {
    return this.#proofs;
  }

  /** What the supernode said of the content besides what is kept with it. */
  get said(): { readonly stale?: Staleness } {
    return this.#said;
  }

  /** What is at hand, or what an earlier download left of this task, the latest used first. */
  prior(): StoredContent | undefined {
    if (this.#content !== undefined) return this.#content;
    let latest: StoredContent | undefined;
    for (const content of this.#parts.store.ofTask(this.#task)) {
      if (latest === undefined || content.usedAt > latest.usedAt) latest = content;
    }
    return latest;
  }

  /** True when it is another content than before. Faults: no-space, local-io, bad-message. */
  async fromSupernode(message: OpenedMessage): Promise<boolean> {
    const { content: id, shape, facts, manifest, inline, stale } = message;
    const fresh = this.#content?.id !== id;
    const checkedAt = stale === undefined ? this.#parts.wall() : stale.checkedAt;
    if (fresh) {
      const proofs = manifest === undefined ? {} : { manifest };
      const meta: ContentMeta = { url: this.#url(), facts, checkedAt, ...proofs };
      this.#take(
        inline === undefined
          ? await this.#parts.store.create(id, shape, meta)
          : new InlineContent(this.#parts.store, { id, shape, meta, bytes: Buffer.from(inline, 'base64') }),
      );
    }
    await this.reshape(shape);
    const known = manifest ?? this.#content?.meta.manifest;
    if (known !== undefined) this.#proofs.learn(known);
    await this.note({ facts, checkedAt, ...(manifest === undefined ? {} : { manifest }) });
    this.#said = stale === undefined ? {} : { stale };
    return fresh;
  }

  /** Finds out which content the source has. Faults: no-space, local-io, source-changed. */
  async fromSource(answer: SourceBody | 'unchanged'): Promise<StoredContent> {
    const prior = this.prior();
    // The source itself has spoken.
    this.#said = {};
    if (answer === 'unchanged') {
      if (prior === undefined)
        throw new Fault('source-changed', 'the source calls unchanged what is not here any more');
      return this.#adopt(prior);
    }
    const same = prior !== undefined && sameContent(answer, prior, { proofs: this.#proofs, spec: this.#spec });
    if (prior !== undefined && same) return this.#adopt(prior);
    if (answer.start !== 0) throw new Fault('source-changed', 'the source has another content now');
    const { length, facts, freshForMs } = answer;
    const now = this.#parts.wall();
    const fresh = freshForMs === null ? {} : { freshUntil: now + freshForMs };
    const shape = { length, pieceSize: pieceSizeFor(length) };
    const id = contentFor(this.#task, { digest: this.#spec.digest, facts, length }, this.#parts.unique);
    const content = await this.#parts.store.create(id, shape, { url: this.#url(), facts, checkedAt: now, ...fresh });
    this.#take(content);
    return content;
  }

  async reshape(shape: ContentShape): Promise<void> {
    if (this.#content?.shape.length === null && shape.length !== null) await this.#content.reshape(shape);
  }

  /** Keeps what is known of the content at hand besides its bytes. */
  async note(change: Partial<ContentMeta>): Promise<void> {
    await this.#content?.annotate(change).catch(this.#parts.onUnkept);
  }

  /** Not this content any more, and it is of no use to anybody. */
  async forget(): Promise<void> {
    const content = this.#content ?? this.prior();
    this.release();
    if (content !== undefined) await this.#parts.store.remove(content.id);
  }

  release(): void {
    this.#content?.release();
    this.#content = undefined;
    this.#proofs = new Proofs();
    this.#said = {};
  }

  async #adopt(found: StoredContent): Promise<StoredContent> {
    const content = found.complete ? found : await this.#reserved(found);
    if (content !== this.#content) this.#take(content);
    if (content.meta.manifest !== undefined) this.#proofs.learn(content.meta.manifest);
    await this.note({ checkedAt: this.#parts.wall() });
    return content;
  }

  /** Creating what is there finds it and reserves the space that it still needs. */
  #reserved({ id, shape, meta }: StoredContent): Promise<StoredContent> {
    return this.#parts.store.create(id, shape, meta);
  }

  #take(content: StoredContent): void {
    this.release();
    content.acquire();
    this.#parts.watch(content);
    this.#content = content;
  }

  #url(): string {
    return canonicalUrl(this.#spec.url, this.#spec.filter);
  }
}
