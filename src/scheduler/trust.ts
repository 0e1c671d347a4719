/**
 * How far a parent is believed. Failures are points that halve with time; enough of them, from more than one child,
 * isolate the host. After the isolation comes a probation with one transfer at a time; good pieces end it, a failure
 * starts a longer isolation. One child's word alone never isolates a parent: the child may be the broken one.
 */
import type { Millis } from '../base/clock.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { Limits } from './limits.ts';

/** Faults that say something about the parent, in points. */
const POINTS: Partial<Record<FaultCode, number>> = {
  'peer-corrupt': 1,
  'peer-stalled': 1,
  'peer-reset': 1,
  timeout: 1,
  'peer-refused': 0.5,
  'peer-lacks': 0.25,
};
const REPORTERS_KEPT = 4;

export class Trust {
  isolated = false;
  probation = false;
  until: Millis = 0;
  #points = 0;
  #pointsAt: Millis = 0;
  #corrupt = 0;
  #isolations = 0;
  #good = 0;
  /** Child hosts by index, the newest last. */
  #reporters: number[] = [];

  /** More than half way to isolation: fewer slots. */
  get slotsCut(): number {
    return this.#points >= 2 ? 1 : 0;
  }

  /** True when the host is to be isolated now; the caller tells the world. */
  failed(fault: FaultCode, reporter: number, now: Millis, limits: Limits): boolean {
    const points = POINTS[fault];
    if (points === undefined || this.isolated) return false;
    this.#decay(now, limits);
    this.#points += points;
    if (fault === 'peer-corrupt') this.#corrupt++;
    if (!this.#reporters.includes(reporter)) this.#reporters.push(reporter);
    if (this.#reporters.length > REPORTERS_KEPT) this.#reporters.shift();
    this.#good = 0;
    const guilty =
      this.#points >= limits.isolationPoints ||
      this.#corrupt >= limits.corruptPieces ||
      (this.probation && points >= 1);
    if (!guilty || this.#reporters.length < 2) return false;
    this.#isolate(now, limits);
    return true;
  }

  /** True when a probation ends well. */
  delivered(now: Millis, limits: Limits): boolean {
    if (this.#points > 0) {
      this.#decay(now, limits);
      this.#points = Math.max(0, this.#points - 0.1);
    }
    if (!this.probation) return false;
    this.#good++;
    if (this.#good < limits.probationPieces) return false;
    this.probation = false;
    this.#points = 0;
    this.#corrupt = 0;
    this.#reporters = [];
    return true;
  }

  /** The isolation is over: one transfer at a time from now on. */
  paroled(): void {
    this.isolated = false;
    this.probation = true;
    this.#good = 0;
  }

  #isolate(now: Millis, limits: Limits): void {
    const length = Math.min(limits.isolationMs * 2 ** this.#isolations, limits.maxIsolationMs);
    this.#isolations = Math.min(this.#isolations + 1, 30);
    this.isolated = true;
    this.probation = false;
    this.until = now + length;
  }

  #decay(now: Millis, limits: Limits): void {
    if (now > this.#pointsAt) this.#points *= 0.5 ** ((now - this.#pointsAt) / limits.trustHalfLifeMs);
    if (this.#points < 0.05) {
      this.#points = 0;
      this.#reporters = [];
    }
    this.#pointsAt = now;
  }
}
