/**
 * Where a host stands, in a form in which two can be compared millions of times: texts are compared only when their numbers are
 * equal. Nearness is a tie-break, smaller than one piece.
 */
import type { Site } from '../protocol/host.ts';

const LEVELS = 8;

export class Place {
  readonly machine: string;
  readonly location: string;
  readonly levels: readonly string[];
  /** Of the machine's name; different numbers are different machines. 0 = no machine said. */
  readonly machineNumber: number;
  /** 0 = no location said. */
  readonly locationNumber: number;

  constructor(site: Site) {
    this.machine = site.machine;
    this.location = site.location;
    this.levels = site.location.split('|', LEVELS);
    this.machineNumber = numberOf(site.machine);
    this.locationNumber = numberOf(site.location);
  }
}

/** 0 = nothing in common, up to (but not) 1 for the same machine. */
export function nearness(a: Place, b: Place): number {
  if (a.machineNumber !== 0 && a.machineNumber === b.machineNumber && a.machine === b.machine) return 0.9;
  if (a.locationNumber === 0 || b.locationNumber === 0) return 0;
  if (a.locationNumber === b.locationNumber && a.location === b.location) return 0.8;
  let common = 0;
  while (common < a.levels.length && a.levels[common] === b.levels[common]) common++;
  return (common / LEVELS) * 0.7;
}

/** FNV-1a over the text's units; 0 only for the empty text. */
function numberOf(text: string): number {
  if (text === '') return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 1;
}

/** Of the peers of one swarm: whether two of them can be near each other at all, without looking at either host. */
export class Places {
  #machines = new Int32Array(8);
  #locations = new Int32Array(8);

  set(peer: number, place: Place): void {
    if (peer >= this.#machines.length) this.#grow(peer + 1);
    this.#machines[peer] = place.machineNumber;
    this.#locations[peer] = place.locationNumber;
  }

  mayBeNear(a: number, b: number): boolean {
    const machine = this.#machines[a] ?? 0;
    if (machine !== 0 && machine === this.#machines[b]) return true;
    return (this.#locations[a] ?? 0) !== 0 && (this.#locations[b] ?? 0) !== 0;
  }

  get bytes(): number {
    return this.#machines.length * 8;
  }

  #grow(peers: number): void {
    const room = Math.max(peers, Math.ceil(this.#machines.length * 1.5));
    const machines = new Int32Array(room);
    machines.set(this.#machines);
    this.#machines = machines;
    const locations = new Int32Array(room);
    locations.set(this.#locations);
    this.#locations = locations;
  }
}
