/**
 * `npm run lab -- --hosts 4,8 --mib 128 --rate 100 --runs 3 --systems dragonfly,curl,bittorrent`: compares systems on the same work on
 * shaped links and prints one table of medians. `npm run lab -- --preset equal|slow|mixed|joins [--sizes 64,128]` runs ours on what is
 * asked of it and says of each median whether it is reached (exit 1 if one is not). Needs root (network namespaces) and nginx.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { readFlags } from '../../test/support/flags.ts';
import { type LabCase, type LabResult, LabRun } from './measure.ts';
import { type Asked, PRESETS, type Preset } from './presets.ts';
import { SYSTEMS, type System } from './systems.ts';

const USAGE = `usage: npm run lab -- [--hosts 4,8] [--mib 128] [--rate 100[,20]] [--seed-rate N] [--runs 3] [--stagger SECONDS] [--systems dragonfly,bittorrent,curl]
       npm run lab -- --preset ${Object.keys(PRESETS).join('|')} [--sizes 64,128] [--runs 3]

--rate      Mbit/s of each host, or of one half and the other; --seed-rate: of the source and the seed (the highest)
--warm-mib  what ours has moved before the clock starts (64)
--preset    what is asked of ours, each median judged; other systems are not run
--json      each run as a line of JSON too; --timeout SECONDS: of one run (300)
`;

const values = readFlags(USAGE, {
  hosts: { type: 'string', default: '4,8' },
  mib: { type: 'string', default: '128' },
  'warm-mib': { type: 'string', default: '64' },
  rate: { type: 'string', default: '100' },
  'seed-rate': { type: 'string' },
  runs: { type: 'string', default: '3' },
  stagger: { type: 'string', default: '0' },
  timeout: { type: 'string', default: '300' },
  preset: { type: 'string' },
  sizes: { type: 'string' },
  systems: { type: 'string' },
  json: { type: 'boolean', default: false },
});

const warmMib = Number(values['warm-mib']);
const dir = `${tmpdir()}/dragonfly-lab-${process.pid}`;

function installed(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function chosen(): System[] {
  return (values.systems ?? 'dragonfly,bittorrent,curl').split(',').flatMap((name) => {
    const system = SYSTEMS.find((candidate) => candidate.name === name);
    if (system === undefined) throw new Error(`no system ${name}; there are ${SYSTEMS.map((s) => s.name).join(', ')}`);
    const missing = system.commands.find((command) => !installed(command));
    if (missing === undefined) return [system];
    process.stdout.write(`left out: ${name}, because ${missing} is not installed\n`);
    return [];
  });
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function row(labCase: LabCase, results: readonly LabResult[]): string {
  const good = results.filter((result) => result.ok);
  const of = (pick: (result: LabResult) => number, digits: number): string => median(good.map(pick)).toFixed(digits);
  const own = Object.keys(good[0]?.ownRatio ?? {}).map(
    (rate) => `${rate}: ${of((r) => r.ownRatio[rate] ?? Number.NaN, 3)}`,
  );
  return `| ${[
    labCase.system.name,
    labCase.hosts,
    labCase.mib,
    labCase.ratesMbit.join('/'),
    `${good.length}/${results.length}`,
    good.map((r) => r.makespan.toFixed(2)).join(' '),
    `**${of((r) => r.ratio, 3)}**`,
    own.join(', '),
    of((r) => r.sourceRatio, 2),
    of((r) => r.sourceRequests, 0),
    of((r) => r.seedRatio, 2),
    of((r) => r.cpuSeconds, 1),
    of((r) => r.busy, 2),
    of((r) => r.peakMib, 0),
  ].join(' | ')} |\n`;
}

/** Whether the median run is as good as asked; prints a line for each. */
function judge(asked: readonly Asked[], results: readonly LabResult[]): boolean {
  const good = results.filter((result) => result.ok);
  let all = good.length === results.length;
  for (const { what, of, most } of asked) {
    const value = median(good.map(of));
    // Three digits are all that is asked for, and all that a run can tell.
    const reached = Math.round(value * 1000) / 1000 <= most;
    all &&= reached;
    process.stdout.write(`${reached ? 'pass' : 'FAIL'}: ${what} ${value.toFixed(3)}, asked at most ${most}\n`);
  }
  return all;
}

