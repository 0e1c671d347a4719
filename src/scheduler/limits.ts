/** Every number of the scheduler, with its unit. The relations between them are asserted when a scheduler is made. */
import { assert } from '../base/assert.ts';

export type Limits = {
  /** A control round shorter than this share of a piece's time is not worth a second piece outstanding. */
  readonly calmShare: number;
  /** Otherwise this many pieces are outstanding at a parent, and what it sends in this many control rounds. */
  readonly busyPieces: number;
  /** And so many more at the seed. */
  readonly seedExtraPieces: number;
  /** As long as no rate is known. */
  readonly unknownPieces: number;
  /** Fewer, when so many take longer than this, but never fewer than that. */
  readonly busyMs: number;
  readonly leastBusyPieces: number;
  readonly leadFactor: number;
  /** In this many, while all of it takes less than `busyMs`. */
  readonly wideLeadFactor: number;
  /** Children say when a piece is near its end, as long as a control round is not longer than so many pieces. */
  readonly nearRounds: number;
  /** Before a control round was measured. */
  readonly firstWindowPieces: number;
  /** Pieces outstanding at one parent at most, however fast it is: bounds the lease table. */
  readonly maxParentPieces: number;
  /** A child's window over a parent's: parents must never find all children full. */
  readonly childFactor: number;
  /** A child that has this share of what its link takes during a flight, and so many pieces, is served after those that have less. */
  readonly fedShare: number;
  readonly leastFedPieces: number;
  /** How much more is kept outstanding on a link as long as its rate is not certain. */
  readonly unsureFactor: number;
  /** Children (or parents) looked at per decision; all of them in swarms up to `smallSwarm`. */
  readonly samples: number;
  readonly smallSwarm: number;
  /** Swarms up to this size let the parents with the fewest pieces choose first. */
  readonly poorestFirstHosts: number;
  /** Pieces looked at in rarity order before any useful piece will do. */
  readonly walkPieces: number;
  /** A lease ends without news after max(minDeadlineMs, deadlineFactor * expected + deadlineSlackMs). */
  readonly minDeadlineMs: number;
  readonly deadlineSlackMs: number;
  readonly deadlineFactor: number;
  /** No lease waits longer than this, whatever the rates look like. */
  readonly maxDeadlineMs: number;
  /** The rate assumed for deadlines while none is measured. */
  readonly assumedBytesPerSecond: number;
  /** A child does not meet a parent again that has just failed it. */
  readonly avoidMs: number;
  /** The seed gives a piece again when hosts lack it max(repeatAfterMs, repeatFactor * median duration) after it gave it first. */
  readonly repeatAfterMs: number;
  readonly repeatFactor: number;
  /** Repeats of the seed per piece delivered, at most; a child that nobody feeds does not count. */
  readonly repeatShare: number;
  /** How often children that nobody feeds are looked after. */
  readonly sweepMs: number;
  /** Failures in a row after which a child may import what its IDC already has. */
  readonly desperateFailures: number;
  /** A piece may be hedged when it is this many times older than the median. */
  readonly hedgeFactor: number;
  /** Hedges per piece delivered, at most. */
  readonly hedgeShare: number;
  /** Points beyond which a parent gets fewer transfers, and from which it is isolated; one failure is one point, and they halve in `trustHalfLifeMs`. */
  readonly limitedPoints: number;
  readonly isolationPoints: number;
  readonly trustHalfLifeMs: number;
  /** Points of one witness, and of all within `burstMs`, at most: one moment makes a parent limited, no more. */
  readonly witnessPoints: number;
  readonly burstPoints: number;
  readonly burstMs: number;
  /** What is left of a limited parent's window. */
  readonly limitedShare: number;
  /** First isolation, for bad service and for wrong bytes; doubles each time up to the longest. */
  readonly isolationMs: number;
  readonly corruptIsolationMs: number;
  readonly maxIsolationMs: number;
  /** Good transfers in a row that end a probation. */
  readonly probationPieces: number;
  /** Witnesses of wrong bytes that isolate a parent everywhere; how long they count. */
  readonly corruptPieces: number;
  readonly wrongHalfLifeMs: number;
  /** What is left of a witness whom a check has proved wrong. */
  readonly refutedPoints: number;
  /** Parents that a witness accuses wrongly until it is not heard any more. */
  readonly falseAccusations: number;
  /** How long a parent that gave wrong bytes gives nothing of that content: proved, and not proved. */
  readonly exclusionMs: number;
  readonly doubtfulExclusionMs: number;
  /** Accusations of one witness that wait for their check; further ones change nothing. */
  readonly openAccusations: number;
  /** Checks at once; time between the beginnings of two; a check without an answer ends. */
  readonly checks: number;
  readonly checkEveryMs: number;
  readonly checkPatienceMs: number;
  /** Accused parents that wait for a check at most. */
  readonly waitingChecks: number;
  /** A parent that delivers nothing is stuck: its late transfers end with the first report. */
  readonly stuckMs: number;
  /** Data centres told apart at a time; hosts of further ones count as having none. */
  readonly maxIdcs: number;
  /** Pieces of one content at most; a larger shape is ignored. */
  readonly maxPieces: number;
};

