/**
 * Shared state in Redis or Valkey: one key per task, one command per call. A record that nobody says again goes by itself, so
 * what is kept there is bounded by what was read of late.
 */
import type { Log } from '../../io/log.ts';
import { type TaskId, taskOf } from '../../protocol/ids.ts';
import { MAX_RECORD_CHARS, parseShared, printShared, type SharedContent, type SharedState } from './shared-state.ts';

/** What is needed of Redis (redis.ts). */
export type RecordKeeper = {
  key(...parts: readonly string[]): string;
  get(key: string): Promise<Buffer | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(...keys: readonly string[]): Promise<void>;
};

export type RedisStateParts = {
  readonly redis: RecordKeeper;
  readonly secret: Uint8Array;
  readonly log: Log;
};

/** A supernode that reads a content says so several times a second. */
const READING_TTL_MS = 10 * 60_000;
const COMPLETE_TTL_MS = 7 * 24 * 3_600_000;

export class RedisState implements SharedState {
  readonly #parts: RedisStateParts;

  constructor(parts: RedisStateParts) {
    this.#parts = parts;
  }

  async find(task: TaskId): Promise<SharedContent | undefined> {
    const { redis, secret, log } = this.#parts;
    try {
      const record = await redis.get(redis.key('content', task));
      if (record === undefined || record.length > MAX_RECORD_CHARS) return undefined;
      const shared = parseShared(secret, task, record.toString('utf8'));
      if (shared === undefined) log.warn({ task }, 'a record in Redis that no supernode of this cluster has signed');
      return shared;
    } catch (error) {
      log.debug({ error, task }, 'Redis could not be asked about a content');
      return undefined;
    }
  }

  async put(shared: SharedContent): Promise<void> {
    const { redis, secret, log } = this.#parts;
    const record = printShared(secret, shared);
    if (record.length > MAX_RECORD_CHARS) return;
    const ttlMs = shared.manifest === undefined ? READING_TTL_MS : COMPLETE_TTL_MS;
    try {
      await redis.set(redis.key('content', taskOf(shared.content)), record, ttlMs);
    } catch (error) {
      log.debug({ error, content: shared.content }, 'a content could not be told to Redis');
    }
  }

  async forget(task: TaskId): Promise<void> {
    const { redis, log } = this.#parts;
    try {
      await redis.delete(redis.key('content', task));
    } catch (error) {
      log.warn({ error, task }, 'a content could not be removed from Redis');
    }
  }
}
