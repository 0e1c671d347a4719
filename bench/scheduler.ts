/**
 * What a decision of the scheduler costs, without any wire: children answer every assignment with success, and the answers come in lots, as
 * they do in a busy supernode. CPU seconds of this process count, and beside them stands what plain arithmetic costs at the same
 * time, because a machine that others share is slow at everything.
 */
import { Bitfield } from '../src/base/bitfield.ts';
import { Random } from '../src/base/random.ts';
import { contentIdOf, type HostId, type TaskId } from '../src/protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent } from '../src/scheduler/events.ts';
import { Scheduler } from '../src/scheduler/scheduler.ts';
import { row } from './table.ts';

const MIB = 1024 * 1024;
const BYTES_PER_SECOND = 12.5 * MIB;
/** Answers handed in together, at most. */
const LOT = 64;
const WARM = 30_000;

type Assign = Extract<SchedulerCommand, { type: 'assign' }>;

const content = contentIdOf('a'.repeat(64) as TaskId, '1');

/** A swarm of equal hosts, of which one holds everything. */
class SwarmUnderLoad {
  readonly scheduler = new Scheduler({ random: new Random(7) });
  readonly #hosts: number;
  #waiting: Assign[] = [];
  #at = 0;
  #now = 0;

  constructor(hosts: number, pieces: number) {
    this.#hosts = hosts;
    const shape = { content, pieceSize: MIB, pieces, lastPieceSize: MIB, final: true };
    this.#send([{ type: 'content-shaped', ...shape }]);
    this.#join('seed', Bitfield.full(pieces));
    for (let i = 0; i < hosts; i++) this.#join(`h${i}`, new Bitfield(pieces));
  }

  /** At most this many decisions; how many there were. */
  decide(most: number): number {
    let decisions = 0;
    while (this.#at < this.#waiting.length && decisions < most) {
      const open = this.#waiting.length - this.#at;
      const lot = this.#waiting.slice(this.#at, this.#at + Math.min(LOT, Math.max(1, open >> 1)));
      this.#at += lot.length;
      // Each host is done with a piece every 80 ms.
      this.#now += (80 * lot.length) / this.#hosts;
      this.#send(
        lot.map(({ child, piece, lease }) => ({ type: 'piece-held', host: child, content, piece, lease, millis: 80 })),
      );
      decisions += lot.length;
      if (this.#at > 100_000) {
        this.#waiting = this.#waiting.slice(this.#at);
        this.#at = 0;
      }
    }
    return decisions;
  }

  #join(name: string, held: Bitfield): void {
    const host = name as HostId;
    const seed = held.count > 0;
    this.#send([
      {
        type: 'host-joined',
        host,
        site: { idc: '', location: '', machine: name },
        seed,
        uploads: true,
        upBytesPerSecond: BYTES_PER_SECOND,
        downBytesPerSecond: BYTES_PER_SECOND,
      },
      { type: 'peer-joined', host, content, held, wants: seed ? 'nothing' : 'all' },
    ]);
  }

  #send(events: readonly SchedulerEvent[]): void {
    for (const command of this.scheduler.handleAll(events, this.#now)) {
      if (command.type === 'assign') this.#waiting.push(command);
    }
  }
}

/** Decisions per CPU second, over as many swarms as it takes. */
function rateOf(hosts: number, pieces: number, decisions: number): number {
  let done = 0;
  let seconds = 0;
  while (done < decisions) {
    const swarm = new SwarmUnderLoad(hosts, pieces);
    const before = process.cpuUsage();
    const made = swarm.decide(decisions - done);
    const { user, system } = process.cpuUsage(before);
    done += made;
    seconds += (user + system) / 1e6;
  }
  return done / seconds;
}

/** Nanoseconds of a step of a linear congruence: about 1.3 on an idle machine of 3 GHz. */
function arithmeticNs(): number {
  const steps = 50_000_000;
  const before = process.cpuUsage();
  let x = 1;
  for (let i = 0; i < steps; i++) x = (Math.imul(x, 1103515245) + 12345) | 0;
  const { user, system } = process.cpuUsage(before);
  return x === 0 ? 0 : ((user + system) * 1000) / steps;
}

export function scheduler(decisions: number): void {
  rateOf(100, 256, WARM);
  const few = rateOf(100, 256, decisions);
  const many = rateOf(10_000, 256, decisions);
  const per = (rate: number): string => `${Math.round(rate / 1000)} k`;
  row('scheduler, decisions per CPU second, 100 hosts', per(few), 'at least 1000 k', '');
  row('scheduler, decisions per CPU second, 10,000 hosts', per(many), 'at least 1000 k', '');
  row('scheduler, cost of a decision at 10,000 over 100', (few / many).toFixed(2), 'at most 1.5', '');
  row('the machine meanwhile, ns per step of arithmetic', arithmeticNs().toFixed(1), '1.3 when idle', '');
  const wide = new SwarmUnderLoad(10_000, 1024).scheduler.bytesPerPeer;
  row('scheduler, index bytes per (peer, task), 1,024 pieces', wide.toFixed(0), 'at most 400', '');
}
