/**
 * The words on hosts as this supernode knows them, its own and those of the others: what is news here, and what is to be told. Invariant: of each
 * host the one word that stands above all others seen; only who said it tells it, so nothing is told in circles.
 */
import type { HostId } from '../../protocol/ids.ts';
import type { RememberedHost } from '../../scheduler/trust-memory.ts';
import { endOf, type IsolationWord, overrules, toldReason } from './isolation-word.ts';

type Isolated = Extract<IsolationWord, { kind: 'isolated' }>;

/** Words in Redis that are read, over all hosts. */
export const MAX_WORDS = 4_096;
/** Hosts that one other supernode can take out by its judgement at a time: it may be the broken one. Operators have no such limit. */
export const MAX_JUDGED = 64;
/** Beyond it the words that were heard first are forgotten. */
const MAX_KNOWN = 2 * MAX_WORDS;

export class IsolationTable {
  readonly #self: HostId;
  readonly #words = new Map<HostId, IsolationWord>();
  readonly #unsaid = new Set<HostId>();
  /** Nothing has been read yet. */
  #first = true;

  constructor(self: HostId) {
    this.#self = self;
  }

  /**
   * What was held against hosts in an earlier life, before anything is read. When it was said is not known: any word that the others still have
   * stands above it. Milliseconds since 1970.
   */
  restore(remembered: readonly RememberedHost[], wallMs: number): void {
    for (const [host, { isolated }] of remembered) {
      if (isolated === undefined || !toldReason(isolated.reason)) continue;
      const { reason, note, leftMs, by = this.#self } = isolated;
      const until = leftMs === null ? null : Math.round(wallMs + leftMs);
      this.#keep({ host, by, at: 0, kind: 'isolated', reason, ...(note === undefined ? {} : { note }), until });
    }
  }

  isolated({ host, reason, note, until }: Pick<Isolated, 'host' | 'reason' | 'note' | 'until'>, wallMs: number): void {
    const said = note === undefined ? {} : { note };
    this.#say({ ...this.#sign(host, wallMs), kind: 'isolated', reason, ...said, until });
  }

  /** By an operator. */
  released(host: HostId, wallMs: number): void {
    this.#say({ ...this.#sign(host, wallMs), kind: 'released' });
  }

  /** What was said here of that host was wrong. */
  withdrawn(host: HostId, wallMs: number): void {
    const known = this.#words.get(host);
    if (known?.kind === 'isolated' && known.by === this.#self)
      this.#say({ ...this.#sign(host, wallMs), kind: 'withdrawn' });
  }

  /** All that is written down now, or (not `complete`) some of it; answers what is news. Milliseconds since 1970. */
  read(words: readonly IsolationWord[], complete: boolean, wallMs: number): readonly IsolationWord[] {
    this.expire(wallMs);
    const there = words.filter((word) => endOf(word) > wallMs);
    const judged = this.#judged();
    const news = there.filter((word) => this.#hear(word, judged));
    if (complete) {
      const hosts = new Set(there.map(({ host }) => host));
      for (const [host, { by }] of this.#words) if (by === this.#self && !hosts.has(host)) this.#unsaid.add(host);
    }
    this.#first = false;
    return news;
  }

  /** What is to be written down; `said` when it is. */
  unsaid(most: number): readonly IsolationWord[] {
    const words = [...this.#unsaid].slice(0, most).map((host) => this.#words.get(host));
    return words.filter((word) => word !== undefined);
  }

  said(word: IsolationWord): void {
    if (this.#words.get(word.host) === word) this.#unsaid.delete(word.host);
  }

  /** What has run out is forgotten. */
  expire(wallMs: number): void {
    for (const [host, word] of this.#words) if (endOf(word) <= wallMs) this.#forget(host);
  }

  /** True when something is to be done about it here. */
  #hear(word: IsolationWord, judged: Map<HostId, number>): boolean {
    const { host, by, kind } = word;
    const known = this.#words.get(host);
    if (known !== undefined && !overrules(word, known)) {
      if (known.by === this.#self && overrules(known, word)) this.#unsaid.add(host);
      return false;
    }
    if (isJudgement(word) && by !== this.#self) {
      const count = judged.get(by) ?? 0;
      const replaces = known !== undefined && isJudgement(known) && known.by === by;
      if (count >= MAX_JUDGED && !replaces) return false;
      judged.set(by, replaces ? count : count + 1);
    }
    this.#unsaid.delete(host);
    this.#keep(word);
    // An old release would wipe out what has been seen of the host since.
    if (known === undefined && kind !== 'isolated') return !this.#first;
    // Of an earlier life of this one.
    return by !== this.#self || known === undefined || kind !== 'isolated';
  }

  /** How many hosts each of the others has taken out. */
  #judged(): Map<HostId, number> {
    const counts = new Map<HostId, number>();
    for (const word of this.#words.values()) if (isJudgement(word)) counts.set(word.by, (counts.get(word.by) ?? 0) + 1);
    return counts;
  }

  /** Later than all that is known of the host, whatever the clocks say. */
  #sign(host: HostId, wallMs: number): { readonly host: HostId; readonly by: HostId; readonly at: number } {
    return { host, by: this.#self, at: Math.max(Math.round(wallMs), (this.#words.get(host)?.at ?? 0) + 1) };
  }

  #say(word: IsolationWord): void {
    const known = this.#words.get(word.host);
    if (known !== undefined && !overrules(word, known)) return;
    this.#keep(word);
    this.#unsaid.add(word.host);
  }

  #keep(word: IsolationWord): void {
    this.#words.set(word.host, word);
    if (this.#words.size <= MAX_KNOWN) return;
    const [oldest] = this.#words.keys();
    if (oldest !== undefined) this.#forget(oldest);
  }

  #forget(host: HostId): void {
    this.#words.delete(host);
    this.#unsaid.delete(host);
  }
}

function isJudgement(word: IsolationWord): boolean {
  return word.kind === 'isolated' && word.reason !== 'operator';
}
