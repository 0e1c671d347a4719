/** What the sources refused of late, so that a thousand hosts that ask for it do not ask the source a thousand times. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { sha256Hex } from '../../io/hash.ts';
import type { Fault } from '../../protocol/faults.ts';
import type { TaskId } from '../../protocol/ids.ts';
import type { TaskSpec } from '../../protocol/task.ts';

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

  /** One asker's wrong credentials say nothing about another's: the headers are part of the key. */
  find(task: TaskId, spec: TaskSpec): Fault | undefined {
    const known = this.#known.get(keyOf(task, spec));
    return known !== undefined && this.#clock.now() < known.until ? known.fault : undefined;
  }

  remember(task: TaskId, spec: TaskSpec, fault: Fault): void {
    if (fault.code !== 'source-refused' && fault.code !== 'source-unreachable') return;
    this.#known.set(keyOf(task, spec), { fault, until: this.#clock.now() + this.#rememberMs });
  }

  forget(task: TaskId, spec: TaskSpec): void {
    this.#known.delete(keyOf(task, spec));
  }
}

function keyOf(task: TaskId, spec: TaskSpec): string {
  return `${task}|${sha256Hex(JSON.stringify([spec.url, spec.headers, spec.insecure ?? false, spec.cacerts ?? []]))}`;
}
