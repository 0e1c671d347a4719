/**
 * How far one host is believed, as a parent and as a witness. As a parent: *limited* (fewer transfers at a time) when it fails now and then,
 * *isolated* (none) when it goes on, then on *probation* (one at a time) until good pieces prove it, or a failure starts a longer isolation.
 * Wrong bytes count apart, by distinct witnesses. As a witness: who called pieces wrong that were right, of two parents or more, is not
 * heard for a while. One witness alone never isolates anybody.
 */
import type { Millis } from '../base/clock.ts';
import { Score, type ScoreLimits } from '../base/score.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import type { Limits } from './limits.ts';
import type { IsolationReason, TrustMemory } from './trust-memory.ts';

export type { IsolationReason } from './trust-memory.ts';

export type TrustState = 'ok' | 'limited' | 'isolated' | 'probation';

/** What is shown of a host. */
export type Standing = {
  readonly state: TrustState;
  /** 0 = nothing is held against it. */
  readonly score: number;
  readonly witnesses: number;
  readonly reason?: IsolationReason;
  /** The operator's words. */
  readonly note?: string;
  /** The other supernode that isolated it; absent = this one. */
  readonly by?: HostId;
  /** Absent when it is not isolated, null when nothing but a release ends it. */
  readonly leftMs?: Millis | null;
  /** Contents of which it gives nothing for now, because it gave wrong bytes. */
  readonly excluded: readonly ContentId[];
};

/** Faults that say something about the parent, in points. */
const POINTS: Partial<Record<FaultCode, number>> = {
  'peer-stalled': 1,
  'peer-reset': 1,
  timeout: 1,
  'peer-refused': 1,
  'peer-lacks': 0.25,
};
/** What is left of the points after a good piece: who fails one of ten now and then stays, who fails one of five does not. */
const GOOD_SHARE = 0.95;
const NO_BURSTS = { burstPoints: Number.POSITIVE_INFINITY, burstMs: 0 };
/** Isolations remembered: doubled more often than that, any length is the longest. */
const MAX_ISOLATIONS = 30;

/** `forMs` null = until it is released. */
export type ToldIsolation = {
  readonly reason: IsolationReason;
  readonly forMs: Millis | null;
  readonly note?: string | undefined;
  readonly by: HostId;
};

/** How points count, the same for all hosts. */
export type TrustRules = { readonly service: ScoreLimits; readonly bytes: ScoreLimits };

export function trustRules({
  trustHalfLifeMs,
  wrongHalfLifeMs,
  witnessPoints,
  burstPoints,
  burstMs,
}: Limits): TrustRules {
  return {
    service: { halfLifeMs: trustHalfLifeMs, witnessPoints, burstPoints, burstMs },
    bytes: { halfLifeMs: wrongHalfLifeMs, witnessPoints: 1, ...NO_BURSTS },
  };
}

export class Trust {
  isolated = false;
  probation = false;
  limited = false;
  until: Millis = 0;
  reason: IsolationReason | undefined;
  note: string | undefined;
  /** Who isolated it, when that was another supernode. */
  by: HostId | undefined;
  /** Contents of which it gives nothing, and until when. */
  readonly excluded = new Map<ContentId, Millis>();
  /** Slow, silent, absent. */
  readonly score: Score;
  /** Wrong bytes, by who saw them. */
  readonly wrong: Score;
  /** As a witness: parents that it accused and that were right. */
  readonly doubt: Score;
  /** What was judged here, when another supernode's word was put above it. */
  #own: { readonly reason: IsolationReason | undefined; readonly until: Millis } | undefined;
  #isolations = 0;
  #good = 0;

  constructor(rules: TrustRules) {
    this.score = new Score(rules.service);
    this.wrong = new Score(rules.bytes);
    this.doubt = new Score(rules.bytes);
  }

