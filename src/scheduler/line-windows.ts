/** How much may be outstanding on a link, from what its line has shown. */
import type { Millis } from '../base/clock.ts';
import type { Limits } from './limits.ts';
import type { Lines } from './lines.ts';

/** Room for flights that take longer than promised. */
const FLIGHT_ROOM = 1.25;

/**
 * Bytes that may be outstanding at a parent. When a control round is much shorter than a piece and the link's rate is known,
 * one piece at a time is best: it arrives soonest and can be passed on, and transfers stay in step. Else several, so that the
 * uplink is busy during the round, and enough of them that some child always has room on its downlink; but not so many that
 * large pieces wait for seconds. A learnt rate is not trusted that far: one that is too low would leave the link idle, and so stay low.
 */
export function parentWindow(lines: Lines, line: number, pieceSize: number, limits: Limits): number {
  const roundMs = lines.roundMs(line);
  // Of the pieces that go along with an assignment nobody says that they are near their end, and the first that a seed gives are such.
  if (Number.isNaN(roundMs)) return (limits.firstWindowPieces + (lines.told(line) ? 0 : lines.extra(line))) * pieceSize;
  const rate = lines.rate(line);
  const rounds = roundsPerPiece(roundMs, rate, pieceSize, limits);
  if (rounds < limits.calmShare && lines.told(line)) return pieceSize;
  // What the seed sends everybody still needs: with more on their way than others have, its flows get more of the downlinks.
  const extra = rate > 0 ? lines.extra(line) : 0;
  const pieces = extra + Math.round(windowPieces(rounds, rate, pieceSize, limits));
  return Math.min(pieces, limits.maxParentPieces) * pieceSize;
}

/**
 * Bytes that may be outstanding at a child: what its downlink takes while they are on their way (Little's law), so that
 * several slow parents together fill a fast downlink; and more than at a parent, or parents would find all children full.
 */
export function childWindow(lines: Lines, line: number, pieceSize: number, limits: Limits): number {
  const roundMs = lines.roundMs(line);
  const flightMs = lines.flightMs(line);
  const told = lines.told(line);
  // Two at once on a link that is known would take two turns each: transfers would be out of step from the first on.
  if (Number.isNaN(flightMs) || Number.isNaN(roundMs)) return (told ? 1 : 2) * limits.firstWindowPieces * pieceSize;
  const rate = lines.rate(line);
  const factor = lines.certain(line) ? 1 : limits.unsureFactor;
  const bytesPerMs = (rate || limits.assumedBytesPerSecond) / 1000;
  const needed = (factor * FLIGHT_ROOM * bytesPerMs * flightMs) / pieceSize;
  const rounds = roundsPerPiece(roundMs, rate, pieceSize, limits);
  const calm = rounds < limits.calmShare && told;
  const least = calm ? factor : limits.childFactor * windowPieces(rounds, rate, pieceSize, limits);
  return Math.min(Math.round(Math.max(needed, least)), limits.childFactor * limits.maxParentPieces) * pieceSize;
}

/**
 * Whether the child should say when a transfer on this uplink is near its end. The next one is then on its way when the link gets free, so that
 * fewer need be outstanding all the time: what they share the link with arrives sooner, and is passed on sooner. Of no use where one piece at a
 * time is best, and too many words where many pieces are sent within a round.
 */
export function asksNear(lines: Lines, line: number, pieceSize: number, limits: Limits): boolean {
  const roundMs = lines.roundMs(line);
  if (Number.isNaN(roundMs)) return !lines.told(line);
  const rounds = roundsPerPiece(roundMs, lines.rate(line), pieceSize, limits);
  return rounds <= limits.nearRounds && !(rounds < limits.calmShare && lines.told(line));
}

/**
 * Bytes outstanding that keep a child's downlink busy until more can be there: some of what it takes while they are on their way. A window is wider, for
 * what is not known yet; as long as others have less than they need, nobody should fill it.
 */
export function fedBytes(lines: Lines, line: number, pieceSize: number, limits: Limits): number {
  const flightMs = lines.flightMs(line);
  if (Number.isNaN(flightMs)) return Number.POSITIVE_INFINITY;
  const rate = lines.rate(line) || limits.assumedBytesPerSecond;
  return Math.max(limits.leastFedPieces * pieceSize, (limits.fedShare * rate * flightMs) / 1000);
}

/**
 * A generous lead while all of it takes less than `busyMs`; else what a round needs, because what waits long is passed on
 * late. What waits also makes rounds longer, so a lead must not follow them without end: all together at most `busyMs`,
 * or twice what a busy link has. As long as no rate is known the link may be a slow one, and the first pieces are those
 * that everybody waits for.
 */
function windowPieces(rounds: number, rate: number, pieceSize: number, limits: Limits): number {
  if (rate === 0) return limits.unknownPieces;
  const inTime = (limits.busyMs * rate) / 1000 / pieceSize;
  const busy = Math.min(Math.max(Math.ceil(inTime), limits.leastBusyPieces), limits.busyPieces);
  const needed = Math.min(busy + limits.leadFactor * rounds, Math.max(inTime, 2 * busy));
  return Math.max(needed, Math.min(busy + limits.wideLeadFactor * rounds, inTime));
}

/** Control rounds in the time of a piece. */
function roundsPerPiece(roundMs: Millis, rate: number, pieceSize: number, limits: Limits): number {
  return (roundMs * (rate || limits.assumedBytesPerSecond)) / 1000 / pieceSize;
}
