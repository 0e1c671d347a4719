/**
 * Who reads what of the source when hosts have lost their supernode and can give to each other: a few of them, each its own runs, by an
 * order that follows from their names, so that nobody has to be asked. A reader that gets no further loses its turn to the next.
 */
import { weightOf } from '../base/weight.ts';
import type { HostId, PieceIndex } from '../protocol/ids.ts';
import type { TransferLimits } from './limits.ts';
import type { Pieces } from './pieces.ts';

const RUNS_PER_READER = 8;

export type Sharing = {
  /** Undefined = this host reads without regard to the others. */
  readonly self: HostId | undefined;
  /** Hosts that are known to be here and that got on lately, or have not had the time to. */
  readonly others: readonly HostId[];
  /** Nobody has given anything for long: this host reads what it lacks, whoever should. */
  readonly stuck: boolean;
  /** Some parent holds it, and it can be proved: it need not be read. */
  readonly obtainable: (piece: PieceIndex) => boolean;
  /** How many have to read it: one where a manifest proves it, else as many as have to agree on what it is. */
  readonly wanting: (piece: PieceIndex) => number;
  /** That host has read it, or knows what it is. */
  readonly spoke: (piece: PieceIndex, host: HostId) => boolean;
};

export type SourceRun = { readonly from: PieceIndex; readonly end: PieceIndex | null };

/** The first run of missing pieces that is this host's to read; undefined = for now others read. */
export function runInTurn(pieces: Pieces, sharing: Sharing, limits: TransferLimits): SourceRun | undefined {
  const { self, others, stuck, obtainable, wanting, spoke } = sharing;
  if (self === undefined) return undefined;
  const readers = readersOf([self, ...others], limits.sourceReaders);
  if (!readers.includes(self) && !stuck) return undefined;
  const size = runPieces(pieces.known, readers.length, limits.sourceRunPieces);
  const byRun = new Map<number, readonly HostId[]>();
  const mine = (piece: PieceIndex, run: number): boolean => {
    if (pieces.state(piece) !== 'missing' || obtainable(piece)) return false;
    if (stuck) return true;
    const order = byRun.get(run) ?? ownersOf(run, readers);
    byRun.set(run, order);
    const left = order.filter((id) => id === self || !spoke(piece, id));
    return left.slice(0, wanting(piece)).includes(self);
  };
  for (let piece = pieces.nextMissing(0); piece !== -1; piece = pieces.nextMissing(piece + 1)) {
    const run = Math.floor(piece / size);
    if (!mine(piece, run)) continue;
    let end = piece + 1;
    while (end < (run + 1) * size && pieces.valid(end) && mine(end, run)) end++;
    return { from: piece, end };
  }
  return undefined;
}

function readersOf(hosts: readonly HostId[], most: number): readonly HostId[] {
  const weighed = hosts.map((id) => ({ id, weight: weightOf(id) }));
  return weighed
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .slice(0, most)
    .map(({ id }) => id);
}

/** Rendezvous: the fewest runs change their owners when a reader comes or goes. */
function ownersOf(run: number, readers: readonly HostId[]): readonly HostId[] {
  const weights = new Map(readers.map((id) => [id, weightOf(`${run} ${id}`)]));
  return [...readers].sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0));
}

/** Several runs for each reader, so that they end at about the same time. */
function runPieces(pieces: number, readers: number, most: number): number {
  return Math.max(1, Math.min(most, Math.ceil(pieces / (readers * RUNS_PER_READER))));
}
