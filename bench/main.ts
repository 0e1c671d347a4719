/**
 * `npm run bench [-- --runs 5 --only pair,fan,single,small,start,limit,dfdaemon]`: ours against nginx and curl on the same work in one run, as
 * one table of medians. CPU seconds count more than wall time: a machine of two cores that plays all parts is noisy.
 */
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { dfdaemon } from './dfdaemon.ts';
import { type Agent, Bench, installed, median, type Timed } from './processes.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: 'pair,fan,single,small,start,limit,dfdaemon' },
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '500' },
  },
});
const runs = Number(values.runs);
const mib = Number(values.mib);
const MIB = 1024 * 1024;

function row(what: string, ours: string, other: string, ratio: string): void {
  process.stdout.write(`| ${what} | ${ours} | ${other} | ${ratio} |\n`);
}

function fixed(value: number, digits = 2): string {
  return value.toFixed(digits);
}

function good(timed: Timed): Timed {
  if (timed.code !== 0) throw new Error(`a command ended with ${timed.code}: ${timed.output.slice(-500)}`);
  return timed;
}

async function curl(bench: Bench, name: string, output: string): Promise<Timed> {
  rmSync(output, { force: true });
  return good(await bench.timed(['curl', '-sf', '-o', output, bench.url(name)]));
}

/** CPU seconds of everything ours, the clients included, while `work` runs. */
async function cpuOf(
  bench: Bench,
  pids: readonly number[],
  work: () => Promise<Timed[]>,
): Promise<{ cpu: number; wall: number }> {
  const before = pids.reduce((sum, pid) => sum + bench.usage(pid).cpu, 0);
  const started = performance.now();
  const clients = await work();
  const wall = (performance.now() - started) / 1000;
  const after = pids.reduce((sum, pid) => sum + bench.usage(pid).cpu, 0);
  return { cpu: after - before + clients.reduce((sum, client) => sum + client.cpu, 0), wall };
}

/** What sha256 over the same pieces costs by itself, CPU seconds per GiB. */
function hashShare(): number {
  const piece = Buffer.alloc(2 * MIB, 7);
  const before = process.cpuUsage();
  for (let i = 0; i < 256; i++) hash('sha256', piece, 'buffer');
  const used = process.cpuUsage(before);
  return ((used.user + used.system) / 1e6) * 2;
}

/** One or more agents take a content that the swarm already holds; nginx and as many curls do the same. */
async function fan(bench: Bench, count: number): Promise<void> {
  const name = `fan${count}`;
  const supernode = await bench.supernode();
  bench.sample(name, mib * MIB);
  const gib = (mib / 1024) * count;
  const ours: { cpu: number; wall: number; peak: number }[] = [];
  const others: { cpu: number; wall: number }[] = [];
  const shares: number[] = [];
  const holder = await bench.agent('127.0.0.2');
  good(await bench.dfget(holder, '-u', bench.url(name), '-o', `${bench.dir}/holder`));
  for (let run = 0; run < runs; run++) {
    const agents: Agent[] = [];
    for (let i = 0; i < count; i++) agents.push(await bench.agent(`127.0.${run + 1}.${i + 3}`));
    const pids = [supernode, holder.pid, ...agents.map((agent) => agent.pid)];
    const mine = await cpuOf(bench, pids, () =>
      Promise.all(
        agents.map(async (agent) => good(await bench.dfget(agent, '-u', bench.url(name), '-o', `${agent.home}/out`))),
      ),
    );
    ours.push({ ...mine, peak: Math.max(...agents.map((agent) => bench.usage(agent.pid).peakMib)) });
    for (const agent of agents) await bench.end(agent);
    others.push(
      await cpuOf(bench, [bench.nginxPid], () =>
        Promise.all(Array.from({ length: count }, (_, i) => curl(bench, name, `${bench.dir}/curl${i}`))),
      ),
    );
    shares.push(hashShare());
  }
  const cpu = median(ours.map((each) => each.cpu)) / gib;
  const other = median(others.map((each) => each.cpu)) / gib;
  const share = median(shares);
  row(
    `1 to ${count}, CPU s/GiB, both ends, file written`,
    fixed(cpu),
    `nginx + curl ${fixed(other)}`,
    fixed(cpu / other),
  );
  row(
    `1 to ${count}, the same less sha256 (${fixed(share)} s/GiB)`,
    fixed(cpu - share),
    '',
    fixed((cpu - share) / other),
  );
  const rate = (list: readonly { wall: number }[]): number => (gib * 1024) / median(list.map((each) => each.wall));
  row(
    `1 to ${count}, MiB/s altogether`,
    fixed(rate(ours), 0),
    fixed(rate(others), 0),
    fixed(rate(ours) / rate(others)),
  );
  row(`1 to ${count}, peak RSS of a taking agent, MiB`, fixed(median(ours.map((each) => each.peak)), 0), '', '');
}

