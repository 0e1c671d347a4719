/**
 * Every byte that left the source, by content: what was sent for the first time and what was sent again. A byte that is sent again
 * needs a cause, else the run has failed.
 */
import { allAtOnce, type History, isHost, type Party, type Spell, supernodesOf } from './history.ts';

/** `proved`: it has the supernode's manifest, by which the supernode believes it. */
export type Holder = { readonly party: Party; readonly proved: boolean };

export type SourceRead = {
  readonly file: string;
  readonly reader: Party;
  readonly from: number;
  readonly sent: number;
  readonly startAt: number;
  readonly endAt: number;
  /** The source broke it off, by plan. */
  readonly broken: boolean;
  /** Hosts that held all of it when the read began, and had a session; undefined = nobody was asked. */
  readonly holders?: readonly Holder[];
};

export type Repeated = {
  readonly read: SourceRead;
  readonly bytes: number;
  /** Undefined = nothing explains it. */
  readonly cause: string | undefined;
};

type Span = { from: number; to: number };

export class Ledger {
  readonly #history: History;
  readonly #supernodes: number;
  readonly #sent = new Map<string, Span[]>();
  readonly #reads = new Map<string, SourceRead[]>();
  readonly repeated: Repeated[] = [];
  bytes = 0;
  gets = 0;

  constructor(history: History, supernodes = 1) {
    this.#history = history;
    this.#supernodes = supernodes;
  }

  /** Bytes of the file that were sent at least once. */
  known(file: string): number {
    return (this.#sent.get(file) ?? []).reduce((sum, { from, to }) => sum + to - from, 0);
  }

  add(read: SourceRead): Repeated | undefined {
    this.bytes += read.sent;
    this.gets++;
    const spans = this.#sent.get(read.file) ?? [];
    const fresh = insert(spans, { from: read.from, to: read.from + read.sent });
    this.#sent.set(read.file, spans);
    const earlier = this.#reads.get(read.file) ?? [];
    this.#reads.set(read.file, [...earlier, read]);
    const bytes = read.sent - fresh;
    if (bytes === 0) return undefined;
    const repeated = {
      read,
      bytes,
      cause: causeOf(read, earlier, { history: this.#history, supernodes: this.#supernodes }),
    };
    this.repeated.push(repeated);
    return repeated;
  }

  /** Bytes sent again, by cause; '' = unexplained. */
  byCause(): Map<string, { bytes: number; reads: number }> {
    const sums = new Map<string, { bytes: number; reads: number }>();
    for (const { bytes, cause = '' } of this.repeated) {
      const sum = sums.get(cause) ?? { bytes: 0, reads: 0 };
      sums.set(cause, { bytes: sum.bytes + bytes, reads: sum.reads + 1 });
    }
    return sums;
  }
}

/** Adds a span to sorted, disjoint ones; returns how many of its bytes are new. */
export function insert(spans: Span[], added: Span): number {
  if (added.to <= added.from) return 0;
  let fresh = added.to - added.from;
  const merged = { ...added };
  const others: Span[] = [];
  for (const span of spans) {
    fresh -= Math.max(0, Math.min(span.to, added.to) - Math.max(span.from, added.from));
    if (span.to < merged.from || span.from > merged.to) others.push(span);
    else {
      merged.from = Math.min(merged.from, span.from);
      merged.to = Math.max(merged.to, span.to);
    }
  }
  spans.splice(0, spans.length, ...[...others, merged].sort((a, b) => a.from - b.from));
  return fresh;
}

/** A host that has lost its supernode goes on alone for so long after it is back. Milliseconds. */
const AFTERMATH_MS = 20_000;

const gone = ({ kind }: Spell): boolean => /kill|stop|pause|cut/.test(kind);

/** A supernode read what a host could have given and proved. */
export function isNeedless({ reader, holders = [] }: SourceRead): boolean {
  return !isHost(reader) && holders.some(({ proved }) => proved);
}

/** Why these bytes had to be sent again; the first that fits. */
function causeOf(
  read: SourceRead,
  earlier: readonly SourceRead[],
  { history, supernodes }: { readonly history: History; readonly supernodes: number },
): string | undefined {
  const { reader, startAt, endAt } = read;
  const since = startAt - AFTERMATH_MS;
  // It need only ask: whatever happened, this is a fault of ours.
  if (isNeedless(read)) return undefined;
  if (!isHost(reader) && read.holders?.length)
    return 'only hosts held it that had read it alone: nothing proves theirs';
  const hit = (fits: (spell: Spell) => boolean) => history.during(since, endAt, fits).length > 0;
  // A body that broke off may have left bytes behind that were in no whole piece yet.
  if (earlier.some((one) => one.broken && one.endAt >= since)) return 'the source broke off an earlier read';
  if (hit((spell) => spell.party === 'source')) return 'the source was in trouble';
  if (isHost(reader)) {
    if (hit((spell) => spell.party === reader && gone(spell))) return 'the reading host was killed, paused or cut off';
    const away = history.during(since, endAt, gone);
    const all = allAtOnce(supernodesOf(supernodes).map((party) => away.filter((spell) => spell.party === party)));
    return all.length > 0 ? 'all supernodes were away: hosts read alone' : undefined;
  }
  const readers = new Set(earlier.filter((one) => one.endAt >= since).map((one) => one.reader));
  const cutShort = hit((spell) => gone(spell) && (spell.party === reader || readers.has(spell.party)));
  if (cutShort) return 'the reader was killed, paused or cut off half-way';
  return 'no host held it any more';
}
