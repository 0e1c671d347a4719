/**
 * `npm run lab -- --hosts 4,8 --mib 128 --rate 100 --runs 3 --systems dragonfly,curl,bittorrent`: compares systems on the same work on
 * shaped links and prints one table of medians. Needs root (network namespaces) and nginx.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { type LabCase, type LabResult, LabRun } from './measure.ts';
import { SYSTEMS, type System } from './systems.ts';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '4,8' },
    mib: { type: 'string', default: '128' },
    rate: { type: 'string', default: '100' },
    'seed-rate': { type: 'string' },
    runs: { type: 'string', default: '3' },
    stagger: { type: 'string', default: '0' },
    timeout: { type: 'string', default: '300' },
    systems: { type: 'string', default: 'dragonfly,bittorrent,curl' },
    json: { type: 'boolean', default: false },
  },
});

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
  return values.systems.split(',').flatMap((name) => {
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

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the lab makes network namespaces, which needs root');
  for (const command of ['ip', 'tc', 'nginx', 'curl'])
    if (!installed(command)) throw new Error(`the lab needs ${command}`);
  const systems = chosen();
  mkdirSync(dir, { recursive: true });
  process.stdout.write(
    '| system | N | MiB | Mbit/s | ok | makespans s | over fluid bound | slowest over own wire time | source/F | GETs | seed sent/F | CPU s | busy | peak MiB |\n' +
      '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n',
  );
  for (const mib of values.mib.split(',').map(Number)) {
    for (const hosts of values.hosts.split(',').map(Number)) {
      for (const system of systems) {
        const ratesMbit = values.rate.split(',').map(Number);
        const labCase: LabCase = {
          system,
          hosts,
          mib,
          ratesMbit,
          seedMbit: Number(values['seed-rate'] ?? Math.max(...ratesMbit)),
          staggerSeconds: Number(values.stagger),
          timeoutSeconds: Number(values.timeout),
        };
        const results: LabResult[] = [];
        for (let run = 0; run < Number(values.runs); run++) {
          const result = await new LabRun(labCase, dir).run();
          results.push(result);
          if (values.json) process.stdout.write(`${JSON.stringify({ ...labCase, system: system.name, ...result })}\n`);
          if (result.error !== undefined)
            process.stdout.write(`failed: ${system.name}, ${hosts} hosts: ${result.error}\n`);
        }
        process.stdout.write(row(labCase, results));
      }
    }
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
