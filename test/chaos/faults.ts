/** Carries the plan out: each fault at its time, for its time, on whoever is fit for it then. */
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFault, type TestFault } from '../support/faulty/fault.ts';
import type { Field, Host, Machine, Redis, Supernode } from './field.ts';
import { quietly, until, wipe } from './field.ts';
import type { History } from './history.ts';
import type { Places } from './places.ts';
import type { FaultKind, PlannedFault } from './plan.ts';
import type { ChaosSource } from './source.ts';
import type { Mood } from './source-program.ts';

export type FaultParts = {
  readonly field: Field;
  readonly places: Places;
  readonly source: ChaosSource;
  readonly sourceMachine: Machine;
  readonly history: History;
  readonly tell: (line: string) => void;
};

/** Left on a full disk. Bytes. */
const LEFT_FREE = 64 * 1024;
const BLOCK = Buffer.alloc(256 * 1024, 7);
/** A machine that plays all hosts takes its time to start a program. */
const BACK_MS = 180_000;
const START_AGAIN_MS = 1_000;

export class Faults {
  readonly #parts: FaultParts;
  /** Machines and links that a fault is at work on. */
  readonly #busy = new Set<string>();
  readonly done = new Map<FaultKind, number>();
  /** The target was in another trouble already. */
  readonly skipped = new Map<FaultKind, number>();
  readonly leftOut = new Map<FaultKind, number>();
  readonly broken: string[] = [];

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  /** Resolves when the last one is over, or soon after `signal`. */
  async run(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const running: Promise<void>[] = [];
    for (const fault of plan) {
      await delay(Math.max(0, start + fault.atMs - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      running.push(this.#one(fault, signal));
    }
    await Promise.all(running);
  }

  async #one(fault: PlannedFault, signal: AbortSignal): Promise<void> {
    const { kind, target, forMs, way } = fault;
    const machine = this.#machine(kind, target);
    if (machine === undefined) return count(this.leftOut, kind);
    // Lies and full disks go with other trouble; of the rest one at a time per machine.
    const key = `${machine.name}${kind === 'agent-lie' || kind === 'agent-disk' ? kind : ''}`;
    if (this.#busy.has(key)) return count(this.skipped, kind);
    this.#busy.add(key);
    count(this.done, kind);
    this.#parts.tell(`${kind} ${machine.name} ${way} for ${(forMs / 1000).toFixed(1)} s`);
    try {
      const wait = () => delay(forMs, undefined, { signal }).catch(() => undefined);
      await this.#carryOut(fault, machine, wait);
    } catch (error) {
      if (!signal.aborted)
        this.broken.push(`${kind} ${machine.name}: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#busy.delete(key);
    }
  }

  /** Undefined when this machine cannot make such a fault. */
  #machine(kind: FaultKind, target: number): Machine | undefined {
    const { field, places, sourceMachine } = this.#parts;
    if (kind.endsWith('cut') && !places.canCut) return undefined;
    if (kind.startsWith('redis')) return field.redis;
    if (kind.startsWith('source')) return sourceMachine;
    if (kind.startsWith('supernode')) return field.supernodes[target];
    const host = field.hosts[target];
    return kind === 'agent-disk' && !host?.smallDisk ? undefined : host;
  }

  async #carryOut({ kind, way }: PlannedFault, machine: Machine, wait: () => Promise<void>): Promise<void> {
    const host = machine as Host;
    const supernode = machine as Supernode;
    switch (kind) {
      case 'agent-kill':
        return this.#killAgent(host, way, wait);
      case 'agent-pause':
        return this.#spell(host, kind, () => this.#pauseAgent(host), wait);
      case 'agent-lie':
        return this.#spell(host, kind, () => lie(host, way), wait);
      case 'agent-disk':
        return this.#spell(host, kind, () => fill(host), wait);
      case 'supernode-kill':
        return this.#killSupernode(supernode, { signal: 'SIGKILL', wiped: way === 'wipe' }, wait);
      case 'supernode-stop':
        return this.#killSupernode(supernode, { signal: 'SIGTERM', wiped: false }, wait);
      case 'supernode-pause':
      case 'redis-pause':
        return this.#spell(machine, kind, () => pause(machine as Supernode | Redis), wait);
      case 'agent-cut':
      case 'supernode-cut':
      case 'source-cut':
        return this.#spell(machine, kind, () => this.#parts.places.cut(machine.name, way), wait);
      case 'source-error':
        return this.#spell(machine, kind, () => this.#mood(way as Mood), wait);
      case 'redis-kill': {
        const { program } = machine as Redis;
        const over = this.#parts.history.begin('redis', kind);
        await program.kill();
        await wait();
        program.start();
        over();
      }
    }
  }

  /** Something is made wrong, and right again after the time. */
  async #spell({ party }: Machine, kind: FaultKind, begin: () => () => void, wait: () => Promise<void>): Promise<void> {
    const over = this.#parts.history.begin(party, kind);
    const mend = begin();
    await wait();
    quietly(mend);
    over();
  }

  #pauseAgent(host: Host): () => void {
    const pids = this.#parts.field.agentPids(host);
    for (const pid of pids) quietly(() => process.kill(pid, 'SIGSTOP'));
    return () => {
      for (const pid of pids) quietly(() => process.kill(pid, 'SIGCONT'));
    };
  }

  #mood(mood: Mood): () => void {
    const { source } = this.#parts;
    source.mood = mood;
    return () => {
      source.mood = 'well';
    };
  }

  /** The spell ends when the agent answers again, whoever started it. */
  async #killAgent(host: Host, way: string, wait: () => Promise<void>): Promise<void> {
    const { field, history } = this.#parts;
    const over = history.begin(host.party, 'agent-kill');
    host.down = true;
    host.keptBack.clear();
    const killed = field.agentPids(host);
    for (const pid of killed) quietly(() => process.kill(pid, 'SIGKILL'));
    // A dfget may have started the next one already.
    await until(BACK_MS, async () => field.agentPids(host).every((pid) => !killed.includes(pid)));
    await wait();
    // Where it is left to the next dfget, this may take a while; then the run starts it.
    if (way === 'leave') await until(BACK_MS / 4, async () => field.agentPids(host).length > 0);
    if (!(await this.#bringBack(host))) throw new Error('the agent did not come back');
    host.down = false;
    over();
  }

  /** As whoever looks after services does: one that ends at its start, since its disk is full for instance, is started again. */
  async #bringBack(host: Host): Promise<boolean> {
    const { field } = this.#parts;
    return until(BACK_MS, async () => {
      if (field.agentPids(host).length === 0) host.agent.start();
      return field.answers(host, START_AGAIN_MS);
    });
  }

  async #killSupernode(
    supernode: Supernode,
    { signal, wiped }: { readonly signal: NodeJS.Signals; readonly wiped: boolean },
    wait: () => Promise<void>,
  ): Promise<void> {
    const { field, history } = this.#parts;
    const over = history.begin(supernode.party, signal === 'SIGTERM' ? 'supernode-stop' : 'supernode-kill');
    supernode.down = true;
    await supernode.program.kill(signal);
    if (wiped) wipe(join(supernode.home));
    await wait();
    supernode.program.start();
    await field.ready(supernode);
    supernode.down = false;
    over();
  }
}

function pause({ program }: Supernode | Redis): () => void {
  program.pause();
  return () => program.resume();
}

function lie({ lies }: Host, way: string): () => void {
  setFault(lies, way as TestFault);
  return () => setFault(lies, undefined);
}

/** All but a little of the disk is somebody else's. */
function fill({ home }: Host): () => void {
  const path = join(home, 'filler');
  const fd = openSync(path, 'w');
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(home);
      const room = Math.min(BLOCK.length, bavail * bsize - LEFT_FREE);
      if (room <= 0 || writeSync(fd, BLOCK, 0, room) === 0) break;
    }
  } finally {
    closeSync(fd);
  }
  return () => rmSync(path, { force: true });
}

function count(map: Map<FaultKind, number>, kind: FaultKind): void {
  map.set(kind, (map.get(kind) ?? 0) + 1);
}
