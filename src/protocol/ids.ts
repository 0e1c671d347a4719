/** The names of things on the wire. Each brand has one maker, which checks; inside, the type is the proof. */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** 64 hex digits: the sha256 of what identifies a content (task.ts). */
export type TaskId = Brand<string, 'TaskId'>;
/**
 * One generation of a task: `<task id>.<generation>`. Pieces of two generations never meet in one file, so stores,
 * swarms and piece URLs are all keyed by it.
 */
export type ContentId = Brand<string, 'ContentId'>;
/** A machine with an agent; made once per agent home and kept there. */
export type HostId = Brand<string, 'HostId'>;

/** 0-based. */
export type PieceIndex = number;
/** Names one assignment for as long as the supernode that gave it lives; 0 = no lease (a piece got without one). */
export type LeaseId = number;

const TASK = /^[0-9a-f]{64}$/;
const GENERATION = /^[0-9a-z]{1,32}$/;
/** One pattern, because every message of every host names a content. */
const CONTENT = /^[0-9a-f]{64}\.[0-9a-z]{1,32}$/;
const HOST = /^[0-9A-Za-z._:-]{1,128}$/;

export function parseTaskId(text: string): TaskId | undefined {
  return TASK.test(text) ? (text as TaskId) : undefined;
}

export function parseContentId(text: string): ContentId | undefined {
  return CONTENT.test(text) ? (text as ContentId) : undefined;
}

export function parseHostId(text: string): HostId | undefined {
  return HOST.test(text) ? (text as HostId) : undefined;
}

/** Throws RangeError for a generation that is not 1 to 32 of [0-9a-z]. */
export function contentIdOf(task: TaskId, generation: string): ContentId {
  if (!GENERATION.test(generation)) throw new RangeError(`generation ${JSON.stringify(generation)}`);
  return `${task}.${generation}` as ContentId;
}

export function taskOf(content: ContentId): TaskId {
  return content.slice(0, 64) as TaskId;
}
