/**
 * What happens next. A binary heap by time; events of the same time run in the order in which they were put in, which is
 * what makes a run repeat bit for bit.
 */
import type { Millis } from '../base/clock.ts';

export type Action = () => void;

export class EventQueue {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #actions: Action[] = [];
  #order = 0;
  now: Millis = 0;

  get size(): number {
    return this.#times.length;
  }

  at(time: Millis, action: Action): void {
    const due = Math.max(time, this.now);
    const order = this.#order++;
    let at = this.#times.length;
    this.#times.push(due);
    this.#orders.push(order);
    this.#actions.push(action);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const upTime = this.#times[up] ?? 0;
      if (upTime < due || (upTime === due && (this.#orders[up] ?? 0) < order)) break;
      this.#move(up, at);
      at = up;
    }
    this.#put(at, due, order, action);
  }

  after(millis: Millis, action: Action): void {
    this.at(this.now + millis, action);
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const action = this.#actions[0];
    if (action === undefined) return false;
    this.now = this.#times[0] ?? this.now;
    const time = this.#times.pop() ?? 0;
    const order = this.#orders.pop() ?? 0;
    const last = this.#actions.pop() ?? action;
    if (this.#times.length > 0) this.#sink(time, order, last);
    action();
    return true;
  }

  #sink(time: number, order: number, action: Action): void {
    const size = this.#times.length;
    let at = 0;
    for (;;) {
      let low = at * 2 + 1;
      if (low >= size) break;
      if (low + 1 < size && this.#before(low + 1, low)) low++;
      const lowTime = this.#times[low] ?? 0;
      if (time < lowTime || (time === lowTime && order < (this.#orders[low] ?? 0))) break;
      this.#move(low, at);
      at = low;
    }
    this.#put(at, time, order, action);
  }

  #before(a: number, b: number): boolean {
    const left = this.#times[a] ?? 0;
    const right = this.#times[b] ?? 0;
    return left < right || (left === right && (this.#orders[a] ?? 0) < (this.#orders[b] ?? 0));
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] ?? 0;
    this.#orders[to] = this.#orders[from] ?? 0;
    const action = this.#actions[from];
    if (action !== undefined) this.#actions[to] = action;
  }

  #put(at: number, time: number, order: number, action: Action): void {
    this.#times[at] = time;
    this.#orders[at] = order;
    this.#actions[at] = action;
  }
}
