/** What the sources refused of late, so that a thousand hosts that ask for it do not ask the source a thousand times. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { sha256Hex } from '../../io/hash.ts';
import type { Fault } from '../../protocol/faults.ts';
import type { TaskId } from '../../protocol/ids.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import { placeOf } from '../../source/source.ts';

const MAX_REMEMBERED = 10_000;

export class Failures {
  readonly #known: LRUCache<string, { fault: Fault; until: number }>;
  readonly #clock: Clock;
  readonly #rememberMs: number;

  constructor(clock: Clock, rememberMs: number) {
    this.#clock = clock;
    this.#rememberMs = rememberMs;
    this.#known = new LRUCache({ max: MAX_REMEMBERED });
  }

  get count(): number {
    return this.#known.size;
  }

  /** Those that count no more leave memory. */
  sweep(): void {
    const now = this.#clock.now();
    for (const [key, { until }] of [...this.#known.entries()]) if (until <= now) this.#known.delete(key);
  }

  find(task: TaskId, spec: TaskSpec): Fault | undefined {
    for (const key of [task, askerKey(task, spec)]) {
      const known = this.#known.get(key);
      if (known !== undefined && this.#clock.now() < known.until) return known.fault;
    }
    return undefined;
  }

  /**
   * One asker's wrong credentials say nothing about another's, so they are part of what a refusal is remembered by. A source
   * that is down is down for all. It is left alone at least as long as it asked for.
   */
  remember(task: TaskId, spec: TaskSpec, fault: Fault): void {
    if (fault.code !== 'source-refused' && fault.code !== 'source-unreachable') return;
    const key = fault.code === 'source-unreachable' ? task : askerKey(task, spec);
    this.#known.set(key, { fault, until: this.#clock.now() + Math.max(this.#rememberMs, fault.retryAfterMs ?? 0) });
  }

  forget(task: TaskId, spec: TaskSpec): void {
    this.#known.delete(task);
    this.#known.delete(askerKey(task, spec));
  }
}

/** Who asks in the same words gets the same answer: URL, headers and trust, of which only a digest is kept. */
export function askerKey(task: TaskId, spec: TaskSpec): string {
  return `${task}|${sha256Hex(JSON.stringify(placeOf(spec)))}`;
}
