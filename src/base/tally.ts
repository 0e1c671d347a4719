/** How often each of a few things has happened. Its keys are few by their type: nothing is ever forgotten. */
export class Tally<Key extends string> {
  readonly #counts = new Map<Key, number>();

  /** Those named are shown from the beginning, as 0: a rate can only be told of what was there before. */
  constructor(keys: Iterable<Key> = []) {
    for (const key of keys) this.#counts.set(key, 0);
  }

  add(key: Key): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  of(key: Key): number {
    return this.#counts.get(key) ?? 0;
  }

  [Symbol.iterator](): IterableIterator<[Key, number]> {
    return this.#counts.entries();
  }
}
