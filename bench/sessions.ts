/**
 * What the control plane of one supernode carries: light hosts with real sessions (sessions-program.ts, another process) that move no
 * bytes. The supernode's CPU seconds count, because the machine plays both sides.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Plan } from './plan.ts';
import { type Bench, rssMib } from './processes.ts';
import { fixed, MIB, row } from './table.ts';

/** Reports per CPU second. */
const WANTED = 100_000;
const INVENTORY_HOSTS = 10_000;
const INVENTORY_CONTENTS = 10;
/** V8 frees what connecting has left behind some ten seconds after it, when it sees that nothing happens. */
const IDLE_MS = 30_000;

type Step = { readonly [name: string]: unknown };

/** The load program, step by step. */
class Load {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(bench: Bench, mode: string, hosts: number, amount = 0, url = 'http://127.0.0.1:1/none') {
    const args = [`${bench.root}/bench/sessions-program.ts`, mode, bench.node, `${hosts}`, `${amount}`, url];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async step(): Promise<Step> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the load program ended early');
    return JSON.parse(value) as Step;
  }

  goOn(): void {
    this.#child.stdin.write('\n');
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.goOn();
    await ended;
  }
}

export async function sessions(bench: Bench, plan: Plan): Promise<void> {
  await idle(bench, plan.hosts);
  await reports(bench, plan.hosts);
  await inventories(bench);
}

async function idle(bench: Bench, hosts: number): Promise<void> {
  const supernode = await bench.supernode();
  // The first sessions also pay for code that is compiled then, and from 256 hosts on a supernode lets its heap for what is young grow, once.
  const warm = new Load(bench, 'idle', 300);
  await warm.step();
  await warm.end();
  const before = rssMib(supernode);
  const load = new Load(bench, 'idle', hosts);
  await load.step();
  const kib = (): string => fixed(((rssMib(supernode) - before) * 1024) / hosts, 1);
  const atOnce = kib();
  await delay(IDLE_MS);
  const what = `${hosts} hosts, idle for ${IDLE_MS / 1000} s: resident memory of the supernode per host, KiB`;
  row(what, kib(), 'at most 30', `${atOnce} when they had just come`);
  await load.end();
}

/** One supernode, three contents after each other: the first finds code that has not been compiled yet. */
async function reports(bench: Bench, hosts: number): Promise<void> {
  const supernode = await bench.supernode();
  await drive(bench, supernode, { hosts, mib: 64, perSecond: 0 });
  const most = await drive(bench, supernode, { hosts, mib: 128, perSecond: 0 });
  await drive(bench, supernode, { hosts, mib: 128, perSecond: Math.round(Math.min(WANTED, most) / 2) });
}

type Drive = {
  readonly hosts: number;
  /** Size of the content. */
  readonly mib: number;
  /** 0 = as many as it can. */
  readonly perSecond: number;
};

let contents = 0;

/** Gives reports per CPU second of the supernode. */
async function drive(bench: Bench, supernode: number, { hosts, mib, perSecond }: Drive): Promise<number> {
  const file = `sessions${contents++}`;
  bench.sample(file, mib * MIB);
  bench.warmMemory();
  const load = new Load(bench, 'drive', hosts, perSecond, bench.url(file));
  // What is measured is the control plane, not how fast a source is read.
  await load.step();
  await bench.cached(bench.url(file));
  const probe = perSecond === 0 ? undefined : new Load(bench, 'probe', 1);
  await probe?.step();
  load.goOn();
  const { pieces } = await load.step();
  const before = bench.usage(supernode).cpu;
  probe?.goOn();
  load.goOn();
  const { reports, seconds, frames, p99, p50 } = (await load.step()) as Record<string, number>;
  const cpu = bench.usage(supernode).cpu - before;
  const asked = await probed(probe);
  await load.end();
  const rate = (reports ?? 0) / cpu;
  const what = `${hosts} hosts, ${String(pieces)} pieces`;
  const perFrame = `${fixed((reports ?? 0) / (frames ?? 1), 1)} per message; ${fixed(seconds ?? 0, 1)} s`;
  if (perSecond === 0) {
    row(`${what}: reports per CPU second of the supernode`, `${fixed(rate / 1000, 1)} k`, 'at least 100 k', perFrame);
    row(`${what}: reports per second meanwhile`, `${fixed((reports ?? 0) / (seconds ?? 1) / 1000, 1)} k`);
    return rate;
  }
  const pace = `${what}, ${fixed((reports ?? 0) / (seconds ?? 1) / 1000, 1)} k reports/s`;
  row(`${pace}: a host's question is answered after, ms`, asked, 'p99 at most 20');
  // This waits for a free place at some parent too, which no supernode can hasten.
  row(
    `${pace}: from a report to more pieces, ms`,
    `p50 ${fixed(p50 ?? 0, 1)}, p99 ${fixed(p99 ?? 0, 1)}`,
    '',
    perFrame,
  );
  return rate;
}

/** Ends the probe; what it saw. */
async function probed(probe: Load | undefined): Promise<string> {
  if (probe === undefined) return '';
  probe.goOn();
  const { p50, p99 } = (await probe.step()) as Record<string, number>;
  await probe.end();
  return `p50 ${fixed(p50 ?? 0, 1)}, p99 ${fixed(p99 ?? 0, 1)}`;
}

async function inventories(bench: Bench): Promise<void> {
  bench.warmMemory();
  const supernode = await bench.supernode();
  const before = bench.usage(supernode).cpu;
  const load = new Load(bench, 'inventories', INVENTORY_HOSTS, INVENTORY_CONTENTS);
  const { seconds } = (await load.step()) as Record<string, number>;
  const cpu = bench.usage(supernode).cpu - before;
  const what = `${INVENTORY_HOSTS} hosts connect and offer ${INVENTORY_CONTENTS} contents each`;
  row(`${what}: s until all is known`, fixed(seconds ?? 0), 'at most 5', `${fixed(cpu)} CPU s of the supernode`);
  await load.end();
}
