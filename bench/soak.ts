/**
 * `npm run soak [-- --minutes 30 --gib 100]`: contents of 256 MiB pass through one agent, which takes them from another
 * agent and drops them again, until so many GiB or minutes are over. Prints RSS over bytes passed, and fails when the
 * second half of the run stands on average more than 20 % (and 16 MiB) above the first. `--minutes 2 --gib 4` is for CI.
 */
import { rmSync } from 'node:fs';
import { readFlags } from '../test/support/flags.ts';
import { type Agent, Bench, good, installed, rssMib } from './processes.ts';
import { fixed, MIB } from './table.ts';

const CONTENT_MIB = 256;
const GROWTH = 1.2;
const GROWTH_MIB = 16;

const USAGE = 'usage: npm run soak -- [--minutes 30] [--gib 100] [--dir DIR]\n';

const values = readFlags(USAGE, {
  minutes: { type: 'string', default: '30' },
  gib: { type: 'string', default: '100' },
  dir: { type: 'string' },
});

async function soak(bench: Bench): Promise<boolean> {
  await bench.supernode();
  bench.sample('soak', CONTENT_MIB * MIB);
  // A quota of four contents: older ones are evicted while new ones come.
  const quota = ['--cachequota', `${4 * CONTENT_MIB}M`];
  const giver = await bench.agent('127.0.4.2', ...quota);
  const taker = await bench.agent('127.0.4.3', ...quota);
  const until = performance.now() + Number(values.minutes) * 60_000;
  const rss: number[] = [];
  process.stdout.write('| GiB passed | RSS of the taking agent, MiB | of the giving agent, MiB |\n|---|---|---|\n');
  for (let round = 1; performance.now() < until && (round - 1) * CONTENT_MIB < Number(values.gib) * 1024; round++) {
    for (const agent of [giver, taker]) await pass(bench, agent, round);
    rss.push(rssMib(taker.pid));
    if (round % 4 === 0) {
      const gib = (round * CONTENT_MIB) / 1024;
      process.stdout.write(`| ${fixed(gib, 1)} | ${fixed(rssMib(taker.pid), 0)} | ${fixed(rssMib(giver.pid), 0)} |\n`);
    }
  }
  return flat(rss);
}

/** Every round is another content to both: one that nothing has. */
async function pass(bench: Bench, agent: Agent, round: number): Promise<void> {
  const output = `${bench.dir}/soaked`;
  good(await bench.dfget(agent, '-u', `${bench.url('soak')}?${round}`, '-o', output, '--no-sync'));
  rmSync(output);
}

function flat(rss: readonly number[]): boolean {
  const half = rss.length >> 1;
  const mean = (list: readonly number[]): number =>
    list.reduce((sum, each) => sum + each, 0) / Math.max(1, list.length);
  const [early, late] = [mean(rss.slice(0, half)), mean(rss.slice(half))];
  process.stdout.write(
    `${rss.length} contents; mean RSS of the first half ${fixed(early, 0)} MiB, of the second ${fixed(late, 0)} MiB\n`,
  );
  return late <= Math.max(early * GROWTH, early + GROWTH_MIB);
}

const missing = ['nginx', 'curl'].filter((command) => !installed(command));
if (missing.length > 0) {
  process.stdout.write(`not run, because ${missing.join(' and ')} is not installed\n`);
} else {
  const bench = new Bench(values.dir);
  try {
    await bench.source();
    if (!(await soak(bench))) {
      process.stdout.write('memory grows\n');
      process.exitCode = 1;
    }
  } finally {
    await bench.close();
  }
}
