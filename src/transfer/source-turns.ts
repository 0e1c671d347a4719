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
  /** Some parent holds it: it need not be read. */
  readonly obtainable: (piece: PieceIndex) => boolean;
};

export type SourceRun = { readonly from: PieceIndex; readonly end: PieceIndex | null };

/** The first run of missing pieces that is this host's to read; undefined = for now others read. */
export function runInTurn(pieces: Pieces, sharing: Sharing, limits: TransferLimits): SourceRun | undefined {
  const { self, others, obtainable } = sharing;
  if (self === undefined) return undefined;
  const readers = readersOf([self, ...others], limits.sourceReaders);
  if (!readers.includes(self)) return undefined;
  const size = runPieces(pieces.known, readers.length, limits.sourceRunPieces);
  for (let piece = pieces.nextMissing(0); piece !== -1; piece = pieces.nextMissing(piece + 1)) {
    const run = Math.floor(piece / size);
    if (obtainable(piece) || ownerOf(run, readers) !== self) continue;
    let end = piece + 1;
    while (end < (run + 1) * size && pieces.valid(end) && pieces.state(end) === 'missing' && !obtainable(end)) end++;
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

/** Rendezvous: the fewest runs change their owner when a reader comes or goes. */
function ownerOf(run: number, readers: readonly HostId[]): HostId | undefined {
  let owner: HostId | undefined;
  let most = -1;
  for (const id of readers) {
    const weight = weightOf(`${run} ${id}`);
    if (weight <= most) continue;
    most = weight;
    owner = id;
  }
  return owner;
}

/** Several runs for each reader, so that they end at about the same time. */
function runPieces(pieces: number, readers: number, most: number): number {
  return Math.max(1, Math.min(most, Math.ceil(pieces / (readers * RUNS_PER_READER))));
}
