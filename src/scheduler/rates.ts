/**
 * What one direction of a host's link carries, learnt from the transfers, and how much may be outstanding on it. The rate
 * is the best of the latest samples: transfers that meet elsewhere make samples low, nothing makes them high. It is
 * *certain* once it stopped growing although more was outstanding (as BBR's start-up ends, Cardwell et al. 2016);
 * until then more than it needs is kept outstanding, or a link that had little to do would be taken for a slow one for ever.
 */
import type { Millis } from '../base/clock.ts';
import type { Limits } from './limits.ts';

/** Pieces that were sent together also end together: a sample takes in several such lots. */
const SAMPLE_PIECES = 16;
const SAMPLE_MS = 100;
const LONG_SAMPLE_PIECES = 4;
const LONG_SAMPLE_MS = 1000;
/** A link without transfers for longer was idle. */
const GAP_MS = 20;
/** Samples of a busy link after which the best of the time before is forgotten. */
const EPOCH_SAMPLES = 16;
/** A limit that is known is believed unless the link shows less than this share of it. */
const DOUBT = 0.5;
const GROWTH = 1.25;
const STAGNANT_SAMPLES = 3;

/** Where the numbers of a line lie: in one array, because each number with a fraction would be an object of its own. */
const CONFIGURED = 0;
const BEST = 1;
const BEST_BEFORE = 2;
/** Begin and latest piece of the sample that is being taken, and its bytes. */
const MARK = 3;
const AT = 4;
const BYTES = 5;
const ROUND = 6;
const LINE_NUMBERS = 7;

export class RateMeter {
  readonly #numbers: Float64Array;
  #samples = 0;
  #stagnant = 0;
  #pieces = 0;
  #full = false;

  constructor(numbers = new Float64Array(LINE_NUMBERS)) {
    this.#numbers = numbers;
    numbers[AT] = Number.NEGATIVE_INFINITY;
  }

  /** Bytes per second; 0 = no limit was configured. */
  get configured(): number {
    return this.#numbers[CONFIGURED] ?? 0;
  }

  set configured(bytesPerSecond: number) {
    this.#numbers[CONFIGURED] = bytesPerSecond;
  }

  get #measured(): number {
    return Math.max(this.#numbers[BEST] ?? 0, this.#numbers[BEST_BEFORE] ?? 0);
  }

  /** Bytes per second; 0 = not known yet. */
  get rate(): number {
    const measured = this.#measured;
    const { configured } = this;
    if (configured === 0) return measured;
    return measured === 0 || measured > DOUBT * configured ? configured : measured;
  }

  /** A limit was configured, and what the link shows does not contradict it. */
  get told(): boolean {
    const measured = this.#measured;
    return this.configured > 0 && (measured === 0 || measured > DOUBT * this.configured);
  }

  get certain(): boolean {
    return this.told || this.#stagnant >= STAGNANT_SAMPLES;
  }

