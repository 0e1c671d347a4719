/**
 * The swarms that each host is in, and the turn that they take at its uplink: only swarms in which somebody wants
 * something have one, and each gives a like number of bytes before the next one does. Most hosts are in one such swarm at a
 * time, and then their row in `HostRows` says all of it.
 */
import { type HostRows, NOBODY } from './host-rows.ts';
import type { Swarm } from './swarm.ts';
import type { SwarmTable } from './swarm-table.ts';

class HostSwarms {
  readonly all = new Set<Swarm>();
  readonly active: Swarm[] = [];
  turn = 0;
  bytes = 0;
}

const NO_SWARMS: ReadonlySet<Swarm> = new Set();

export class SwarmsByHost {
  readonly #rows: HostRows;
  readonly #table: SwarmTable;
  readonly #byHost: (HostSwarms | undefined)[] = [];

  constructor(rows: HostRows, table: SwarmTable) {
    this.#rows = rows;
    this.#table = table;
  }

  all(host: number): ReadonlySet<Swarm> {
    return this.#byHost[host]?.all ?? NO_SWARMS;
  }

  /** How many of them want something. */
  activeCount(host: number): number {
    return this.#rows.active(host);
  }

  /** The nth of these. */
  active(host: number, at: number): Swarm | undefined {
    if (at === 0) return this.#table.at(this.#rows.firstActive(host));
    return this.#byHost[host]?.active[at];
  }

  /** Whose turn it is. */
  current(host: number): Swarm | undefined {
    const swarms = this.#rows.active(host) > 1 ? this.#byHost[host] : undefined;
    if (swarms === undefined) return this.active(host, 0);
    if (swarms.turn >= swarms.active.length) swarms.turn = 0;
    return swarms.active[swarms.turn];
  }

  /** `bytes` were given in the current swarm; the turn ends after the largest piece of any. */
  gave(host: number, bytes: number): void {
    const swarms = this.#rows.active(host) > 1 ? this.#byHost[host] : undefined;
    if (swarms === undefined) return;
    swarms.bytes += bytes;
    if (swarms.bytes >= largestPiece(swarms.active)) this.pass(host);
  }

  pass(host: number): void {
    const swarms = this.#rows.active(host) > 1 ? this.#byHost[host] : undefined;
    if (swarms === undefined) return;
    swarms.turn++;
    swarms.bytes = 0;
  }

  enter(host: number, swarm: Swarm): void {
    this.#of(host).all.add(swarm);
  }

  leave(host: number, swarm: Swarm): void {
    this.deactivate(host, swarm);
    this.#of(host).all.delete(swarm);
  }

  activate(host: number, swarm: Swarm): void {
    const { active } = this.#of(host);
    if (!active.includes(swarm)) active.push(swarm);
    this.#write(host, active);
  }

  deactivate(host: number, swarm: Swarm): void {
    const swarms = this.#of(host);
    const at = swarms.active.indexOf(swarm);
    if (at < 0) return;
    swarms.active.splice(at, 1);
    if (at < swarms.turn) swarms.turn--;
    this.#write(host, swarms.active);
  }

  forget(host: number): void {
    this.#byHost[host] = undefined;
    this.#rows.setActive(host, 0, NOBODY);
  }

  #of(host: number): HostSwarms {
    const known = this.#byHost[host];
    if (known !== undefined) return known;
    const swarms = new HostSwarms();
    this.#byHost[host] = swarms;
    return swarms;
  }

  #write(host: number, active: readonly Swarm[]): void {
    this.#rows.setActive(host, active.length, active[0]?.number ?? NOBODY);
  }
}

function largestPiece(swarms: readonly Swarm[]): number {
  let largest = 0;
  for (const swarm of swarms) largest = Math.max(largest, swarm.pieceSize);
  return largest;
}
