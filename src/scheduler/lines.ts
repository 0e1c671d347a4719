/**
 * Both directions of every host's link: what each carries, learnt from the transfers; how long a control round takes beside a
 * transfer; and what is outstanding on it. The rate is the best of the latest samples: transfers that meet elsewhere make samples low, nothing
 * makes them high. It is *certain* once it stopped growing although more was outstanding (as BBR's start-up ends, Cardwell et al. 2016);
 * until then more than it needs is kept outstanding, or a link that had little to do would be taken for a slow one for ever.
 *
 * One line is one row of numbers, and the two lines of a host are neighbours: a decision reads those of three hosts among ten thousand, and each
 * object on the way to a number would be one more miss of the processor's caches. Only lines of hosts in the table are asked.
 */
import type { Millis } from '../base/clock.ts';

/** Pieces that were sent together also end together: a sample takes in several such lots. */
const SAMPLE_PIECES = 16;
const SAMPLE_MS = 100;
const LONG_SAMPLE_PIECES = 4;
const LONG_SAMPLE_MS = 1000;
/** A link without transfers for longer was idle. */
const GAP_MS = 20;
/** After a longer one, what a control round took is forgotten: it was that of a busy time, or of hosts that were all just starting. */
const ROUND_KEPT_MS = 1_000;
/** Samples of a busy link after which the best of the time before is forgotten. */
const EPOCH_SAMPLES = 16;
/** A limit that is known is believed unless the link shows less than this share of it. */
const DOUBT = 0.5;
const GROWTH = 1.25;
const STAGNANT_SAMPLES = 3;
const MEAN_STEP = 0.125;

/** A row is two lines of a processor's cache; the numbers that every decision reads come first. */
const ROW_BITS = 4;
const BYTES = 0;
const COUNT = 1;
const CONFIGURED = 2;
const BEST = 3;
const BEST_BEFORE = 4;
const ROUND = 5;
const FLIGHT = 6;
const DELIVERED_AT = 7;
/** The sample that is being taken: its begin, latest piece, bytes and pieces, and whether the link was full all the time. */
const MARK = 8;
const AT = 9;
const CARRIED = 10;
const PIECES = 11;
const FULL = 12;
/** Samples of this epoch, and those in a row that showed no growth. */
const SAMPLES = 13;
const STAGNANT = 14;
const EXTRA = 15;

export function upLine(host: number): number {
  return host << 1;
}

export function downLine(host: number): number {
  return (host << 1) | 1;
}

export class Lines {
  #rows = new Float64Array(16 << ROW_BITS);

