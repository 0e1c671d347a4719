/** What the cache asks sources, in the name of whoever asks for a content: his credentials, his trust. */
import { withAttempts } from '../../io/attempts.ts';
import { Fault } from '../../protocol/faults.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import { placeOf, type SourceAnswer, type SourceRequest } from '../../source/source.ts';
import {
  SOURCE_BACKOFF,
  SOURCE_MAX_REST_MS,
  SOURCE_OPEN_ATTEMPTS,
  SOURCE_OPEN_PATIENCE_MS,
  SOURCE_STALL_MS,
} from '../limits.ts';
import type { BodyAnswer } from './fill.ts';

const OPEN_ATTEMPTS = {
  attempts: SOURCE_OPEN_ATTEMPTS,
  backoff: SOURCE_BACKOFF,
  maxRestMs: SOURCE_MAX_REST_MS,
  patienceMs: SOURCE_OPEN_PATIENCE_MS,
} as const;

export type AskingParts = {
  readonly openSource: (request: SourceRequest) => Promise<SourceAnswer>;
  readonly random: () => number;
};

export class Asking {
  readonly #parts: AskingParts;
  readonly #signal: AbortSignal;

  constructor(parts: AskingParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  ask(spec: TaskSpec, more: Partial<SourceRequest>): Promise<SourceAnswer> {
    const request = { ...placeOf(spec), stallMs: SOURCE_STALL_MS, signal: this.#signal, ...more };
    return this.#parts.openSource(request);
  }

  /** The first question about a content: a passing trouble of the source is not passed on at once. */
  first(spec: TaskSpec, more: Partial<SourceRequest>): Promise<SourceAnswer> {
    const { random } = this.#parts;
    return withAttempts({ ...OPEN_ATTEMPTS, random, signal: this.#signal }, () => this.ask(spec, more));
  }

  /** The content, or the rest of one that was begun; all of it when the source has another one by now. */
  async body(spec: TaskSpec, resume: Partial<SourceRequest> = {}): Promise<BodyAnswer> {
    const answer = await this.first(spec, resume).catch((error: unknown) => {
      if (resume.range === undefined || Fault.of(error).code !== 'source-changed') throw error;
      return this.first(spec, {});
    });
    if (answer.type !== 'body') throw new Fault('source-lied', 'the source says unchanged to a plain request');
    return answer;
  }
}
