/**
 * One content that the supernode knows: being filled, complete, or broken. Who waits for more of it waits here.
 * Invariant: once `manifest` is set it never changes; `fault` and `manifest` exclude each other.
 */
import type { Fault } from '../../protocol/faults.ts';
import type { ContentId, TaskId } from '../../protocol/ids.ts';
import type { ContentShape } from '../../protocol/piece.ts';
import type { Manifest, SourceFacts, Staleness, TaskSpec } from '../../protocol/task.ts';
import type { StoredContent } from '../../store/store.ts';

export class Entry {
  readonly id: ContentId;
  readonly task: TaskId;
  readonly stored: StoredContent;
  readonly facts: SourceFacts;
  /** The last spec that the source accepted: with it pieces that were lost are read again. Holds secrets. */
  spec: TaskSpec;
  manifest: Manifest | undefined;
  fault: Fault | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(told: { id: ContentId; task: TaskId; stored: StoredContent; facts: SourceFacts; spec: TaskSpec }) {
    this.id = told.id;
    this.task = told.task;
    this.stored = told.stored;
    this.facts = told.facts;
    this.spec = told.spec;
    this.manifest = told.stored.meta.manifest;
  }

  get shape(): ContentShape {
    return this.stored.shape;
  }

  get settled(): boolean {
    return this.manifest !== undefined || this.fault !== undefined;
  }

  /** Resolves when it is complete or broken. */
  whenSettled(): Promise<void> {
    if (this.settled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  settle(outcome: { readonly manifest: Manifest } | { readonly fault: Fault }): void {
    if ('manifest' in outcome) this.manifest = outcome.manifest;
    else this.fault = outcome.fault;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** What an asker gets; `stale` when the source could not be asked whether it is still right. */
export type Opened = { readonly entry: Entry; readonly stale?: Staleness };
