/** A Redis that is a map, and lies or fails when a test wants it to. */
import { silentLog } from '../../io/log.ts';
import { type RecordKeeper, RedisState } from './redis-state.ts';

export class MapRecords implements RecordKeeper {
  readonly records = new Map<string, string>();
  fault: Error | undefined;
  /** Changes what is read. */
  lie: (record: string) => string = (record) => record;

  key(...parts: readonly string[]): string {
    return `test:${parts.join(':')}`;
  }

  async get(key: string): Promise<Buffer | undefined> {
    if (this.fault !== undefined) throw this.fault;
    const record = this.records.get(key);
    return record === undefined ? undefined : Buffer.from(this.lie(record));
  }

  async set(key: string, value: string): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.records.set(key, value);
  }

  async delete(...keys: readonly string[]): Promise<void> {
    for (const key of keys) this.records.delete(key);
  }
}

/** As the tests' caches sign. */
export const SECRET = Buffer.from('a secret of the tests, 32 characters');

export function stateOver(redis: RecordKeeper, secret: Uint8Array = SECRET): RedisState {
  return new RedisState({ redis, secret, log: silentLog });
}
