/**
 * Every number of a transfer, with its unit. They are one value so that a test or a user's flag can change one of them
 * without a second way to say it.
 */
export type TransferLimits = {
  /** Requests to parents at once; further assignments wait here, in order. */
  readonly requests: number;
  /** Requests to one parent at once, where no supernode says how many it can bear. */
  readonly requestsPerParent: number;
  /** Parents remembered: addresses to ask when the supernode is gone. */
  readonly parents: number;
  /** No byte for this long = the parent stalls; the range that the measured rate may move it in. */
  readonly stallMinMs: number;
  readonly stallMaxMs: number;
  /** While no rate is measured yet. */
  readonly stallUnknownMs: number;
  /** A piece may take this many times longer than expected before its parent counts as stalled. */
  readonly stallFactor: number;
  /** A parent that failed rests this long, doubled with each further fault in a row. */
  readonly restMs: number;
  readonly restMaxMs: number;
  /** Faults in a row after which a parent is not asked again without the supernode's word. */
  readonly faultsPerParent: number;
  /** A session that broke before the first answer may come back in this time. */
  readonly openingPatienceMs: number;
  /** Supernode lost in the middle: nobody reads the source before this, since the supernode may be back. */
  readonly alonePatienceMs: number;
  /** The same where the source is forbidden: the supernode's return is the only hope. */
  readonly noSourcePatienceMs: number;
  /** Spread of the starts at the source among hosts that lost the same supernode. */
  readonly sourceJitterMs: number;
  /** Known parents are asked again what they hold. */
  readonly askAgainMs: number;
  /** Pieces in one read of the source while parents may bring some of them. */
  readonly sourceRunPieces: number;
  /** Hosts that read the source at once, where they can give to each other. */
  readonly sourceReaders: number;
  /** A host that gained nothing for this long has no turn at the source. */
  readonly sourceTurnMs: number;
  /** A host that got nothing from others for this long reads what it lacks itself, whoever should. */
  readonly sourceStuckMs: number;
  /** Reads of the source that fail in a row without a piece gained. */
  readonly sourceAttempts: number;
  readonly sourceRestMs: number;
  readonly sourceRestMaxMs: number;
  /** A content that changes while it is read is begun anew this many times. */
  readonly restarts: number;
  /** Nothing in flight and no word for this long: ask the supernode again; twice as long each time, up to the longest. */
  readonly silenceMs: number;
  readonly silenceMaxMs: number;
  /** Asked again so often without any piece gained = the supernode counts as lost. */
  readonly silences: number;
  /** So many attempts that failed, over so long, and no piece gained = the supernode counts as lost. */
  readonly barrenFailures: number;
  readonly barrenMs: number;
};

export const TRANSFER_LIMITS: TransferLimits = {
  requests: 64,
  requestsPerParent: 4,
  parents: 64,
  stallMinMs: 1_000,
  stallMaxMs: 10_000,
  stallUnknownMs: 3_000,
  stallFactor: 3,
  restMs: 500,
  restMaxMs: 30_000,
  faultsPerParent: 5,
  openingPatienceMs: 5_000,
  alonePatienceMs: 8_000,
  noSourcePatienceMs: 15_000,
  sourceJitterMs: 1_000,
  askAgainMs: 1_000,
  sourceRunPieces: 32,
  sourceReaders: 4,
  sourceTurnMs: 5_000,
  sourceStuckMs: 20_000,
  sourceAttempts: 5,
  sourceRestMs: 300,
  sourceRestMaxMs: 10_000,
  restarts: 2,
  silenceMs: 4_000,
  silenceMaxMs: 30_000,
  silences: 12,
  barrenFailures: 5,
  barrenMs: 20_000,
};

/** How long a host that lost its supernode waits for it, or for known parents, before it reads the source. */
export function patienceMs(
  limits: TransferLimits,
  host: { readonly backToSource: boolean; readonly random: () => number },
): number {
  if (!host.backToSource) return limits.noSourcePatienceMs;
  return limits.alonePatienceMs + host.random() * limits.sourceJitterMs;
}
