/**
 * The story of a run: every event that a scheduler got and every command it gave. Two runs of one seed must agree on the
 * hash over all of it; the lines are kept for replays only.
 */
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';

export class Trace {
  readonly lines: string[] = [];
  readonly #keep: boolean;
  #hash = 0x811c9dc5;

  constructor(keep: boolean) {
    this.#keep = keep;
  }

  /** 8 hex digits. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  add(time: number, supernode: number, what: SchedulerEvent | SchedulerCommand): void {
    this.#number(time * 1024);
    this.#number(what.type.length * 31 + what.type.charCodeAt(0));
    if ('piece' in what) this.#number(what.piece);
    if ('lease' in what) this.#number(what.lease);
    if ('host' in what) this.#number(Number(what.host.slice(1)));
    if (this.#keep) this.lines.push(`${time.toFixed(3)} s${supernode} ${describe(what)}`);
  }

  #number(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193);
    this.#hash = Math.imul(this.#hash ^ ((value / 0x1_0000_0000) | 0), 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}

function describe(what: SchedulerEvent | SchedulerCommand): string {
  return JSON.stringify(what, (key, value: unknown) => {
    if (key === 'held' && typeof value === 'object' && value !== null && 'count' in value)
      return `${value.count} pieces`;
    return key === 'content' && typeof value === 'string' ? value.slice(60) : value;
  });
}
