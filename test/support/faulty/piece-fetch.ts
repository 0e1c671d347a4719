/** src/peer/piece-fetch.ts of an agent that calls what other hosts give it wrong. The supernode's pieces it takes. */
import { PieceFetch as Honest, type PieceFetchParts, type PieceJob } from '../../../src/peer/piece-fetch.ts';
import { Fault } from '../../../src/protocol/faults.ts';
import { strikes } from './fault.ts';

export type { PieceFetchParts, PieceJob };

export class PieceFetch extends Honest {
  override async run(job: PieceJob): Promise<number> {
    if (job.parent.id.startsWith('supernode-') || !strikes('liar', `${job.piece}`)) return super.run(job);
    throw new Fault('peer-corrupt', `piece ${job.piece} is said to be wrong`);
  }
}
