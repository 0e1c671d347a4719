/**
 * What supernodes of one cluster tell each other, in Redis or Valkey. Nothing that runs depends on it: every call ends
 * within a second, with a Fault while Redis is away, and the connection is made again for as long as this lives.
 * Invariant: all keys begin with `dragonfly:{<cluster>}:`, whose braces keep them in one slot of a Redis Cluster.
 */
import { type Backoff, backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../io/log.ts';
import { sleep } from '../../io/sleep.ts';
import { Fault } from '../../protocol/faults.ts';
import { createRedisConnection, type RedisConnection, type RedisReply } from './redis-client.ts';
import { type RedisPlace, shownRedis } from './redis-place.ts';

export type RedisHealth = {
  readonly up: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Why it is down. */
  readonly why?: string;
};

export type RedisOptions = {
  readonly place: RedisPlace;
  /** Supernodes of several clusters may share one Redis. */
  readonly clusterName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
};

const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 1_000;
/** How often it is tried whether Redis takes a write. */
const PROBE_MS = 1_000;
const PROBE_TTL_MS = 60_000;
/** A connection that brought no answer for so long is made anew, whatever the library thinks of it. */
const REBUILD_MS = 4_000;
const BACKOFF: Backoff = { firstMs: 100, maxMs: 2_000 };
/** Commands without an answer yet; beyond it a call fails at once. */
const MAX_PENDING = 1_024;

export class Redis {
  readonly #options: RedisOptions;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(health: RedisHealth) => void>();
  readonly #prefix: string;
  #health: RedisHealth;
  #connection: RedisConnection | undefined;
  #pending = 0;
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.#prefix = `dragonfly:{${options.clusterName}}:`;
    this.#health = { up: false, since: options.clock.wall(), why: 'not connected yet' };
  }

  /** Begins to connect; never throws. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Without credentials. */
  get shown(): string {
    return shownRedis(this.#options.place);
  }

  get health(): RedisHealth {
    return this.#health;
  }

  /** Called at each change between up and down. Returns what ends it. */
  onHealth(listener: (health: RedisHealth) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** `key('member', id)` = `dragonfly:{<cluster>}:member:<id>`. */
  key(...parts: readonly string[]): string {
    return this.#prefix + parts.join(':');
  }

  async get(key: string): Promise<Buffer | undefined> {
    return bytesOf(await this.command(key, 'GET', key));
  }

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    const [first] = keys;
    if (first === undefined) return [];
    return listOf(await this.command(first, 'MGET', ...keys)).map(bytesOf);
  }

  async set(key: string, value: string | Buffer, ttlMs: number): Promise<void> {
    await this.command(key, 'SET', key, value, 'PX', String(ttlMs));
  }

  /** True when it was not there. */
  async setIfAbsent(key: string, value: string | Buffer, ttlMs: number): Promise<boolean> {
    return (await this.command(key, 'SET', key, value, 'PX', String(ttlMs), 'NX')) !== null;
  }

  /** True when it is there. */
  async keepFor(key: string, ttlMs: number): Promise<boolean> {
    return (await this.command(key, 'PEXPIRE', key, String(ttlMs))) === 1;
  }

  async delete(...keys: readonly string[]): Promise<void> {
    const [first] = keys;
    if (first !== undefined) await this.command(first, 'DEL', ...keys);
  }

  async addToSet(key: string, ...members: readonly string[]): Promise<void> {
    if (members.length > 0) await this.command(key, 'SADD', key, ...members);
  }

  async removeFromSet(key: string, ...members: readonly string[]): Promise<void> {
    if (members.length > 0) await this.command(key, 'SREM', key, ...members);
  }

  async membersOfSet(key: string): Promise<readonly string[]> {
    return listOf(await this.command(key, 'SMEMBERS', key)).map((member) => String(member));
  }

  /** All when there are no more than so many, else some. */
  async someOfSet(key: string, most: number): Promise<readonly string[]> {
    return listOf(await this.command(key, 'SRANDMEMBER', key, String(most))).map((member) => String(member));
  }

  /** Any command whose keys all have this prefix. Bulk strings come as Buffers. Fault redis-unreachable. */
  async command(key: string, ...args: readonly (string | Buffer)[]): Promise<RedisReply> {
    const { up, why } = this.#health;
    if (!up) throw new Fault('redis-unreachable', `Redis is away: ${why ?? ''}`);
    return this.#send(key, args);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #send(key: string, args: readonly (string | Buffer)[]): Promise<RedisReply> {
    const connection = this.#connection;
    if (connection === undefined) throw new Fault('redis-unreachable', 'Redis is away: not connected');
    if (this.#pending >= MAX_PENDING) throw new Fault('redis-unreachable', `${MAX_PENDING} commands wait for Redis`);
    this.#pending++;
    try {
      return await within(COMMAND_TIMEOUT_MS, connection.send(key, args, COMMAND_TIMEOUT_MS));
    } catch (error) {
      throw Fault.of(error, 'redis-unreachable');
    } finally {
      this.#pending--;
    }
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#useConnection().catch((error: unknown) => this.#down(error));
      await sleep(backoffMs(BACKOFF, this.#failures++, this.#options.random()), signal);
    }
  }

  /** One connection from its making to the moment at which it is given up. */
  async #useConnection(): Promise<void> {
    const { place, random, log } = this.#options;
    const times = { connectTimeoutMs: CONNECT_TIMEOUT_MS, retryMs: (n: number) => backoffMs(BACKOFF, n, random()) };
    let lastError: Error | undefined;
    const connection = await createRedisConnection(place, times, (error) => {
      lastError = error;
      log.debug({ why: error.message }, 'the connection to Redis has trouble');
    });
    const stop = () => connection.destroy();
    this.#closing.signal.addEventListener('abort', stop, { once: true });
    try {
      await within(CONNECT_TIMEOUT_MS, connection.connect()).catch((error: unknown) => {
        throw lastError ?? error;
      });
      this.#connection = connection;
      await this.#watch();
    } finally {
      this.#connection = undefined;
      this.#closing.signal.removeEventListener('abort', stop);
      stop();
    }
  }

  /** Ends when it brings no answers any more. */
  async #watch(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    let answeredAt = clock.now();
    while (!signal.aborted) {
      try {
        const probe = this.key('probe');
        await this.#send(probe, ['SET', probe, '1', 'PX', String(PROBE_TTL_MS)]);
        answeredAt = clock.now();
        this.#up();
      } catch (error) {
        this.#down(error);
        if (clock.now() - answeredAt >= REBUILD_MS) return;
      }
      await sleep(PROBE_MS, signal);
    }
  }

  #up(): void {
    this.#failures = 0;
    if (this.#health.up) return;
    this.#options.log.info({ redis: this.shown }, 'Redis is there');
    this.#become({ up: true, since: this.#options.clock.wall() });
  }

  #down(error: unknown): void {
    const why = error instanceof Error ? error.message || error.name : String(error);
    if (!this.#health.up && this.#health.why === why) return;
    if (!this.#closing.signal.aborted) this.#options.log.warn({ redis: this.shown, why }, 'Redis is away');
    this.#become({ up: false, since: this.#health.up ? this.#options.clock.wall() : this.#health.since, why });
  }

  #become(health: RedisHealth): void {
    const changed = health.up !== this.#health.up;
    this.#health = health;
    if (changed) for (const listener of this.#listeners) listener(health);
  }
}

function bytesOf(reply: RedisReply): Buffer | undefined {
  if (reply === null) return undefined;
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply));
}

function listOf(reply: RedisReply): readonly RedisReply[] {
  // With protocol 3 a set may come as a Set.
  if (Array.isArray(reply)) return reply;
  return reply !== null && typeof reply === 'object' && Symbol.iterator in reply
    ? [...(reply as Iterable<RedisReply>)]
    : [];
}

/** The library has limits of its own; this one holds whatever they do. */
async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Fault('redis-unreachable', `no answer within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