  /** A line of which nothing is known. */
  open(line: number): void {
    if ((line + 1) << ROW_BITS > this.#rows.length) this.#grow(line + 1);
    const row = line << ROW_BITS;
    this.#rows.fill(0, row, row + (1 << ROW_BITS));
    this.#rows[row + ROUND] = Number.NaN;
    this.#rows[row + FLIGHT] = Number.NaN;
    this.#rows[row + AT] = Number.NEGATIVE_INFINITY;
    this.#rows[row + DELIVERED_AT] = Number.NEGATIVE_INFINITY;
  }

  // What is outstanding.

  began(line: number, bytes: number): void {
    const row = line << ROW_BITS;
    this.#rows[row + BYTES] = (this.#rows[row + BYTES] ?? 0) + bytes;
    this.#rows[row + COUNT] = (this.#rows[row + COUNT] ?? 0) + 1;
  }

  ended(line: number, bytes: number): void {
    const row = line << ROW_BITS;
    this.#rows[row + BYTES] = (this.#rows[row + BYTES] ?? 0) - bytes;
    this.#rows[row + COUNT] = (this.#rows[row + COUNT] ?? 0) - 1;
  }

  /** A transfer is near its end: room for the next one. */
  eased(line: number, bytes: number): void {
    const row = line << ROW_BITS;
    this.#rows[row + BYTES] = (this.#rows[row + BYTES] ?? 0) - bytes;
  }

  /** Transfers. */
  count(line: number): number {
    return this.#rows[(line << ROW_BITS) + COUNT] ?? 0;
  }

  /** Bytes of those that are not near their end. */
  bytes(line: number): number {
    return this.#rows[(line << ROW_BITS) + BYTES] ?? 0;
  }

  // What it carries.

  /** A known limit, bytes per second; 0 = none. */
  configure(line: number, bytesPerSecond: number): void {
    this.#rows[(line << ROW_BITS) + CONFIGURED] = bytesPerSecond;
  }

  /** Pieces that may be outstanding on it beyond what others may have. */
  extra(line: number): number {
    return this.#rows[(line << ROW_BITS) + EXTRA] ?? 0;
  }

  setExtra(line: number, pieces: number): void {
    this.#rows[(line << ROW_BITS) + EXTRA] = pieces;
  }

  /** Bytes per second; 0 = not known yet. */
  rate(line: number): number {
    const row = line << ROW_BITS;
    const measured = this.#measured(row);
    const configured = this.#rows[row + CONFIGURED] ?? 0;
    if (configured === 0) return measured;
    return measured === 0 || measured > DOUBT * configured ? configured : measured;
  }

  /** A limit was configured, and what the link shows does not contradict it. */
  told(line: number): boolean {
    const row = line << ROW_BITS;
    const configured = this.#rows[row + CONFIGURED] ?? 0;
    if (configured === 0) return false;
    const measured = this.#measured(row);
    return measured === 0 || measured > DOUBT * configured;
  }

  certain(line: number): boolean {
    return this.told(line) || (this.#rows[(line << ROW_BITS) + STAGNANT] ?? 0) >= STAGNANT_SAMPLES;
  }

  /** A transfer begins while there is no other. */
  busy(line: number, now: Millis): void {
    const row = line << ROW_BITS;
    const gap = Math.abs(now - (this.#rows[row + AT] ?? 0));
    if (gap > GAP_MS) this.#restart(row, now);
    if (gap <= ROUND_KEPT_MS) return;
    this.#rows[row + ROUND] = Number.NaN;
    this.#rows[row + FLIGHT] = Number.NaN;
  }

  /** As much as the window allows is outstanding: the sample is what the link can do. */
  filled(line: number): void {
    this.#rows[(line << ROW_BITS) + FULL] = 1;
  }

  carried(line: number, bytes: number, now: Millis): void {
    const rows = this.#rows;
    const row = line << ROW_BITS;
    const carried = (rows[row + CARRIED] ?? 0) + bytes;
    const pieces = (rows[row + PIECES] ?? 0) + 1;
    rows[row + CARRIED] = carried;
    rows[row + PIECES] = pieces;
    rows[row + AT] = now;
    const elapsed = now - (rows[row + MARK] ?? 0);
    const enough = elapsed < LONG_SAMPLE_MS ? SAMPLE_PIECES : LONG_SAMPLE_PIECES;
    if (elapsed < SAMPLE_MS || pieces < enough) return;
    if (rows[row + FULL] === 1 || rows[row + CONFIGURED] === 0) this.#sample(row, (carried * 1000) / elapsed);
    this.#restart(row, now);
  }

  /** Something went wrong on it: believe in half of what was measured. */
  halve(line: number): void {
    const row = line << ROW_BITS;
    const half = this.rate(line) / 2;
    this.#rows[row + BEST] = half;
    this.#rows[row + BEST_BEFORE] = half;
    this.#rows[row + STAGNANT] = 0;
  }

  // Times.

  /** Mean time of an assignment beside its transfer; NaN = none was measured. */
  roundMs(line: number): Millis {
    return this.#rows[(line << ROW_BITS) + ROUND] ?? Number.NaN;
  }

  sampleRound(line: number, ms: Millis): void {
    this.#mean((line << ROW_BITS) + ROUND, ms);
  }

  /** Mean time that what it gets is on its way, as its parents' queues promise; NaN = nothing was. */
  flightMs(line: number): Millis {
    return this.#rows[(line << ROW_BITS) + FLIGHT] ?? Number.NaN;
  }

  sampleFlight(line: number, ms: Millis): void {
    this.#mean((line << ROW_BITS) + FLIGHT, ms);
  }

  /** When it last carried something whole. */
  deliveredAt(line: number): Millis {
    return this.#rows[(line << ROW_BITS) + DELIVERED_AT] ?? Number.NEGATIVE_INFINITY;
  }

  delivered(line: number, now: Millis): void {
    this.#rows[(line << ROW_BITS) + DELIVERED_AT] = now;
  }

  #measured(row: number): number {
    return Math.max(this.#rows[row + BEST] ?? 0, this.#rows[row + BEST_BEFORE] ?? 0);
  }

  #mean(at: number, ms: Millis): void {
    const before = this.#rows[at] ?? Number.NaN;
    this.#rows[at] = Number.isNaN(before) ? ms : before + MEAN_STEP * (ms - before);
  }

  #sample(row: number, sample: number): void {
    const rows = this.#rows;
    const full = rows[row + FULL] === 1;
    if (sample > GROWTH * this.#measured(row)) rows[row + STAGNANT] = 0;
    else if (full) rows[row + STAGNANT] = (rows[row + STAGNANT] ?? 0) + 1;
    const best = Math.max(rows[row + BEST] ?? 0, sample);
    rows[row + BEST] = best;
    if (!full) return;
    const samples = (rows[row + SAMPLES] ?? 0) + 1;
    rows[row + SAMPLES] = samples < EPOCH_SAMPLES ? samples : 0;
    if (samples < EPOCH_SAMPLES) return;
    rows[row + BEST_BEFORE] = best;
    rows[row + BEST] = sample;
  }

  #restart(row: number, now: Millis): void {
    this.#rows[row + MARK] = now;
    this.#rows[row + CARRIED] = 0;
    this.#rows[row + PIECES] = 0;
    this.#rows[row + FULL] = 0;
  }

  #grow(lines: number): void {
    const rows = new Float64Array(Math.max(lines << ROW_BITS, this.#rows.length * 2));
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
