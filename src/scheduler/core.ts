/** The state that the parts of the scheduler share, and the queue of hosts that may have become useful. */
import type { Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { SchedulerCommand } from './events.ts';
import { type HostRows, HUNGRY, READY } from './host-rows.ts';
import type { SwarmsByHost } from './host-swarms.ts';
import type { Host, HostTable } from './host-table.ts';
import type { Lease, Leases } from './leases.ts';
import type { Limits } from './limits.ts';
import type { Pairs } from './pairs.ts';
import type { SwarmTable } from './swarm-table.ts';

export type Core = {
  readonly limits: Limits;
  readonly random: Random;
  readonly hosts: HostTable;
  readonly swarms: SwarmTable;
  readonly swarmsOf: SwarmsByHost;
  readonly leases: Leases;
  readonly pairs: Pairs;
  readonly ready: ReadyHosts;
  readonly isolated: Set<Host>;
  /** Hosts that give nothing of some content. */
  readonly excluded: Set<Host>;
  /** What was begun in this round. */
  readonly fresh: Lease[];
  /** The time of the call that is running, and its commands. */
  now: Millis;
  out: SchedulerCommand[];
};

/** Indexes of hosts. Whoever takes the lists to work on them clears the flags. */
export class ReadyHosts {
  readonly #rows: HostRows;
  /** They may have room to give, or something new to give. */
  parents: number[] = [];
  /** They may have room to take, or something new to want. */
  children: number[] = [];

  constructor(rows: HostRows) {
    this.#rows = rows;
  }

  wakeParent(host: number): void {
    if (this.#rows.is(host, READY)) return;
    this.#rows.set(host, READY, true);
    this.parents.push(host);
  }

  wakeChild(host: number): void {
    if (this.#rows.is(host, HUNGRY)) return;
    this.#rows.set(host, HUNGRY, true);
    this.children.push(host);
  }

  get empty(): boolean {
    return this.parents.length === 0 && this.children.length === 0;
  }
}
