/** Small files: one dfget each, many by one dfget, and the time that the programs take to start. */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import type { Plan } from './plan.ts';
import { type Bench, good } from './processes.ts';
import { fixed, median, row } from './table.ts';

const FILE_BYTES = 4096;

export async function small(bench: Bench, plan: Plan): Promise<void> {
  const { files } = plan;
  const supernode = await bench.supernode();
  const agent = await bench.agent('127.0.9.2');
  mkdirSync(`${bench.dir}/www/small`);
  for (let i = 0; i < files; i++) bench.sample(`small/${i}`, FILE_BYTES);
  const get = (name: string, to: string) => bench.dfget(agent, '-u', bench.url(name), '-o', to, '--no-sync');
  // An agent is resident: what follows is not its first work.
  for (let i = 0; i < 20; i++) good(await get(`small/0?${i}`, `${agent.home}/first`));
  const before = bench.usage(agent.pid).cpu;
  const walls: number[] = [];
  for (let i = 0; i < files; i++) walls.push(good(await get(`small/${i}`, `${agent.home}/s${i}`)).wall);
  const cost = ((bench.usage(agent.pid).cpu - before) / files) * 1000;
  const what = `${files} files of 4 KiB`;
  row(`${what}, one dfget each, median exec to exit, ms`, fixed(median(walls) * 1000, 0), 'at most 80');
  row(`${what}, one dfget each, CPU of the agent per file, ms`, fixed(cost), 'at most 3');
  // Each batch has a folder of its own: ext4 passes over files that were deleted within the last minutes, one by one, whenever it makes one.
  const rates = { cold: [] as number[], warm: [] as number[], synced: [] as number[] };
  const costs: number[] = [];
  for (let run = 0; run < plan.runs; run++) {
    const usage = () => bench.usage(agent.pid).cpu + bench.usage(supernode).cpu;
    const at = usage();
    rates.cold.push(await batch(bench, { files, query: `cold${run}`, flags: ['--no-sync'] }, agent));
    costs.push(((usage() - at) / files) * 1000);
    rates.warm.push(await batch(bench, { files, query: `cold${run}`, flags: ['--no-sync'] }, agent));
    rates.synced.push(await batch(bench, { files, query: `cold${run}`, flags: [] }, agent));
  }
  const line = (how: string, list: readonly number[], beside: string): void =>
    row(`${what} by one dfget --input-file, ${how}, files/s`, fixed(median(list), 0), beside);
  line('read from the source now', rates.cold, 'at least 500');
  row(`${what} by one dfget, CPU of agent and supernode per file, ms`, fixed(median(costs)));
  line('known to the supernode', rates.warm, 'at least 500');
  line('known to the supernode, each output synced', rates.synced, '');
}

type Batch = { readonly files: number; readonly query: string; readonly flags: readonly string[] };

/** Files per second from exec to exit. */
async function batch(
  bench: Bench,
  { files, query, flags }: Batch,
  agent: Parameters<Bench['end']>[0],
): Promise<number> {
  const folder = mkdtempSync(`${bench.dir}/batch-`);
  const lines = Array.from({ length: files }, (_, i) => `${bench.url(`small/${i}`)}?${query} ${folder}/${i}`);
  writeFileSync(`${bench.dir}/list`, `${lines.join('\n')}\n`);
  const { wall } = good(await bench.dfget(agent, '--input-file', `${bench.dir}/list`, ...flags));
  if (readdirSync(folder).length !== files) throw new Error('the batch left files out');
  return files / wall;
}

export async function start(bench: Bench, plan: Plan): Promise<void> {
  const times = { version: [] as number[], agent: [] as number[], supernode: [] as number[], node: [] as number[] };
  for (let run = 0; run < Math.max(5, plan.runs); run++) {
    times.node.push(good(await bench.timed([process.execPath, '-e', '0'])).wall * 1000);
    times.version.push(
      good(await bench.timed([process.execPath, `${bench.root}/bin/dfget.mjs`, 'version'])).wall * 1000,
    );
    let at = performance.now();
    await bench.supernode();
    times.supernode.push(performance.now() - at);
    at = performance.now();
    const agent = await bench.agent(`127.0.8.${run + 2}`);
    times.agent.push(performance.now() - at);
    await bench.end(agent);
  }
  row(
    'time to start: dfget version, ms',
    fixed(median(times.version), 0),
    `node -e 0: ${fixed(median(times.node), 0)}`,
  );
  row('time to start: agent, until it answers, ms', fixed(median(times.agent), 0));
  row('time to start: supernode, until it is ready, ms', fixed(median(times.supernode), 0));
}
