/**
 * `npm run bench` (`-- --help` says with what flags): ours against nginx and curl on the same work in one run, as one table of medians.
 * CPU seconds count more than wall time: a machine of two cores that plays all parts is noisy. All outputs are made with --no-sync, because curl does not wait for the disk either.
 */

import { tmpdir } from 'node:os';
import { readFlags } from '../test/support/flags.ts';
import { dfdaemon } from './dfdaemon.ts';
import { failover } from './failover.ts';
import { faults } from './faults.ts';
import { hosts } from './hosts.ts';
import { limits } from './limits.ts';
import { memory } from './memory.ts';
import { FULL, type Plan, QUICK } from './plan.ts';
import { plane } from './plane.ts';
import { Bench, installed } from './processes.ts';
import { scheduler } from './scheduler.ts';
import { sessions } from './sessions.ts';
import { small, start } from './small.ts';
import { header, row } from './table.ts';
import { fan, handOver, single } from './transfer.ts';
import { workers } from './workers.ts';

const SECTIONS: Readonly<Record<string, (bench: Bench, plan: Plan) => Promise<void>>> = {
  pair: (bench, plan) => fan(bench, plan, 1),
  fan: (bench, plan) => fan(bench, plan, 4),
  single,
  handover: handOver,
  small,
  hosts,
  start,
  limit: limits,
  memory,
  workers,
  sessions,
  dfdaemon: (bench, { runs }) => dfdaemon(bench, { runs, row }),
};

/** Sections that need no other program. */
const ALONE: Readonly<Record<string, (plan: Plan) => void | Promise<void>>> = {
  scheduler: ({ runs }) => scheduler(100_000 * runs),
  plane,
  failover: (plan) => failover(plan, values.dir ?? tmpdir()),
  faults: (plan) => faults(plan, values.faults.split(','), values.dir ?? tmpdir()),
};

const ALL = Object.keys({ ...SECTIONS, ...ALONE }).join(',');

const USAGE = `usage: npm run bench -- [--only SECTION,…] [--quick] [--runs 5] [--mib 1024] [--files 5000] [--hosts 1000] [--mbit 100] [--faults 1,2,3] [--dir DIR]

--only    of ${ALL}
--quick   fewer runs of less, for a look
--mbit    links of faults and failover (root)
--dir     where files are kept while it runs; a disk like that of real hosts
`;

const values = readFlags(USAGE, {
  quick: { type: 'boolean', default: false },
  only: { type: 'string', default: ALL },
  runs: { type: 'string' },
  mib: { type: 'string' },
  files: { type: 'string' },
  hosts: { type: 'string' },
  mbit: { type: 'string' },
  faults: { type: 'string', default: '1,2,3' },
  dir: { type: 'string' },
});

function planOf(): Plan {
  const base = values.quick ? QUICK : FULL;
  const asked = Object.entries({
    runs: values.runs,
    mib: values.mib,
    files: values.files,
    hosts: values.hosts,
    mbit: values.mbit,
  }).flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)] as const]));
  for (const [name, value] of asked) if (!(value >= 1)) throw new Error(`--${name} must be a number from 1 on`);
  return { ...base, ...Object.fromEntries(asked) };
}

/** False when it could not be run to its end: the others are still of use. */
async function run(name: string, plan: Plan): Promise<boolean> {
  const section = SECTIONS[name];
  if (section === undefined) throw new Error(`no section ${name}; there are ${ALL}`);
  const bench = new Bench(values.dir);
  try {
    await bench.source();
    await section(bench, plan);
    return true;
  } catch (error) {
    process.stdout.write(`not run to its end: ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  } finally {
    await bench.close();
  }
}

async function main(): Promise<void> {
  const plan = planOf();
  const missing = ['nginx', 'curl'].filter((command) => !installed(command));
  header();
  for (const name of values.only.split(',')) {
    const alone = ALONE[name];
    if (alone !== undefined) await alone(plan);
    else if (missing.length > 0) {
      process.stdout.write(`not run: ${name}, because ${missing.join(' and ')} is not installed\n`);
    } else if (!(await run(name, plan))) process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