  /** A transfer begins while there is no other. */
  busy(now: Millis): void {
    if (Math.abs(now - (this.#numbers[AT] ?? 0)) > GAP_MS) this.#restart(now);
  }

  /** As much as the window allows is outstanding: the sample is what the link can do. */
  filled(): void {
    this.#full = true;
  }

  carried(bytes: number, now: Millis): void {
    const carried = (this.#numbers[BYTES] ?? 0) + bytes;
    this.#numbers[BYTES] = carried;
    this.#pieces++;
    this.#numbers[AT] = now;
    const elapsed = now - (this.#numbers[MARK] ?? 0);
    const enough = elapsed < LONG_SAMPLE_MS ? SAMPLE_PIECES : LONG_SAMPLE_PIECES;
    if (elapsed < SAMPLE_MS || this.#pieces < enough) return;
    if (this.#full || this.configured === 0) this.#sample((carried * 1000) / elapsed);
    this.#restart(now);
  }

  /** Something went wrong on it: believe in half of what was measured. */
  halve(): void {
    const half = this.rate / 2;
    this.#numbers[BEST] = half;
    this.#numbers[BEST_BEFORE] = half;
    this.#stagnant = 0;
  }

  #sample(sample: number): void {
    if (sample > GROWTH * this.#measured) this.#stagnant = 0;
    else if (this.#full) this.#stagnant++;
    const best = Math.max(this.#numbers[BEST] ?? 0, sample);
    this.#numbers[BEST] = best;
    if (!this.#full || ++this.#samples < EPOCH_SAMPLES) return;
    this.#samples = 0;
    this.#numbers[BEST_BEFORE] = best;
    this.#numbers[BEST] = sample;
  }

  #restart(now: Millis): void {
    this.#numbers[MARK] = now;
    this.#numbers[BYTES] = 0;
    this.#pieces = 0;
    this.#full = false;
  }
}

const MEAN_STEP = 0.125;
/** Room for flights that take longer than promised. */
const FLIGHT_ROOM = 1.25;

/** A running mean of times; NaN = no sample yet. */
export class Mean {
  readonly #numbers: Float64Array;
  readonly #at: number;

  constructor(numbers = new Float64Array(1), at = 0) {
    this.#numbers = numbers;
    this.#at = at;
    numbers[at] = Number.NaN;
  }

  get ms(): Millis {
    return this.#numbers[this.#at] ?? Number.NaN;
  }

  sample(ms: Millis): void {
    const before = this.ms;
    this.#numbers[this.#at] = Number.isNaN(before) ? ms : before + MEAN_STEP * (ms - before);
  }
}

/** One direction of a host's link: what it carries, and how long a control round takes beside a transfer. */
export class Line {
  readonly #numbers = new Float64Array(LINE_NUMBERS);
  readonly rate = new RateMeter(this.#numbers);
  readonly round = new Mean(this.#numbers, ROUND);
}

/**
 * Bytes that may be outstanding at a parent. When a control round is much shorter than a piece and the link's rate is known,
 * one piece at a time is best: it arrives soonest and can be passed on, and transfers stay in step. Else several, so that the
 * uplink is busy during the round, and enough of them that some child always has room on its downlink; but not so many that
 * large pieces wait for seconds. A learnt rate is not trusted that far: one that is too low would leave the link idle, and so stay low.
 */
export function parentWindow(line: Line, pieceSize: number, limits: Limits, seed: boolean): number {
  const { round } = line;
  if (Number.isNaN(round.ms)) return limits.firstWindowPieces * pieceSize;
  const rounds = roundsPerPiece(line, pieceSize, limits);
  if (rounds < limits.calmShare && line.rate.told) return pieceSize;
  // What the seed sends everybody still needs: with more on their way than others have, its flows get more of the downlinks.
  const extra = seed && line.rate.rate > 0 ? limits.seedExtraPieces : 0;
  const pieces = extra + Math.round(windowPieces(line, pieceSize, limits));
  return Math.min(pieces, limits.maxParentPieces) * pieceSize;
}

/**
 * Bytes that may be outstanding at a child: what its downlink takes while they are on their way (Little's law), so that
 * several slow parents together fill a fast downlink; and more than at a parent, or parents would find all children full.
 */
export function childWindow(line: Line, flight: Mean, pieceSize: number, limits: Limits): number {
  const { rate, round } = line;
  // Two at once on a link that is known would take two turns each: transfers would be out of step from the first on.
  if (Number.isNaN(flight.ms) || Number.isNaN(round.ms))
    return (rate.told ? 1 : 2) * limits.firstWindowPieces * pieceSize;
  const factor = rate.certain ? 1 : limits.unsureFactor;
  const bytesPerMs = (rate.rate || limits.assumedBytesPerSecond) / 1000;
  const needed = (factor * FLIGHT_ROOM * bytesPerMs * flight.ms) / pieceSize;
  const rounds = roundsPerPiece(line, pieceSize, limits);
  const least =
    rounds < limits.calmShare && rate.told ? factor : limits.childFactor * windowPieces(line, pieceSize, limits);
  return Math.min(Math.round(Math.max(needed, least)), limits.childFactor * limits.maxParentPieces) * pieceSize;
}

/**
 * A generous lead while all of it takes less than `busyMs`; else what a round needs, because what waits long is passed on
 * late. What waits also makes rounds longer, so a lead must not follow them without end: all together at most `busyMs`,
 * or twice what a busy link has. As long as no rate is known the link may be a slow one, and the first pieces are those
 * that everybody waits for.
 */
function windowPieces(line: Line, pieceSize: number, limits: Limits): number {
  const pieceMs = (pieceSize * 1000) / (line.rate.rate || limits.assumedBytesPerSecond);
  const inTime = limits.busyMs / pieceMs;
  const most = line.rate.rate === 0 ? limits.unknownPieces : limits.busyPieces;
  const busy = Math.min(Math.max(Math.ceil(inTime), limits.leastBusyPieces), most);
  const rounds = roundsPerPiece(line, pieceSize, limits);
  const needed = Math.min(busy + limits.leadFactor * rounds, Math.max(inTime, 2 * busy));
  return Math.max(needed, Math.min(busy + limits.wideLeadFactor * rounds, inTime));
}

/** Control rounds in the time of a piece. */
function roundsPerPiece({ rate, round }: Line, pieceSize: number, limits: Limits): number {
  return (round.ms * (rate.rate || limits.assumedBytesPerSecond)) / 1000 / pieceSize;
}
