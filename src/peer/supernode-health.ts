/**
 * How one supernode did lately, as this host saw it: points that halve with time. It decides which of those that can be reached is used, and how
 * long one that came back must stay before running downloads go back to it: after one break soon, after many in a row late, so that one that comes
 * and goes drags nobody about.
 */
import type { Millis } from '../base/clock.ts';
import { Score, type ScoreLimits } from '../base/score.ts';

/** `session`: it broke or fell silent; `connect`: an attempt failed; `pieces`: its cache stalled or refused; `refusal`: it cannot help. */
export type SupernodeTrouble = 'session' | 'connect' | 'pieces' | 'refusal';

const RULES: ScoreLimits = { halfLifeMs: 30_000, witnessPoints: 4, burstPoints: 1, burstMs: 1_000 };
/** Attempts at one that is away are many, and say no more than that it is away. */
const POINTS: Readonly<Record<SupernodeTrouble, number>> = { session: 1, connect: 0.05, pieces: 0.5, refusal: 0.5 };
/** Three breaks within a minute, or so. */
const UNHEALTHY_POINTS = 2.5;
const SETTLE_MS = 5_000;
const MAX_SETTLE_MS = 60_000;

export class SupernodeHealth {
  readonly #score = new Score(RULES);

  saw(trouble: SupernodeTrouble, now: Millis): void {
    this.#score.add(trouble, POINTS[trouble], now);
  }

  /** 0 = nothing is held against it. */
  points(now: Millis): number {
    return this.#score.total(now);
  }

  healthy(now: Millis): boolean {
    return this.points(now) < UNHEALTHY_POINTS;
  }

  /** Until it counts as healthy if nothing more happens; 0 = it does. */
  healsInMs(now: Millis): Millis {
    const points = this.points(now);
    return points < UNHEALTHY_POINTS ? 0 : RULES.halfLifeMs * Math.log2(points / UNHEALTHY_POINTS) + 1;
  }

  /** How long its session must have stood before what runs elsewhere comes back to it. */
  settleMs(now: Millis): Millis {
    return Math.min(MAX_SETTLE_MS, SETTLE_MS * 2 ** this.points(now));
  }
}
