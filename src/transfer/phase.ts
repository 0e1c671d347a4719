/**
 * Where a transfer stands, and from where it may go where. One table, so that a path that nobody thought of stops a
 * test instead of hanging a download.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { Millis } from '../base/clock.ts';

export type Phase =
  /** Nothing is known of the content yet; the supernode has been asked. */
  | { readonly name: 'opening' }
  /** The supernode assigns. */
  | { readonly name: 'fetching' }
  /** The supernode is lost: known parents are asked until `until`, then the source is read. */
  | { readonly name: 'alone'; readonly until: Millis }
  /** This host reads the source itself. */
  | { readonly name: 'sourcing' }
  /** All is held; the whole digest is being checked. */
  | { readonly name: 'checking' }
  | { readonly name: 'finished' }
  | { readonly name: 'failed' };

export type PhaseName = Phase['name'];

const NEXT: Record<PhaseName, readonly PhaseName[]> = {
  opening: ['fetching', 'alone', 'sourcing', 'checking', 'failed'],
  fetching: ['opening', 'alone', 'sourcing', 'checking', 'failed'],
  alone: ['opening', 'alone', 'fetching', 'sourcing', 'checking', 'failed'],
  sourcing: ['opening', 'fetching', 'checking', 'failed'],
  checking: ['opening', 'fetching', 'alone', 'sourcing', 'finished', 'failed'],
  finished: [],
  failed: [],
};

export function nextPhase(from: Phase, to: Phase): Phase {
  assert(NEXT[from.name].includes(to.name), `phase ${from.name} → ${to.name}`);
  return to;
}

export function isOver(phase: Phase): boolean {
  return phase.name === 'finished' || phase.name === 'failed';
}

/** How it stands with the supernode. `refused` until a new session. */
export type Link = 'none' | 'opening' | 'open' | 'lost' | 'refused';

export type Turns = {
  readonly openingUntil: Millis;
  readonly silenceUntil: Millis;
  /** Nothing is on its way. */
  readonly aloneIdle: boolean;
  readonly askAt: Millis;
  readonly readAt: Millis;
};

/** When something is to be done in this phase although nothing happens; Infinity = never. */
export function turnOf(phase: Phase, turns: Turns): Millis {
  switch (phase.name) {
    case 'opening':
      return turns.openingUntil;
    case 'fetching':
      return turns.silenceUntil;
    case 'alone':
      return turns.aloneIdle ? Math.min(phase.until, turns.askAt) : turns.askAt;
    case 'sourcing':
      return Math.min(turns.readAt, turns.askAt);
    case 'checking':
    case 'finished':
    case 'failed':
      return Number.POSITIVE_INFINITY;
    default:
      return unreachable(phase);
  }
}
