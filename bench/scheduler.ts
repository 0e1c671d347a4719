/**
 * What a decision of the scheduler costs, without any wire. Counted in two ways. A *choice* is the decision alone: for a parent with room, the child
 * among 8 samples and the rarest piece that this parent can give it. A *turn* is all that the scheduler does for one piece: a child's report taken
 * in, its lease ended, rates and copies counted, the choice, the next lease, the command. Children answer every assignment with success, and
 * the answers come in lots, as they do in a busy supernode. CPU seconds of this process count, and beside them stands what plain
 * arithmetic costs at the same time, because a machine that others share is slow at everything.
 */
import { Bitfield } from '../src/base/bitfield.ts';
import { Random } from '../src/base/random.ts';
import { contentIdOf, type HostId, type TaskId } from '../src/protocol/ids.ts';
import { ChildChooser } from '../src/scheduler/child-choice.ts';
import type { SchedulerCommand, SchedulerEvent } from '../src/scheduler/events.ts';
import { PieceChooser } from '../src/scheduler/piece-choice.ts';
import { Scheduler } from '../src/scheduler/scheduler.ts';
import { row } from './table.ts';

const MIB = 1024 * 1024;
const BYTES_PER_SECOND = 12.5 * MIB;
/** Answers handed in together, at most. */
const LOT = 64;
/** Before anything is measured: compiled code settles late, and a supernode runs for months. */
const WARM = 300_000;
/** What each host's link makes of a piece. */
const PIECE_MS = 80;
/** From one parent to the next, so that no two neighbours follow each other; prime to all numbers of hosts here. */
const STRIDE = 7919;

type Assign = Extract<SchedulerCommand, { type: 'assign' }>;
type Report = { -readonly [K in keyof Held]: Held[K] };
type Held = Extract<SchedulerEvent, { type: 'piece-held' }>;

const content = contentIdOf('a'.repeat(64) as TaskId, '1');

/** Assignments that nobody has answered yet, as columns: what is kept of ten thousand of them must not be the collector's work. */
class Unanswered {
  #room = 1 << 14;
  #children: HostId[] = [];
  #pieces = new Int32Array(this.#room);
  #leases = new Float64Array(this.#room);
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push({ child, piece, lease }: Assign): void {
    if (this.#size === this.#room) throw new Error('more assignments than a swarm of this size can have');
    const at = (this.#first + this.#size++) % this.#room;
    this.#children[at] = child;
    this.#pieces[at] = piece;
    this.#leases[at] = lease;
  }

  /** The oldest one becomes its child's report. */
  shift(into: Report): void {
    const at = this.#first;
    this.#first = (at + 1) % this.#room;
    this.#size--;
    into.host = this.#children[at] ?? into.host;
    into.piece = this.#pieces[at] ?? 0;
    into.lease = this.#leases[at] ?? 0;
  }
}

/** A swarm of equal hosts, of which one holds everything. */
class SwarmUnderLoad {
  readonly scheduler = new Scheduler({ random: new Random(7) });
  readonly #hosts: number;
  readonly #pieces: number;
  readonly #unanswered = new Unanswered();
  /** Handed in again and again: the reports are the bench's, not the scheduler's. */
  readonly #reports: Report[] = Array.from({ length: LOT }, () => ({
    type: 'piece-held',
    host: '' as HostId,
    content,
    piece: 0,
    lease: 0,
    millis: PIECE_MS,
  }));
  #now = 0;

  constructor(hosts: number, pieces: number) {
    this.#hosts = hosts;
    this.#pieces = pieces;
    const shape = { content, pieceSize: MIB, pieces, lastPieceSize: MIB, final: true };
    this.#send([{ type: 'content-shaped', ...shape }]);
    this.#join('seed', Bitfield.full(pieces));
    for (let i = 0; i < hosts; i++) this.#join(`h${i}`, new Bitfield(pieces));
  }

  /** At most this many turns; how many there were. */
  decide(most: number): number {
    let turns = 0;
    while (this.#unanswered.size > 0 && turns < most) {
      const count = Math.min(LOT, Math.max(1, this.#unanswered.size >> 1));
      const lot = count === LOT ? this.#reports : this.#reports.slice(0, count);
      for (const report of lot) this.#unanswered.shift(report);
      // Each host is done with a piece every PIECE_MS.
      this.#now += (PIECE_MS * count) / this.#hosts;
      this.#send(lot);
      turns += count;
    }
    return turns;
  }

  /** Choices per CPU second in the middle of a distribution, with every host in turn as the parent and room at every child. */
  choices(count: number): number {
    this.decide(this.#hosts * this.#pieces * 0.4);
    const { state } = this.scheduler;
    const swarm = state.swarms.get(content);
    if (swarm === undefined) throw new Error('there is no swarm');
    for (const peer of swarm.peers()) swarm.setRoom(peer, false, false);
    const chooser = new ChildChooser(state, new PieceChooser(state));
    let found = 0;
    const choose = (times: number): void => {
      for (let i = 0; i < times; i++) if (chooser.choose(swarm, 1 + ((i * STRIDE) % this.#hosts))) found++;
    };
    choose(count >> 2);
    found = 0;
    const before = process.cpuUsage();
    choose(count);
    const { user, system } = process.cpuUsage(before);
    if (found < 0.9 * count) throw new Error(`only ${found} of ${count} parents found a child`);
    return (count / (user + system)) * 1e6;
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
      if (command.type === 'assign') this.#unanswered.push(command);
    }
  }
}

/** Turns per CPU second, over as many swarms as it takes. */
function rateOf(hosts: number, pieces: number, turns: number): number {
  let done = 0;
  let seconds = 0;
  while (done < turns) {
    const swarm = new SwarmUnderLoad(hosts, pieces);
    const before = process.cpuUsage();
    const made = swarm.decide(turns - done);
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

export function scheduler(turns: number): void {
  rateOf(100, 256, WARM);
  const few = rateOf(100, 256, turns);
  const many = rateOf(10_000, 256, turns);
  const fewChoices = new SwarmUnderLoad(100, 256).choices(turns * 2);
  const manyChoices = new SwarmUnderLoad(10_000, 256).choices(turns * 2);
  const per = (rate: number): string => `${Math.round(rate / 1000)} k`;
  row('scheduler, choices per CPU second, 100 hosts', per(fewChoices), 'at least 1000 k');
  row('scheduler, choices per CPU second, 10,000 hosts', per(manyChoices), 'at least 1000 k');
  row('scheduler, cost of a choice at 10,000 over 100', (fewChoices / manyChoices).toFixed(2), 'at most 1.5');
  row('scheduler, turns (report, choice, lease) per CPU second, 100 hosts', per(few), 'at least 1000 k');
  row('scheduler, turns per CPU second, 10,000 hosts', per(many), 'at least 1000 k');
  row('scheduler, cost of a turn at 10,000 over 100', (few / many).toFixed(2), 'at most 1.5');
  row('the machine meanwhile, ns per step of arithmetic', arithmeticNs().toFixed(1), '1.3 when idle');
  const wide = new SwarmUnderLoad(10_000, 1024).scheduler.bytesPerPeer;
  row('scheduler, index bytes per (peer, task), 1,024 pieces', wide.toFixed(0), 'at most 400');
}
