/** A cache over a store in memory and a source that does as it is told, for tests. */

import { ManualClock } from '../../base/clock.ts';
import { BufferPool } from '../../io/buffers.ts';
import { sha256Hex, taskIdOf } from '../../io/hash.ts';
import { silentLog } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import { taskIdentity } from '../../protocol/identity.ts';
import type { ContentId, TaskId } from '../../protocol/ids.ts';
import type { Manifest, SourceFacts, TaskSpec } from '../../protocol/task.ts';
import { IteratedBytes } from '../../source/byte-stream.ts';
import type { SourceAnswer, SourceRequest } from '../../source/source.ts';
import { MemoryStore } from '../../store/memory-store.ts';
import type { Marks } from '../../store/watermarks.ts';
import { ALONE } from '../cluster/alone.ts';
import { NO_HOSTS } from '../cluster/no-hosts.fixture.ts';
import { Cache } from './cache.ts';
import type { Opened } from './entry.ts';
import type { CacheParts } from './parts.ts';

export const MINUTE = 60_000;

export type Served = {
  bytes: Buffer;
  etag?: string;
  freshForMs?: number;
  ranges?: boolean;
  /** Thrown instead of an answer. */
  fault?: Fault;
  /** The answer waits for it. */
  gate?: Promise<void>;
  /** The body ends with an error after so many bytes. */
  cutAt?: number;
  /** All bytes are out, and the end comes after it. */
  endGate?: Promise<void>;
};

/** What a source was asked: plain, conditional or for a range. */
export type Asked = 'plain' | 'conditional' | `from ${number}`;

export class ScriptedSource {
  readonly asked: Asked[] = [];
  readonly #served = new Map<string, Served>();
  bytesRead = 0;

  serve(url: string, served: Served): Served {
    this.#served.set(url, served);
    return served;
  }

  readonly open = async (request: SourceRequest): Promise<SourceAnswer> => {
    const { ifChanged, range } = request;
    this.asked.push(range !== undefined ? `from ${range.start}` : ifChanged === undefined ? 'plain' : 'conditional');
    const served = this.#served.get(request.url);
    if (served === undefined) throw new Fault('source-refused', 'not found', { sourceStatus: 404 });
    await served.gate;
    if (served.fault !== undefined) throw served.fault;
    const { bytes, etag, ranges = true } = served;
    const facts: SourceFacts = { ranges, ...(etag === undefined ? {} : { etag }) };
    const freshForMs = served.freshForMs ?? null;
    if (etag !== undefined && ifChanged?.etag === etag) return { type: 'unchanged', facts, freshForMs };
    const start = range !== undefined && ranges && request.ifRange?.etag === etag ? range.start : 0;
    return {
      type: 'body',
      start,
      length: bytes.length,
      facts,
      freshForMs,
      body: new IteratedBytes(this.#body(served, start)),
    };
  };

  async *#body({ bytes, cutAt, endGate }: Served, start: number): AsyncGenerator<Uint8Array> {
    const end = cutAt ?? bytes.length;
    for (let at = start; at < end; at += 50_000) {
      const part = bytes.subarray(at, Math.min(at + 50_000, end));
      this.bytesRead += part.length;
      yield part;
    }
    if (end < bytes.length) throw new Fault('source-unreachable', 'the source went away');
    await endGate;
  }
}

export type CacheLab = {
  readonly clock: ManualClock;
  readonly source: ScriptedSource;
  readonly store: MemoryStore;
  readonly cache: Cache;
  /** What the cache told, in order: `shaped <content>`, … */
  readonly told: string[];
  open(spec: TaskSpec): Promise<Opened>;
};

export function specOf(url: string, more: Partial<TaskSpec> = {}): TaskSpec {
  return { url, headers: [], filter: [], ...more };
}

/** `before` = an earlier life of it, with the same store; `beside` = another supernode with the same source. */
export function cacheLab(
  more: Partial<CacheParts> & {
    readonly marks?: Partial<Marks>;
    readonly before?: CacheLab;
    readonly beside?: CacheLab;
  } = {},
): CacheLab {
  const { marks, before, beside, ...parts } = more;
  const clock = (before ?? beside)?.clock ?? new ManualClock(1_000_000);
  const source = (before ?? beside)?.source ?? new ScriptedSource();
  const told: string[] = [];
  let cache: Cache | undefined;
  const onEvicted = (content: ContentId) => cache?.forget(content);
  const store = before?.store ?? new MemoryStore({ clock, onEvicted, ...(marks === undefined ? {} : { marks }) });
  const say = (what: string) => (entry: { readonly id: ContentId }) => void told.push(`${what} ${entry.id}`);
  let uniques = 0;
  cache = new Cache({
    store,
    clock,
    pool: new BufferPool({ budgetBytes: 64 * 1024 * 1024 }),
    log: silentLog,
    secret: Buffer.from('a secret of the tests, 32 characters'),
    openSource: source.open,
    turn: async (most) => most,
    delay: async () => undefined,
    random: () => 0.5,
    unique: () => `unique${uniques++}`,
    rememberFailureMs: 30_000,
    heuristicFreshMs: MINUTE,
    staleIfErrorMs: 0,
    manifestFromHosts: async (): Promise<Manifest | undefined> => undefined,
    ...ALONE,
    hosts: NO_HOSTS,
    events: {
      shaped: say('shaped'),
      pieceHeld: () => undefined,
      completed: say('completed'),
      broken: say('broken'),
      dropped: say('dropped'),
      spoilt: say('spoilt'),
    },
    ...parts,
  });
  const made = cache;
  return { clock, source, store, cache, told, open: (spec) => made.open(taskOfSpec(spec), spec) };
}

export function taskOfSpec(spec: TaskSpec): TaskId {
  return taskIdOf(taskIdentity(spec));
}

/** Opens and waits for the end of the fill. */
export async function filled(lab: CacheLab, spec: TaskSpec): Promise<Opened> {
  const opened = await lab.open(spec);
  await opened.entry.whenSettled();
  if (opened.entry.fault !== undefined) throw opened.entry.fault;
  return opened;
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${sha256Hex(bytes)}`;
}
