/** Memory and descriptors of every process of the run, sampled all the time; and whether they only grow. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Field } from './field.ts';
import type { Party } from './history.ts';

export type Sampled = { readonly at: number; readonly rssMib: number; readonly descriptors: number };
export type Life = { readonly party: Party; readonly pid: number; readonly samples: Sampled[] };

const EVERY_MS = 2_000;
/** A process that lived shorter has shown nothing about growth. */
const LEAST_LIFE_MS = 150_000;
/** Start, and the first time that everything is used. */
const WARM_UP_MS = 60_000;
const GROWTH = 1.25;
const GROWTH_MIB = 40;
/** Whatever it does, it needs no more. */
export const MOST_RSS_MIB = 400;

export class Watch {
  readonly #field: Field;
  readonly #now: () => number;
  readonly lives = new Map<number, Life>();
  #timer: NodeJS.Timeout | undefined;
  /** Processes that ended although nobody ended them. */
  readonly lost: string[] = [];

  constructor(field: Field, now: () => number) {
    this.#field = field;
    this.#now = now;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get peakMib(): ReadonlyMap<string, number> {
    const peaks = new Map<string, number>();
    for (const { party, samples } of this.lives.values()) {
      const kind = party.split(' ')[0] ?? '';
      peaks.set(kind, Math.max(peaks.get(kind) ?? 0, ...samples.map(({ rssMib }) => rssMib)));
    }
    return peaks;
  }

  look(): void {
    const { hosts, supernodes } = this.#field;
    for (const machine of [...hosts, ...supernodes]) {
      const pids = this.#field.pidsOf(machine.party);
      if (pids.length === 0 && !machine.down) {
        machine.down = true;
        this.lost.push(`${machine.party} ended by itself; see ${machine.name}.log`);
      }
      for (const pid of pids) this.#sample(machine.party, pid);
    }
  }

  #sample(party: Party, pid: number): void {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const rssMib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      const descriptors = readdirSync(`/proc/${pid}/fd`).length;
      const life = this.lives.get(pid) ?? { party, pid, samples: [] };
      this.lives.set(pid, life);
      life.samples.push({ at: this.#now(), rssMib, descriptors });
    } catch {
      // it ended meanwhile
    }
  }
}

/** What grows in a life, or undefined. */
export function growthOf({ party, pid, samples }: Life): string | undefined {
  const peak = Math.max(0, ...samples.map(({ rssMib }) => rssMib));
  if (peak > MOST_RSS_MIB) return `${party} (${pid}) had ${peak.toFixed(0)} MiB`;
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < LEAST_LIFE_MS) return undefined;
  const warm = samples.filter(({ at }) => at >= first.at + WARM_UP_MS);
  const half = warm.length >> 1;
  const [early, late] = [mean(warm.slice(0, half)), mean(warm.slice(half))];
  if (late <= Math.max(early * GROWTH, early + GROWTH_MIB)) return undefined;
  return `${party} (${pid}) grew from ${early.toFixed(0)} to ${late.toFixed(0)} MiB`;
}

function mean(samples: readonly Sampled[]): number {
  return samples.reduce((sum, { rssMib }) => sum + rssMib, 0) / Math.max(1, samples.length);
}

export type Descriptors = { readonly sockets: number; readonly deleted: readonly string[]; readonly other: number };

/** What a process has open: sockets, files that nobody can see any more, and the rest. */
export function descriptorsOf(pid: number): Descriptors {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
  const sockets = links.filter((link) => link.startsWith('socket:')).length;
  const deleted = links.filter((link) => link.endsWith(' (deleted)') && link.startsWith('/'));
  return { sockets, deleted, other: links.length - sockets - deleted.length };
}