/** One client alone: cold, then with the supernode's cache warm, then with its own agent warm. */
async function single(bench: Bench): Promise<void> {
  const cold: number[] = [];
  const warm: number[] = [];
  const again: number[] = [];
  const plain: number[] = [];
  await bench.supernode();
  for (let run = 0; run < runs; run++) {
    const name = `single${run}`;
    bench.sample(name, 256 * MIB);
    const first = await bench.agent(`127.0.${run + 1}.2`);
    const second = await bench.agent(`127.0.${run + 1}.3`);
    plain.push((await curl(bench, name, `${bench.dir}/curl`)).wall);
    cold.push(good(await bench.dfget(first, '-u', bench.url(name), '-o', `${first.home}/out`)).wall);
    await bench.end(first);
    warm.push(good(await bench.dfget(second, '-u', bench.url(name), '-o', `${second.home}/out`)).wall);
    again.push(good(await bench.dfget(second, '-u', bench.url(name), '-o', `${second.home}/again`)).wall);
    await bench.end(second);
  }
  const base = median(plain);
  const line = (what: string, list: readonly number[]): void =>
    row(`one client, 256 MiB, ${what}, s`, fixed(median(list)), `curl ${fixed(base)}`, fixed(median(list) / base));
  line('all cold but the agent', cold);
  line("supernode's cache warm", warm);
  line('its own agent warm', again);
}

async function small(bench: Bench): Promise<void> {
  const count = Number(values.files);
  await bench.supernode();
  const agent = await bench.agent('127.0.9.2');
  mkdirSync(`${bench.dir}/www/small`);
  for (let i = 0; i < count; i++) bench.sample(`small/${i}`, 4096);
  const before = bench.usage(agent.pid).cpu;
  const walls: number[] = [];
  for (let i = 0; i < count; i++) {
    walls.push(good(await bench.dfget(agent, '-u', bench.url(`small/${i}`), '-o', `${agent.home}/s${i}`)).wall);
  }
  const cost = ((bench.usage(agent.pid).cpu - before) / count) * 1000;
  row(
    `${count} files of 4 KiB, one dfget each, median exec to exit, ms`,
    fixed(median(walls) * 1000, 0),
    'at most 80',
    '',
  );
  row('the same, CPU of the agent per file, ms', fixed(cost), 'at most 3', '');
  mkdirSync(`${bench.dir}/batch`);
  const list = Array.from({ length: count }, (_, i) => `${bench.url(`small/${i}`)}?again ${bench.dir}/batch/${i}`);
  writeFileSync(`${bench.dir}/list`, `${list.join('\n')}\n`);
  const batch = good(await bench.dfget(agent, '--input-file', `${bench.dir}/list`));
  if (!existsSync(`${bench.dir}/batch/${count - 1}`)) throw new Error('the batch left files out');
  row(`${count} files of 4 KiB by one dfget --input-file, files/s`, fixed(count / batch.wall, 0), 'at least 500', '');
}

async function start(bench: Bench): Promise<void> {
  const version: number[] = [];
  const agents: number[] = [];
  const supernodes: number[] = [];
  const node: number[] = [];
  for (let run = 0; run < runs; run++) {
    node.push(good(await bench.timed([process.execPath, '-e', '0'])).wall);
    version.push(good(await bench.timed([process.execPath, `${bench.root}/bin/dfget.mjs`, 'version'])).wall);
    let at = performance.now();
    await bench.supernode();
    supernodes.push(performance.now() - at);
    at = performance.now();
    await bench.end(await bench.agent(`127.0.8.${run + 2}`));
    agents.push(performance.now() - at);
  }
  const base = `node -e 0: ${fixed(median(node) * 1000, 0)}`;
  row('time to start: dfget version, ms', fixed(median(version) * 1000, 0), base, '');
  row('time to start and end: agent, ms', fixed(median(agents), 0), '', '');
  row('time to start: supernode ready, ms', fixed(median(supernodes), 0), '', '');
}

/** 5 s worth of bytes under a limit, by one task and by twenty at once. */
async function limit(bench: Bench): Promise<void> {
  await bench.supernode();
  bench.sample('limited', 100 * MIB);
  for (let i = 0; i < 20; i++) bench.sample(`limited${i}`, 5 * MIB);
  const one = await bench.agent('127.0.7.2');
  const alone = good(
    await bench.dfget(one, '-u', bench.url('limited'), '-o', `${one.home}/out`, '--locallimit', '20M'),
  );
  row('--locallimit 20M, 100 MiB, MiB/s', fixed(100 / alone.wall), '20', fixed(100 / alone.wall / 20, 3));
  const many = await bench.agent('127.0.7.3', '--totallimit', '20M');
  const started = performance.now();
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      bench.dfget(many, '-u', bench.url(`limited${i}`), '-o', `${many.home}/out${i}`),
    ),
  );
  const rate = 100 / ((performance.now() - started) / 1000);
  for (const each of all) good(each);
  row('--totallimit 20M, 20 tasks of 5 MiB, MiB/s', fixed(rate), '20', fixed(rate / 20, 3));
  const walls = all.map((each) => each.wall);
  row('the same, first and last task done, s', `${fixed(Math.min(...walls))} ${fixed(Math.max(...walls))}`, '', '');
}

const SECTIONS: Record<string, (bench: Bench) => Promise<void>> = {
  pair: (bench) => fan(bench, 1),
  fan: (bench) => fan(bench, 4),
  single,
  small,
  start,
  limit,
  dfdaemon: (bench) => dfdaemon(bench, { runs, row }),
};

async function main(): Promise<void> {
  const missing = ['nginx', 'curl'].filter((command) => !installed(command));
  process.stdout.write(`| what | ours | beside | ratio |\n|---|---|---|---|\n`);
  for (const name of values.only.split(',')) {
    const section = SECTIONS[name];
    if (section === undefined) throw new Error(`no section ${name}; there are ${Object.keys(SECTIONS).join(', ')}`);
    if (missing.length > 0) {
      process.stdout.write(`not run: ${name}, because ${missing.join(' and ')} is not installed\n`);
      continue;
    }
    const bench = new Bench();
    try {
      await bench.source();
      await section(bench);
    } finally {
      await bench.close();
    }
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
