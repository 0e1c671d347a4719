/**
 * What a decision of the scheduler costs, without any wire: children answer every assignment with success, and the answers come in lots as
 * they do in a busy supernode. CPU seconds of this process, so that a machine with other work to do says the same.
 */
import { Bitfield } from '../src/base/bitfield.ts';
import { Random } from '../src/base/random.ts';
import { contentIdOf, type HostId, type TaskId } from '../src/protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../src/scheduler/events.ts';
import { Scheduler } from '../src/scheduler/scheduler.ts';

const MIB = 1024 * 1024;
const RATE = 12.5 * MIB;
const LOT = 64;
/** Milliseconds of the scheduler's clock between two lots at N = 10,000. */
const ROUND_MS = 1;

export type SchedulerCost = {
  readonly hosts: number;
  readonly pieces: number;
  readonly decisionsPerSecond: number;
  readonly bytesPerPeer: number;
  /** Megabytes of the heap that the whole state takes, over hosts: objects of hosts and leases included. */
  readonly heapBytesPerPeer: number;
};

/** One swarm from the first join to the last piece. */
export function schedulerCost(hosts: number, pieces: number): SchedulerCost {
  const content = contentIdOf('a'.repeat(64) as TaskId, '1');
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const scheduler = new Scheduler({ random: new Random(7) });
  let now = 0;
  const waiting: Extract<SchedulerCommand, { type: 'assign' }>[] = [];
  const send = (events: readonly SchedulerEvent[]): void => {
    for (const command of scheduler.handleAll(events, now)) if (command.type === 'assign') waiting.push(command);
  };
  const join = (id: string, seed: boolean): SchedulerEvent[] => [
    {
      type: 'host-joined',
      host: id as HostId,
      site: { idc: '', location: '', machine: id },
      seed,
      uploads: true,
      upBytesPerSecond: RATE,
      downBytesPerSecond: RATE,
    },
    {
      type: 'peer-joined',
      host: id as HostId,
      content,
      held: seed ? Bitfield.full(pieces) : new Bitfield(pieces),
      wants: seed ? 'nothing' : 'all',
    },
  ];
  send([{ type: 'content-shaped', content, pieceSize: MIB, pieces, lastPieceSize: MIB, final: true }]);
  send(join('seed', true));
  for (let i = 0; i < hosts; i++) send(join(`h${i}`, false));
  const bytesPerPeer = scheduler.bytesPerPeer;
  let decisions = 0;
  let heapAfter = 0;
  const used = process.cpuUsage();
  while (waiting.length > 0 && decisions < hosts * pieces) {
    const lot = waiting.splice(0, Math.min(LOT, Math.max(1, waiting.length >> 1)));
    now += (ROUND_MS * lot.length * 10_000) / hosts / LOT;
    send(
      lot.map(({ child, piece, lease }) => ({ type: 'piece-held', host: child, content, piece, lease, millis: 80 })),
    );
    decisions += lot.length;
    if (heapAfter === 0 && decisions > (hosts * pieces) / 2) {
      heapAfter = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    }
  }
  const { user, system } = process.cpuUsage(used);
  return {
    hosts,
    pieces,
    decisionsPerSecond: decisions / ((user + system) / 1e6),
    bytesPerPeer,
    heapBytesPerPeer: (heapAfter - heapBefore) / hosts,
  };
}
