/**
 * The shell around the real scheduler: hands events in, carries commands out over the simulated wires, and gets what is
 * starved from the source again. A restart is a new scheduler that knows nothing.
 */
import type { Random } from '../base/random.ts';
import type { SchedulerCommand, SchedulerCore, SchedulerEvent } from '../scheduler/events.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { EventQueue } from './event-queue.ts';
import type { SimOptions } from './options.ts';
import { type Accused, Referee } from './referee.ts';

export type Wires = {
  readonly queue: EventQueue;
  carryOut(supernode: SimSupernode, command: SchedulerCommand): void;
  saw(supernode: SimSupernode, what: SchedulerEvent | SchedulerCommand): void;
  /** A child's word of wrong bytes has changed nothing. */
  unheard(accused: Accused): void;
};

/** Makes the scheduler under test; the test of the simulator puts bugs in here. */
export type SchedulerMaker = (settings: ConstructorParameters<typeof Scheduler>[0]) => Scheduler;

export class SimSupernode {
  readonly index: number;
  readonly referee: Referee;
  scheduler: Scheduler;
  decisions = 0;
  events = 0;
  /** Added to the simulated time: what this machine's clock shows. */
  clockOffset = 0;
  readonly #wires: Wires;
  readonly #options: SimOptions;
  readonly #random: Random;
  readonly #make: SchedulerMaker;
  #wake = 0;
  #inbox: SchedulerEvent[] = [];

  constructor(index: number, options: SimOptions, random: Random, wires: Wires, make: SchedulerMaker) {
    this.index = index;
    this.#options = options;
    this.#random = random;
    this.#wires = wires;
    this.#make = make;
    this.scheduler = this.#newScheduler();
    this.referee = new Referee(options.check);
  }

  get core(): SchedulerCore {
    return this.scheduler;
  }

  restart(): void {
    this.scheduler = this.#newScheduler();
    this.referee.reset();
    this.#inbox = [];
    this.#wake++;
  }

  /** What comes at the same instant is handed in together, as by a process that reads all its sockets and then decides. */
  receive(event: SchedulerEvent): void {
    this.#inbox.push(event);
    if (this.#inbox.length === 1) this.#wires.queue.after(0, () => this.decide());
  }

  /** Hands in what has come so far. */
  decide(): void {
    const events = this.#inbox;
    if (events.length === 0) return;
    this.#inbox = [];
    const now = this.#wires.queue.now + this.clockOffset;
    this.events += events.length;
    for (const event of events) {
      this.#wires.saw(this, event);
      this.referee.before(event, now);
    }
    for (const command of this.scheduler.handleAll(events, now)) {
      if (command.type === 'assign') this.decisions++;
      this.#wires.saw(this, command);
      this.referee.command(command, now);
      if (command.type === 'wake-at') this.#wakeAt(command.time - this.clockOffset);
      else this.#wires.carryOut(this, command);
    }
    for (const accused of this.referee.after(this.scheduler.state)) this.#wires.unheard(accused);
  }

  #wakeAt(time: number): void {
    const wake = ++this.#wake;
    // A clock that jumped must not make the shell sleep for hours: real shells cap their timers too.
    this.#wires.queue.at(Math.min(time, this.#wires.queue.now + 1000), () => {
      if (wake === this.#wake) this.receive({ type: 'tick' });
    });
  }

  #newScheduler(): Scheduler {
    return this.#make({ random: this.#random, ...this.#options.limits });
  }
}
