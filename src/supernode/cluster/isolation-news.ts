/**
 * Tells the other supernodes in Redis which hosts are isolated and released here, and takes up what they tell: one key per host, a set with the
 * hosts' ids, and a mark that changes with each word, so that a beat without news costs one command. Redis away changes nothing; when it is
 * back the next beat heals everything.
 */
import type { Clock } from '../../base/clock.ts';
import { randomHex } from '../../io/hash.ts';
import type { Log } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import type { RememberedHost } from '../../scheduler/trust-memory.ts';
import type { TrustCommand } from '../swarm-loop.ts';
import { Beat } from './beat.ts';
import { IsolationTable, MAX_WORDS } from './isolation-table.ts';
import {
  endOf,
  type IsolationWord,
  LONGEST_MS,
  MAX_RECORD_BYTES,
  parseWord,
  printWord,
  toldReason,
} from './isolation-word.ts';
import type { Redis } from './redis.ts';

export type IsolationNewsParts = {
  readonly redis: Pick<
    Redis,
    'key' | 'get' | 'set' | 'getMany' | 'addToSet' | 'removeFromSet' | 'someOfSet' | 'keepFor' | 'onHealth'
  >;
  /** Of the cluster. */
  readonly secret: Uint8Array;
  readonly self: HostId;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of what others say. */
  readonly handle: (event: SchedulerEvent) => void;
  /** What was held against hosts when this supernode ended last. */
  readonly remembered: () => readonly RememberedHost[];
};

/** Records asked for by one command. */
const READ_AT_ONCE = 256;
/** Words written in one beat. */
const WRITE_AT_ONCE = 256;
const MARK_CHARS = 16;

/** What was read under a key, as far as a word can reach: unless it changes it need not be checked again. */
type Read = { readonly start: Buffer; readonly word: IsolationWord | undefined };

export class IsolationNews {
  readonly #parts: IsolationNewsParts;
  readonly #table: IsolationTable;
  readonly #beat: Beat;
  #read = new Map<HostId, Read>();
  /** Undefined = nothing was read yet; null = there was none. */
  #mark: string | null | undefined;
  #full = false;

  constructor(parts: IsolationNewsParts) {
    this.#parts = parts;
    this.#beat = new Beat(parts.redis);
    this.#table = new IsolationTable(parts.self);
  }

  start(): void {
    this.#table.restore(this.#parts.remembered(), this.#parts.clock.wall());
    this.#beat.start(() => this.#exchange());
  }

  /** What the scheduler says of hosts; what it has from others is not told again. */
  take(command: TrustCommand): void {
    const { clock } = this.#parts;
    const wallMs = clock.wall();
    if (command.type === 'isolated') {
      const { host, reason, note, until, by, again } = command;
      if (by !== undefined || again === true || !toldReason(reason)) return;
      const end = Number.isFinite(until) ? Math.round(wallMs + until - clock.now()) : null;
      this.#table.isolated({ host, reason, until: end, ...(note === undefined ? {} : { note }) }, wallMs);
    } else if (command.type === 'released' && command.by === undefined) {
      if (command.why === 'operator') this.#table.released(command.host, wallMs);
      else if (command.why === 'refuted') this.#table.withdrawn(command.host, wallMs);
      else return;
    } else return;
    this.#beat.soon();
  }

  close(): Promise<void> {
    return this.#beat.close();
  }

  /** Never rejects. */
  async #exchange(): Promise<void> {
    try {
      await this.#listen();
      await this.#speak();
    } catch (error) {
      const fault = Fault.of(error);
      if (fault.code !== 'redis-unreachable') this.#parts.log.warn({ fault }, 'isolations could not be told or read');
    }
  }

  async #listen(): Promise<void> {
    const { redis, clock, handle } = this.#parts;
    // Before the records: what is written meanwhile changes it again.
    const mark = (await redis.get(this.#markKey))?.toString('latin1', 0, MARK_CHARS) ?? null;
    if (mark === this.#mark) return;
    const ids = await redis.someOfSet(this.#setKey, MAX_WORDS);
    const words = await this.#wordsOf(ids);
    this.#mark = mark;
    const full = ids.length >= MAX_WORDS;
    if (full && !this.#full) this.#parts.log.warn({ isolations: ids.length }, 'more isolations in Redis than are read');
    this.#full = full;
    const wallMs = clock.wall();
    for (const word of this.#table.read(words, !full, wallMs)) handle(eventOf(word, wallMs));
  }

  async #wordsOf(ids: readonly string[]): Promise<readonly IsolationWord[]> {
    const { redis } = this.#parts;
    const hosts = ids.map(parseHostId).filter((host) => host !== undefined);
    const gone = ids.filter((id) => parseHostId(id) === undefined);
    const read = new Map<HostId, Read>();
    for (let from = 0; from < hosts.length; from += READ_AT_ONCE) {
      const lot = hosts.slice(from, from + READ_AT_ONCE);
      const records = await redis.getMany(lot.map((host) => this.#keyOf(host)));
      for (const [at, host] of lot.entries()) {
        const bytes = records[at];
        if (bytes === undefined) gone.push(host);
        else read.set(host, this.#parse(host, bytes));
      }
    }
    this.#read = read;
    await redis.removeFromSet(this.#setKey, ...gone);
    return [...read.values()].flatMap(({ word }) => (word === undefined ? [] : [word]));
  }

  #parse(host: HostId, bytes: Buffer): Read {
    const before = this.#read.get(host);
    const start = bytes.subarray(0, MAX_RECORD_BYTES + 1);
    if (before?.start.equals(start) === true) return before;
    const { secret, clock, log } = this.#parts;
    try {
      return { start, word: parseWord(secret, host, bytes, clock.wall()) };
    } catch (error) {
      log.warn({ error, host }, 'an isolation in Redis is not believed');
      // A copy: what is too long is not kept.
      return { start: Buffer.from(start), word: undefined };
    }
  }

  async #speak(): Promise<void> {
    const { redis, secret, clock } = this.#parts;
    const words = this.#table.unsaid(WRITE_AT_ONCE);
    if (words.length === 0) return;
    const wallMs = clock.wall();
    for (const word of words) {
      const leftMs = Math.min(endOf(word) - wallMs, LONGEST_MS);
      if (leftMs >= 1) await redis.set(this.#keyOf(word.host), printWord(secret, word), Math.ceil(leftMs));
    }
    await redis.addToSet(this.#setKey, ...words.map(({ host }) => host));
    await redis.keepFor(this.#setKey, LONGEST_MS);
    await redis.set(this.#markKey, randomHex(MARK_CHARS / 2), LONGEST_MS);
    for (const word of words) this.#table.said(word);
    // There are more.
    if (words.length === WRITE_AT_ONCE) this.#beat.soon();
  }

  get #markKey(): string {
    return this.#parts.redis.key('isolations-mark');
  }

  get #setKey(): string {
    return this.#parts.redis.key('isolations');
  }

  #keyOf(host: HostId): string {
    return this.#parts.redis.key('isolation', host);
  }
}

function eventOf(word: IsolationWord, wallMs: number): SchedulerEvent {
  const { host, by, kind } = word;
  if (kind === 'released') return { type: 'release-ordered', host, by };
  if (kind === 'withdrawn') return { type: 'isolation-withdrawn', host, by };
  const { reason, note, until } = word;
  const forMs = until === null ? null : until - wallMs;
  return { type: 'isolation-told', host, reason, forMs, by, ...(note === undefined ? {} : { note }) };
}
