/**
 * One content of a preheat on its way into the cache, and from there to the hosts. What was reached stays known after the
 * content has left memory.
 */
import type { Fault } from '../../protocol/faults.ts';
import type { ContentId, TaskId } from '../../protocol/ids.ts';
import { pieceSpan } from '../../protocol/piece.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import type { Entry } from '../cache/entry.ts';
import type { LayerView, PreheatState } from './preheat-request.ts';

export type LayerWanted = {
  readonly name: string;
  readonly task: TaskId;
  /** As the image says; null for a file. */
  readonly length: number | null;
  /** With the credentials that are good now. Faults of the registry. */
  readonly spec: () => Promise<TaskSpec>;
};

export class Layer {
  readonly wanted: LayerWanted;
  #state: PreheatState = 'waiting';
  #entry: Entry | undefined;
  #content: ContentId | undefined;
  #length: number | null;
  #done = 0;
  #fault: Fault | undefined;

  constructor(wanted: LayerWanted) {
    this.wanted = wanted;
    this.#length = wanted.length;
  }

  get length(): number | null {
    return this.#entry?.shape.length ?? this.#length;
  }

  get done(): number {
    return this.#entry === undefined ? this.#done : heldBytes(this.#entry);
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  begin(): void {
    this.#state = 'running';
  }

  opened(entry: Entry): void {
    this.#entry = entry;
    this.#content = entry.id;
  }

  end(fault: Fault | undefined): void {
    this.#length = this.length;
    this.#done = fault === undefined ? (this.#length ?? this.done) : this.done;
    this.#entry = undefined;
    this.#fault = fault;
    this.#state = fault === undefined ? 'done' : fault.code === 'cancelled' ? 'stopped' : 'failed';
  }

  get view(): LayerView {
    return {
      name: this.wanted.name,
      task: this.wanted.task,
      ...(this.#content === undefined ? {} : { content: this.#content }),
      state: this.#state,
      done: this.done,
      length: this.length,
      ...(this.#fault === undefined ? {} : { fault: this.#fault.toValue() }),
    };
  }
}

function heldBytes({ stored: { held, shape } }: Entry): number {
  const last = held.size - 1;
  if (shape.length === null || !held.has(last)) return held.count * shape.pieceSize;
  const { start, end } = pieceSpan(shape, last);
  return (held.count - 1) * shape.pieceSize + (end - start);
}