  /** Nothing is lost when it is forgotten. */
  get clean(): boolean {
    return (
      !this.isolated &&
      !this.probation &&
      !this.limited &&
      this.excluded.size === 0 &&
      this.score.clear &&
      this.wrong.clear &&
      this.doubt.clear
    );
  }

  /** A transfer failed; true when the host is to be isolated for it. */
  failed(fault: FaultCode, witness: string, now: Millis, limits: Limits): boolean {
    const points = POINTS[fault];
    if (points === undefined || this.isolated) return false;
    this.score.add(witness, points, now);
    this.#good = 0;
    const total = this.score.total(now);
    this.limited = total > limits.limitedPoints;
    if (this.score.witnesses < 2) return false;
    return total >= limits.isolationPoints || (this.probation && points >= 1);
  }

  /** Somebody got wrong bytes from it; true when the host is to be isolated for it. */
  gaveWrong(witness: string, now: Millis, limits: Limits): boolean {
    this.wrong.add(witness, 1, now);
    this.#good = 0;
    return !this.isolated && this.guilty(now, limits);
  }

  /** Enough distinct witnesses of wrong bytes; on probation two. */
  guilty(now: Millis, limits: Limits): boolean {
    const enough = this.probation ? 2 : limits.corruptPieces;
    return this.wrong.total(now) > enough - 0.5;
  }

  /** What it says of others' bytes is not heard, and it gets its pieces from the supernode alone. */
  get mute(): boolean {
    return this.isolated && this.reason === 'false-witness';
  }

  /** It accused a parent that was right; true when that was one too many. */
  accusedWrongly(parent: string, now: Millis, limits: Limits): boolean {
    this.doubt.add(parent, 1, now);
    return this.doubt.total(now) > limits.falseAccusations - 0.5;
  }

