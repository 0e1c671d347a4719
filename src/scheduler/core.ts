/** The state that the parts of the scheduler share, and the queue of hosts that may have become useful. */
import type { Random } from '../base/random.ts';
import type { ContentId } from '../protocol/ids.ts';
import type { SchedulerCommand } from './events.ts';
import type { SwarmsByHost } from './host-swarms.ts';
import type { Host, HostTable } from './host-table.ts';
import type { Lease, Leases } from './leases.ts';
import type { Limits } from './limits.ts';
import type { Pairs } from './pairs.ts';
import type { Swarm } from './swarm.ts';

export type Core = {
  readonly limits: Limits;
  readonly random: Random;
  readonly hosts: HostTable;
  readonly swarms: Map<ContentId, Swarm>;
  readonly swarmsOf: SwarmsByHost;
  readonly leases: Leases;
  readonly pairs: Pairs;
  readonly ready: ReadyHosts;
  readonly isolated: Set<Host>;
  /** Hosts that give nothing of some content. */
  readonly excluded: Set<Host>;
  /** What was begun in this round. */
  readonly fresh: Lease[];
  /** Commands of the call that is running. */
  out: SchedulerCommand[];
};

export class ReadyHosts {
  /** They may have room to give, or something new to give. */
  parents: Host[] = [];
  /** They may have room to take, or something new to want. */
  children: Host[] = [];

  wakeParent(host: Host): void {
    if (host.ready) return;
    host.ready = true;
    this.parents.push(host);
  }

  wakeChild(host: Host): void {
    if (host.hungry) return;
    host.hungry = true;
    this.children.push(host);
  }

  get empty(): boolean {
    return this.parents.length === 0 && this.children.length === 0;
  }
}
