/**
 * What others saw of a host, as points that halve with time. Invariants: no witness alone counts for more than `witnessPoints`, and what many
 * see at one moment is one incident and counts for no more than `burstPoints`; so neither one bad witness nor one bad moment says much.
 */
import type { Millis } from './clock.ts';

export type ScoreLimits = {
  readonly halfLifeMs: Millis;
  readonly witnessPoints: number;
  /** Points within `burstMs` that count. */
  readonly burstPoints: number;
  readonly burstMs: Millis;
};

/** The least that is remembered, and of how many witnesses. */
const LEAST = 0.05;
const MAX_WITNESSES = 16;

export class Score {
  readonly #limits: ScoreLimits;
  readonly #points = new Map<string, number>();
  #at: Millis = 0;
  #burstFrom: Millis = Number.NEGATIVE_INFINITY;
  #burst = 0;

  constructor(limits: ScoreLimits) {
    this.#limits = limits;
  }

  get clear(): boolean {
    return this.#points.size === 0;
  }

  /** How many others it stems from. */
  get witnesses(): number {
    return this.#points.size;
  }

  knows(witness: string): boolean {
    return this.#points.has(witness);
  }

  total(now: Millis): number {
    this.#decay(now);
    let total = 0;
    for (const points of this.#points.values()) total += points;
    return total;
  }

  add(witness: string, points: number, now: Millis): void {
    this.#decay(now);
    const { witnessPoints, burstPoints, burstMs } = this.#limits;
    // A clock that went back begins anew.
    if (now - this.#burstFrom > burstMs || now < this.#burstFrom) {
      this.#burstFrom = now;
      this.#burst = 0;
    }
    const before = this.#points.get(witness) ?? 0;
    const after = Math.min(witnessPoints, before + Math.min(points, burstPoints - this.#burst));
    if (after <= before) return;
    this.#burst += after - before;
    this.#points.set(witness, after);
    if (this.#points.size > MAX_WITNESSES) this.#points.delete(this.#least());
  }

  /** The witness was wrong: only so much of its word is left. */
  lower(witness: string, points: number): void {
    const before = this.#points.get(witness);
    if (before === undefined || before <= points) return;
    if (points <= 0) this.#points.delete(witness);
    else this.#points.set(witness, points);
  }

  /** Something went well: this share of the points is left. */
  fade(share: number): void {
    for (const [witness, points] of this.#points) this.#keep(witness, points * share);
  }

  /** Each witness with its points. */
  entries(now: Millis): readonly (readonly [witness: string, points: number])[] {
    this.#decay(now);
    return [...this.#points];
  }

  /** As `entries` said it, `agoMs` earlier. */
  restore(entries: Iterable<readonly [witness: string, points: number]>, agoMs: Millis, now: Millis): void {
    this.reset();
    for (const [witness, points] of [...entries].slice(0, MAX_WITNESSES))
      this.#points.set(witness, Math.min(points, this.#limits.witnessPoints));
    this.#at = now - agoMs;
    this.#decay(now);
  }

  reset(): void {
    this.#points.clear();
    this.#burst = 0;
  }

  #decay(now: Millis): void {
    if (now > this.#at && this.#points.size > 0) this.fade(0.5 ** ((now - this.#at) / this.#limits.halfLifeMs));
    this.#at = now;
  }

  #keep(witness: string, points: number): void {
    if (points < LEAST) this.#points.delete(witness);
    else this.#points.set(witness, points);
  }

  #least(): string {
    let [least, fewest] = ['', Number.POSITIVE_INFINITY];
    for (const [witness, points] of this.#points) if (points < fewest) [least, fewest] = [witness, points];
    return least;
  }
}