  /** True when a probation ends well. */
  delivered(now: Millis, limits: Limits): boolean {
    if (this.limited || !this.score.clear) {
      this.score.fade(GOOD_SHARE);
      this.limited &&= this.score.total(now) > limits.limitedPoints;
    }
    if (!this.probation) return false;
    this.#good++;
    if (this.#good < limits.probationPieces) return false;
    this.probation = false;
    this.reason = undefined;
    this.score.reset();
    this.wrong.reset();
    return true;
  }

  /** `forMs` null = until it is released. */
  isolate(reason: IsolationReason, now: Millis, forMs: Millis | null, note?: string): void {
    this.isolated = true;
    this.probation = false;
    this.limited = false;
    this.reason = reason;
    this.note = note;
    this.by = undefined;
    this.#own = undefined;
    this.until = forMs === null ? Number.POSITIVE_INFINITY : now + forMs;
  }

  /**
   * Another supernode isolated it: the longer isolation counts, but an operator's word stands above any judgement. It does not make the next one
   * longer. False when nothing changes.
   */
  isolateTold({ reason, forMs, note, by }: ToldIsolation, now: Millis): boolean {
    const stands = this.isolatedAt(now);
    const ends = now + (forMs ?? Number.POSITIVE_INFINITY);
    if (stands && reason !== 'operator' && (this.reason === 'operator' || ends <= this.until)) return false;
    const own = this.by === undefined ? { reason: this.reason, until: this.until } : this.#own;
    this.isolate(reason, now, forMs, note);
    this.by = by;
    this.#own = stands ? own : undefined;
    return true;
  }

  /** That supernode takes its judgement back; what was judged here comes forth again. False when it was not the reason. */
  withdraw(by: HostId, now: Millis): boolean {
    if (!this.isolated || this.by !== by || this.reason === 'operator') return false;
    const { reason, until } = this.#own ?? {};
    this.paroled();
    this.probation = !(this.score.clear && this.doubt.clear);
    this.reason = undefined;
    if (reason !== undefined && until !== undefined && until > now) this.isolate(reason, now, until - now);
    return true;
  }

  /** How long the next isolation lasts: twice as long as the one before, unless that was long ago. */
  nextMs(reason: IsolationReason, now: Millis, limits: Limits): Millis {
    const { maxIsolationMs, isolationMs, corruptIsolationMs } = limits;
    const rested = Math.max(0, Math.floor((now - this.until) / maxIsolationMs));
    this.#isolations = Math.max(0, this.#isolations - rested);
    const first = reason === 'peer-corrupt' || reason === 'false-witness' ? corruptIsolationMs : isolationMs;
    const length = Math.min(first * 2 ** this.#isolations, maxIsolationMs);
    this.#isolations = Math.min(this.#isolations + 1, MAX_ISOLATIONS);
    return length;
  }

  /** The isolation is over: one transfer at a time from now on. */
  paroled(): void {
    this.isolated = false;
    this.probation = true;
    this.note = undefined;
    this.by = undefined;
    this.#own = undefined;
    this.wrong.reset();
    this.#good = 0;
  }

  /** As if nothing had ever been. */
  pardon(): void {
    this.isolated = false;
    this.probation = false;
    this.limited = false;
    this.reason = undefined;
    this.note = undefined;
    this.by = undefined;
    this.#own = undefined;
    this.until = 0;
    this.excluded.clear();
    for (const score of [this.score, this.wrong, this.doubt]) score.reset();
    this.#isolations = 0;
  }

  remember(now: Millis): TrustMemory {
    const { reason = 'timeout', note, by, until, excluded } = this;
    const said = { ...(note === undefined ? {} : { note }), ...(by === undefined ? {} : { by }) };
    const leftMs = Number.isFinite(until) ? Math.max(0, until - now) : null;
    return {
      ...(this.isolated ? { isolated: { reason, ...said, leftMs } } : {}),
      probation: this.probation,
      isolations: this.#isolations,
      service: this.score.entries(now),
      wrong: this.wrong.entries(now),
      doubt: this.doubt.entries(now),
      excluded: [...excluded].map(([content, end]) => [content, Math.max(0, end - now)] as const),
    };
  }

  /** As it was remembered, `agoMs` earlier. What has run out meanwhile has run out. */
  recall(memory: TrustMemory, agoMs: Millis, now: Millis): void {
    const { isolated, excluded } = memory;
    this.score.restore(memory.service, agoMs, now);
    this.wrong.restore(memory.wrong, agoMs, now);
    this.doubt.restore(memory.doubt, agoMs, now);
    for (const [content, left] of excluded) if (left > agoMs) this.excluded.set(content, now + left - agoMs);
    this.#isolations = memory.isolations;
    this.probation = memory.probation;
    if (isolated === undefined) return;
    const { reason, note, by, leftMs } = isolated;
    this.isolate(reason, now, leftMs === null ? null : Math.max(0, leftMs - agoMs), note);
    this.by = by;
  }

  /** Isolated, and not only because it is away and nobody has let it back in. */
  isolatedAt(now: Millis): boolean {
    return this.isolated && this.until > now;
  }

  standing(now: Millis): Standing {
    const { reason, excluded } = this;
    const isolated = this.isolatedAt(now);
    // What comes after an isolation: a host that is away is put on probation when it is back.
    const probation = this.probation || (this.isolated && !isolated);
    const { note, by } = this.isolated && !isolated ? {} : this;
    const score = this.score.total(now) + this.wrong.total(now) + this.doubt.total(now);
    const left = Number.isFinite(this.until) ? Math.max(0, this.until - now) : null;
    return {
      state: isolated ? 'isolated' : probation ? 'probation' : this.limited ? 'limited' : 'ok',
      score: Math.round(score * 100) / 100,
      witnesses: this.score.witnesses + this.wrong.witnesses,
      ...(reason === undefined ? {} : { reason }),
      ...(note === undefined ? {} : { note }),
      ...(by === undefined ? {} : { by }),
      ...(isolated ? { leftMs: left } : {}),
      excluded: [...excluded.keys()],
    };
  }
}
