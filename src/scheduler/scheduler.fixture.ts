/** A scheduler with a seed that holds everything, children, and shorthands for what they say. */
import { Bitfield } from '../base/bitfield.ts';
import { Random } from '../base/random.ts';
import type { Site } from '../protocol/host.ts';
import { contentIdOf, type HostId, type TaskId } from '../protocol/ids.ts';
import type { SchedulerCommand, SchedulerEvent, Wants } from './events.ts';
import type { Limits } from './limits.ts';
import { Scheduler } from './scheduler.ts';

const KIB = 1024;
export const content = contentIdOf('a'.repeat(64) as TaskId, '1');
export const id = (name: string): HostId => name as HostId;
export type Assign = Extract<SchedulerCommand, { type: 'assign' }>;
type FaultOf = Extract<SchedulerEvent, { type: 'piece-failed' }>['fault'];

export class SchedulerLab {
  readonly scheduler: Scheduler;
  readonly commands: SchedulerCommand[] = [];
  readonly pieces: number;
  now = 0;

  constructor(children: readonly string[], pieces = 8, limits: Partial<Limits> = {}) {
    this.scheduler = new Scheduler({ random: new Random(1), firstWindowPieces: 4, ...limits });
    this.pieces = pieces;
    this.join('seed', { seed: true });
    this.shape(pieces);
    this.enter('seed', Bitfield.full(pieces), 'nothing');
    for (const child of children) {
      this.join(child);
      this.enter(child);
    }
  }

  send(event: SchedulerEvent): readonly SchedulerCommand[] {
    const out = [...this.scheduler.handle(event, this.now)];
    this.commands.push(...out);
    return out;
  }

  shape(pieces: number, final = true, which = content): readonly SchedulerCommand[] {
    const size = 256 * KIB;
    return this.send({ type: 'content-shaped', content: which, pieceSize: size, pieces, lastPieceSize: size, final });
  }

  join(
    host: string,
    options: { seed?: boolean; idc?: string; site?: Site; uploads?: boolean; up?: number; down?: number } = {},
  ): readonly SchedulerCommand[] {
    const { seed = false, idc = '', uploads = true, up, down } = options;
    const site = options.site ?? { idc, location: '', machine: host };
    return this.send({
      type: 'host-joined',
      host: id(host),
      site,
      seed,
      uploads,
      ...(up === undefined ? {} : { upBytesPerSecond: up }),
      ...(down === undefined ? {} : { downBytesPerSecond: down }),
    });
  }

  enter(
    host: string,
    held: Bitfield = new Bitfield(this.pieces),
    wants: Wants = 'all',
    window?: { from: number; count: number },
  ): readonly SchedulerCommand[] {
    return this.send({ type: 'peer-joined', host: id(host), content, held, wants, ...(window && { window }) });
  }

  assigns(): Assign[] {
    return this.commands.filter((command): command is Assign => command.type === 'assign');
  }

  /** The nth assignment so far. */
  assign(at: number): Assign {
    const assign = this.assigns().at(at);
    if (assign === undefined) throw new Error(`there is no assignment ${at}`);
    return assign;
  }

  advance(ms: number): readonly SchedulerCommand[] {
    this.now += ms;
    return this.send({ type: 'tick' });
  }

  held({ child, piece, lease }: Assign, millis = 10): readonly SchedulerCommand[] {
    return this.send({ type: 'piece-held', host: child, content, piece, lease, millis });
  }

  near({ child, piece, lease }: Assign): readonly SchedulerCommand[] {
    return this.send({ type: 'piece-near', host: child, content, piece, lease });
  }

  failed({ child, piece, lease }: Assign, fault: FaultOf): readonly SchedulerCommand[] {
    return this.send({ type: 'piece-failed', host: child, content, piece, lease, fault });
  }

  /** Answers every assignment, from this one on, with success until none is left. */
  runDry(from = 0): Assign[] {
    const done: Assign[] = [];
    for (let i = from; i < this.assigns().length; i++) {
      const assign = this.assign(i);
      this.held(assign);
      done.push(assign);
    }
    return done;
  }
}
