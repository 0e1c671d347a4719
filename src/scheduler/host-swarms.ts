/**
 * The swarms that one host is in, and the turn that they take at its uplink: only swarms in which somebody wants
 * something have one, and each gives a like number of bytes before the next one does.
 */
import type { Host } from './host-table.ts';
import type { Swarm } from './swarm.ts';

export class HostSwarms {
  readonly all = new Set<Swarm>();
  readonly active: Swarm[] = [];
  #turn = 0;
  #bytes = 0;

  /** Whose turn it is. */
  get current(): Swarm | undefined {
    if (this.#turn >= this.active.length) this.#turn = 0;
    return this.active[this.#turn];
  }

  /** `bytes` were given in the current swarm; with more than one, the turn ends after the largest piece of any. */
  gave(bytes: number): void {
    this.#bytes += bytes;
    if (this.active.length === 1 || this.#bytes >= this.#largestPiece()) this.pass();
  }

  pass(): void {
    this.#turn++;
    this.#bytes = 0;
  }

  activate(swarm: Swarm): void {
    if (!this.active.includes(swarm)) this.active.push(swarm);
  }

  deactivate(swarm: Swarm): void {
    const at = this.active.indexOf(swarm);
    if (at < 0) return;
    this.active.splice(at, 1);
    if (at < this.#turn) this.#turn--;
  }

  #largestPiece(): number {
    let largest = 0;
    for (const swarm of this.active) largest = Math.max(largest, swarm.pieceSize);
    return largest;
  }
}

export class SwarmsByHost {
  readonly #byIndex: (HostSwarms | undefined)[] = [];

  of(host: Host): HostSwarms {
    const known = this.#byIndex[host.index];
    if (known !== undefined) return known;
    const swarms = new HostSwarms();
    this.#byIndex[host.index] = swarms;
    return swarms;
  }

  forget(host: Host): void {
    this.#byIndex[host.index] = undefined;
  }
}
