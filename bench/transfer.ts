/** Large contents: agents beside nginx and curl, one client alone, and the hand-over of what is there already. */
import { hash } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { Plan } from './plan.ts';
import { type Agent, type Bench, good, type Timed } from './processes.ts';
import { fixed, MIB, median, row } from './table.ts';

/** An agent is resident: it has moved something before. */
const WARM_UP_MIB = 64;

async function curl(bench: Bench, name: string, output: string): Promise<Timed> {
  return good(await bench.timed(['curl', '-sf', '-o', output, bench.url(name)]));
}

type Cost = { readonly cpu: number; readonly wall: number; readonly ends: readonly number[] };

/** CPU seconds of everything ours, the clients included, while `work` runs; `ends` per process. */
async function costOf(bench: Bench, pids: readonly number[], work: () => Promise<Timed[]>): Promise<Cost> {
  const before = pids.map((pid) => bench.usage(pid).cpu);
  const started = performance.now();
  const clients = await work();
  const wall = (performance.now() - started) / 1000;
  const ends = pids.map((pid, at) => bench.usage(pid).cpu - (before[at] ?? 0));
  const cpu = [...ends, ...clients.map((client) => client.cpu)].reduce((sum, each) => sum + each, 0);
  return { cpu, wall, ends };
}

/** What sha256 over the same pieces costs by itself in this run, CPU seconds per GiB. */
function hashShare(): number {
  const piece = Buffer.alloc(2 * MIB, 7);
  const before = process.cpuUsage();
  for (let i = 0; i < 256; i++) hash('sha256', piece, 'buffer');
  const used = process.cpuUsage(before);
  return ((used.user + used.system) / 1e6) * 2;
}

/** One or more agents take a content from another agent, which holds all of it; nginx and as many curls do the same. */
export async function fan(bench: Bench, plan: Plan, count: number): Promise<void> {
  const name = `fan${count}`;
  const supernode = await bench.supernode();
  bench.sample(name, plan.mib * MIB);
  const holder = await bench.agent('127.0.0.2');
  good(await bench.dfget(holder, '-u', bench.url(name), '-o', `${bench.dir}/holder`, '--no-sync'));
  const ours: (Cost & { peak: number })[] = [];
  const others: Cost[] = [];
  const shares: number[] = [];
  for (let run = 0; run < plan.runs; run++) {
    const agents: Agent[] = [];
    for (let i = 0; i < count; i++) agents.push(await bench.agent(`127.0.${run + 1}.${i + 3}`));
    await warmUp(bench, agents, `up${run}`);
    bench.warmMemory();
    const pids = [holder.pid, supernode, ...agents.map((agent) => agent.pid)];
    const mine = await costOf(bench, pids, () =>
      Promise.all(
        agents.map(async (agent) =>
          good(await bench.dfget(agent, '-u', bench.url(name), '-o', `${agent.home}/out`, '--no-sync')),
        ),
      ),
    );
    ours.push({ ...mine, peak: Math.max(...agents.map((agent) => bench.usage(agent.pid).peakMib)) });
    for (const agent of agents) await bench.end(agent);
    const outputs = agents.map((_, at) => `${bench.dir}/curl${at}`);
    bench.warmMemory();
    others.push(
      await costOf(bench, [bench.nginxPid], () => Promise.all(outputs.map((output) => curl(bench, name, output)))),
    );
    for (const output of outputs) rmSync(output);
    shares.push(hashShare());
  }
  tellFan(plan, count, { ours, others, share: median(shares) });
}

async function warmUp(bench: Bench, agents: readonly Agent[], name: string): Promise<void> {
  bench.sample(name, WARM_UP_MIB * MIB);
  for (const agent of agents) {
    good(await bench.dfget(agent, '-u', bench.url(name), '-o', `${agent.home}/${name}`, '--no-sync'));
  }
}

type Measured = {
  readonly ours: readonly (Cost & { peak: number })[];
  readonly others: readonly Cost[];
  readonly share: number;
};

