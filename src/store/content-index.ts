/** The contents of a store by id and by task: a task may have several generations, and is asked for far more often than listed. */
import { type ContentId, type TaskId, taskOf } from '../protocol/ids.ts';

export class ContentIndex<Content extends { readonly id: ContentId }> {
  readonly #byId = new Map<ContentId, Content>();
  readonly #byTask = new Map<TaskId, Set<Content>>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: ContentId): Content | undefined {
    return this.#byId.get(id);
  }

  ofTask(task: TaskId): readonly Content[] {
    return [...(this.#byTask.get(task) ?? [])];
  }

  values(): IterableIterator<Content> {
    return this.#byId.values();
  }

  add(content: Content): void {
    this.delete(content.id);
    this.#byId.set(content.id, content);
    const task = taskOf(content.id);
    const contents = this.#byTask.get(task);
    if (contents === undefined) this.#byTask.set(task, new Set([content]));
    else contents.add(content);
  }

  delete(id: ContentId): void {
    const content = this.#byId.get(id);
    if (content === undefined) return;
    this.#byId.delete(id);
    const task = taskOf(id);
    const contents = this.#byTask.get(task);
    contents?.delete(content);
    if (contents?.size === 0) this.#byTask.delete(task);
  }
}