export const DEFAULT_LIMITS: Limits = {
  calmShare: 0.05,
  busyPieces: 3,
  seedExtraPieces: 2,
  unknownPieces: 3,
  busyMs: 400,
  leastBusyPieces: 3,
  leadFactor: 1.5,
  wideLeadFactor: 3,
  nearRounds: 4,
  firstWindowPieces: 1,
  maxParentPieces: 256,
  childFactor: 1.5,
  fedShare: 0.8,
  leastFedPieces: 4,
  unsureFactor: 2,
  samples: 8,
  smallSwarm: 24,
  poorestFirstHosts: 64,
  walkPieces: 96,
  minDeadlineMs: 3_000,
  deadlineSlackMs: 500,
  deadlineFactor: 2,
  maxDeadlineMs: 300_000,
  assumedBytesPerSecond: 12.5 * 1024 * 1024,
  avoidMs: 2_000,
  repeatAfterMs: 150,
  repeatFactor: 8,
  repeatShare: 0.05,
  sweepMs: 500,
  desperateFailures: 3,
  hedgeFactor: 2,
  hedgeShare: 0.01,
  limitedPoints: 2.5,
  isolationPoints: 4,
  trustHalfLifeMs: 60_000,
  witnessPoints: 2.5,
  burstPoints: 3,
  burstMs: 1_000,
  limitedShare: 0.25,
  isolationMs: 10_000,
  corruptIsolationMs: 60_000,
  maxIsolationMs: 600_000,
  probationPieces: 3,
  corruptPieces: 3,
  wrongHalfLifeMs: 600_000,
  refutedPoints: 0.4,
  falseAccusations: 2,
  exclusionMs: 600_000,
  doubtfulExclusionMs: 30_000,
  openAccusations: 2,
  checks: 4,
  checkEveryMs: 20,
  checkPatienceMs: 10_000,
  waitingChecks: 1_000,
  stuckMs: 500,
  maxIdcs: 64,
  maxPieces: 1 << 24,
};

export function checkLimits(limits: Limits): Limits {
  assert(limits.firstWindowPieces >= 1, 'firstWindowPieces >= 1');
  assert(limits.maxParentPieces >= limits.firstWindowPieces, 'maxParentPieces >= firstWindowPieces');
  assert(limits.childFactor >= 1, 'childFactor >= 1, or parents idle because every child is full');
  assert(limits.maxDeadlineMs >= limits.minDeadlineMs, 'maxDeadlineMs >= minDeadlineMs');
  assert(limits.samples >= 1 && limits.smallSwarm >= limits.samples, 'smallSwarm >= samples >= 1');
  assert(limits.maxIsolationMs >= limits.isolationMs, 'maxIsolationMs >= isolationMs');
  assert(
    limits.limitedPoints >= limits.witnessPoints,
    'limitedPoints >= witnessPoints, or one witness limits a parent',
  );
  assert(limits.isolationPoints > limits.burstPoints, 'isolationPoints > burstPoints, or one moment isolates a parent');
  return limits;
}