function tellFan(plan: Plan, count: number, { ours, others, share }: Measured): void {
  const gib = (plan.mib / 1024) * count;
  const per = (list: readonly Cost[], of: (cost: Cost) => number): number => median(list.map(of)) / gib;
  const cpu = per(ours, (cost) => cost.cpu);
  const other = per(others, (cost) => cost.cpu);
  const what = `${count === 1 ? 'agent to agent' : `agent to ${count} agents`}, ${plan.mib} MiB`;
  row(`${what}, CPU s/GiB, all processes`, fixed(cpu), `nginx + curl -o ${fixed(other)}`, fixed(cpu / other));
  const rest = `sha256 alone, measured in this run: ${fixed(share)}`;
  row(`${what}, the same less the hash's share`, fixed(cpu - share), rest, fixed((cpu - share) / other));
  const taking = (cost: Cost): number => cost.ends.slice(2).reduce((sum, each) => sum + each, 0);
  const parts = [
    per(ours, (cost) => cost.ends[0] ?? 0),
    per(ours, (cost) => cost.ends[1] ?? 0),
    per(ours, taking),
    per(ours, (cost) => cost.cpu - cost.ends.reduce((sum, each) => sum + each, 0)),
  ];
  const server = per(others, (cost) => cost.ends[0] ?? 0);
  row(
    `${what}, per end: giving agent, supernode, taking agents, dfget`,
    parts.map((part) => fixed(part)).join(', '),
    `nginx, curl: ${fixed(server)}, ${fixed(other - server)}`,
  );
  const rate = (list: readonly Cost[]): number => (gib * 1024) / median(list.map((each) => each.wall));
  row(`${what}, MiB/s altogether`, fixed(rate(ours), 0), fixed(rate(others), 0), fixed(rate(ours) / rate(others)));
  row(`${what}, peak RSS of a taking agent, MiB`, fixed(median(ours.map((each) => each.peak)), 0), 'at most 150');
}

/** One client alone: cold, then with the supernode's cache warm, then with its own agent warm. */
export async function single(bench: Bench, plan: Plan): Promise<void> {
  const mib = Math.min(256, plan.mib);
  const all = { cold: [] as number[], warm: [] as number[], again: [] as number[], plain: [] as number[] };
  await bench.supernode();
  const get = async (agent: Agent, name: string, to: string): Promise<number> =>
    good(await bench.dfget(agent, '-u', bench.url(name), '-o', `${agent.home}/${to}`, '--no-sync')).wall;
  for (let run = 0; run < plan.runs; run++) {
    const name = `single${run}`;
    bench.sample(name, mib * MIB);
    const first = await bench.agent(`127.0.${run + 1}.2`);
    const second = await bench.agent(`127.0.${run + 1}.3`);
    // What is cold is the content: the agents have moved another one before, as agents on real hosts have.
    await warmUp(bench, [first, second], `before${run}`);
    bench.warmMemory();
    all.plain.push((await curl(bench, name, `${bench.dir}/curl`)).wall);
    bench.warmMemory();
    all.cold.push(await get(first, name, 'out'));
    await bench.end(first);
    bench.warmMemory();
    all.warm.push(await get(second, name, 'out'));
    all.again.push(await get(second, name, 'again'));
    await bench.end(second);
    rmSync(`${bench.dir}/curl`);
  }
  const base = median(all.plain);
  const line = (what: string, list: readonly number[], most: string): void =>
    row(
      `one client alone, ${mib} MiB, ${what}, s`,
      fixed(median(list)),
      `curl -o ${fixed(base)}`,
      `${fixed(median(list) / base)} (${most})`,
    );
  line('all cold but the agent', all.cold, 'at most 3');
  line("supernode's cache warm", all.warm, 'at most 1.6');
  line('its own agent warm', all.again, '');
}

/** What a warm agent reads and writes itself to make one more output of a content that it holds. */
export async function handOver(bench: Bench, plan: Plan): Promise<void> {
  await bench.supernode();
  bench.sample('held', plan.mib * MIB);
  const agent = await bench.agent('127.0.6.2');
  const get = async (to: string, ...flags: string[]): Promise<Timed> =>
    good(await bench.dfget(agent, '-u', bench.url('held'), '-o', `${bench.dir}/${to}`, '--no-sync', ...flags));
  await get('first');
  const walls: number[] = [];
  const copies: number[] = [];
  const bytes: number[] = [];
  for (let run = 0; run < plan.runs; run++) {
    const before = bench.moved(agent.pid);
    walls.push((await get(`more${run}`)).wall);
    const after = bench.moved(agent.pid);
    bytes.push(after.read - before.read + after.written - before.written);
    copies.push((await get('copy', '--copy')).wall);
    rmSync(`${bench.dir}/copy`);
  }
  // To remove a link changes the file's times as a hidden change of its bytes would: what is left is checked before it is given again.
  const checked: number[] = [];
  for (let run = 0; run < plan.runs; run++) {
    rmSync(`${bench.dir}/more${run}`);
    checked.push((await get('next')).wall);
  }
  const what = `one more output of ${plan.mib} MiB by a warm agent`;
  row(`${what}: KiB through its read and write calls`, fixed(median(bytes) / 1024, 0), 'requests alone');
  row(`${what}, s`, fixed(median(walls)));
  row(`${what}, --copy (made by the kernel), s`, fixed(median(copies)));
  row(
    `${what}, an output before having been removed (all is hashed first, where outputs are links), s`,
    fixed(median(checked)),
  );
}
