/** The first few of many in some order, without sorting the many: nearly all of them are put aside by one comparison. */
export class FirstFew<Item> {
  readonly #limit: number;
  readonly #order: (a: Item, b: Item) => number;
  readonly #items: Item[] = [];

  /** `order` is below zero when `a` comes first. */
  constructor(limit: number, order: (a: Item, b: Item) => number) {
    this.#limit = limit;
    this.#order = order;
  }

  /** In order. */
  get items(): readonly Item[] {
    return this.#items;
  }

  offer(item: Item): void {
    const items = this.#items;
    const last = items.at(-1);
    const isFull = items.length >= this.#limit;
    if (isFull && (last === undefined || this.#order(item, last) >= 0)) return;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = items[middle];
      if (other !== undefined && this.#order(item, other) < 0) high = middle;
      else low = middle + 1;
    }
    items.splice(low, 0, item);
    if (isFull) items.pop();
  }
}