async function runAll(labCase: LabCase): Promise<LabResult[]> {
  const results: LabResult[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    const result = await new LabRun(labCase, dir).run();
    results.push(result);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ ...labCase, system: labCase.system.name, ...result })}\n`);
    if (result.error !== undefined)
      process.stdout.write(`failed: ${labCase.system.name}, ${labCase.hosts} hosts: ${result.error}\n`);
  }
  process.stdout.write(row(labCase, results));
  return results;
}

/** Ours alone, against what is asked; false when something is not reached. */
async function judged({ cases, asked, flatWithin }: Preset): Promise<boolean> {
  const [system] = SYSTEMS;
  if (system === undefined) throw new Error('no system');
  const only = values.sizes?.split(',').map(Number);
  const ratios = new Map<number, number[]>();
  let all = true;
  const chosen = cases.filter(({ mib }) => only === undefined || only.includes(mib));
  if (chosen.length === 0)
    throw new Error(`the preset has no such size: ${[...new Set(cases.map(({ mib }) => mib))].join(', ')}`);
  for (const rest of chosen) {
    const results = await runAll({ ...rest, system, warmMib, timeoutSeconds: Number(values.timeout) });
    all = judge(asked(rest), results) && all;
    const good = results.filter((result) => result.ok);
    ratios.set(rest.mib, [...(ratios.get(rest.mib) ?? []), median(good.map(({ ratio }) => ratio))]);
  }
  for (const [mib, of] of ratios) {
    if (flatWithin === undefined || of.length < 2) continue;
    const spread = Math.max(...of) - Math.min(...of);
    const flat = spread <= flatWithin;
    all &&= flat;
    process.stdout.write(
      `${flat ? 'pass' : 'FAIL'}: ${mib} MiB: ${spread.toFixed(3)} between numbers of hosts, asked at most ${flatWithin}\n`,
    );
  }
  return all;
}

/** What was asked for by flags. */
async function compared(): Promise<void> {
  const systems = chosen();
  const ratesMbit = values.rate.split(',').map(Number);
  for (const mib of values.mib.split(',').map(Number)) {
    for (const hosts of values.hosts.split(',').map(Number)) {
      for (const system of systems) {
        await runAll({
          system,
          hosts,
          mib,
          warmMib,
          ratesMbit,
          seedMbit: Number(values['seed-rate'] ?? Math.max(...ratesMbit)),
          staggerSeconds: Number(values.stagger),
          timeoutSeconds: Number(values.timeout),
        });
      }
    }
  }
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the lab makes network namespaces, which needs root');
  for (const command of ['ip', 'tc', 'nginx', 'curl'])
    if (!installed(command)) throw new Error(`the lab needs ${command}`);
  const { preset } = values;
  const chosenPreset = preset === undefined ? undefined : PRESETS[preset];
  if (preset !== undefined && chosenPreset === undefined)
    throw new Error(`no preset ${preset}; there are ${Object.keys(PRESETS).join(', ')}`);
  if (preset !== undefined && values.systems !== undefined)
    throw new Error('a preset says what is asked of ours: leave out --systems, or --preset to compare systems');
  mkdirSync(dir, { recursive: true });
  process.stdout.write(
    '| system | N | MiB | Mbit/s | ok | makespans s | over fluid bound | slowest over own wire time | source/F | reads | seed sent/F | CPU s | busy | peak MiB |\n' +
      '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n',
  );
  if (chosenPreset === undefined) await compared();
  else if (!(await judged(chosenPreset))) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
