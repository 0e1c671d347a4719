/**
 * The steps of `npm run check` and `npm test`. Each is a command of its own whose result is counted in tests: a tool such
 * as the compiler is one test, a vitest run is as many as its report says, and a coverage gate is one per folder.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');

export type Tally = { readonly passed: number; readonly failed: number; readonly skipped: readonly string[] };

const MODULES = join(root, 'node_modules');
/** The packages' own entry points: no shell, no PATH, and this same Node. */
const TOOLS = {
  tsc: join(MODULES, 'typescript', 'bin', 'tsc'),
  biome: join(MODULES, '@biomejs', 'biome', 'bin', 'biome'),
  vitest: join(MODULES, 'vitest', 'vitest.mjs'),
};

function runNode(args: readonly string[]): Promise<number> {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    child.on('error', () => done(1));
    child.on('exit', (code) => done(code ?? 1));
  });
}

async function tool(args: readonly string[]): Promise<Tally> {
  const passed = (await runNode(args)) === 0;
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: [] };
}

/** The console lives in another world: it has a DOM, and no Node. */
export async function types(): Promise<Tally> {
  const programs = await tool([TOOLS.tsc, '-p', 'tsconfig.json']);
  const page = await tool([TOOLS.tsc, '-p', 'console/tsconfig.json']);
  return { passed: programs.passed + page.passed, failed: programs.failed + page.failed, skipped: [] };
}
export const lint = (): Promise<Tally> => tool([TOOLS.biome, 'check', '.']);
export const importRules = (): Promise<Tally> => tool(['scripts/tidy.ts']);

type VitestReport = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

/** A file that could not be loaded has no failed test of its own, so it counts as one. */
export function tallyOf(report: VitestReport): Tally {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((one) => one.status === 'failed'),
  );
  const all = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const skipped = all
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName }) => fullName);
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length, skipped };
}

export async function vitest(...args: readonly string[]): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-test-'));
  const file = join(folder, 'report.json');
  try {
    const code = await runNode([
      TOOLS.vitest,
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile=${file}`,
      ...args,
    ]);
    if (!existsSync(file)) return { passed: 0, failed: 1, skipped: [] };
    const tally = tallyOf(JSON.parse(readFileSync(file, 'utf8')) as VitestReport);
    // An error outside of every test (an unhandled rejection, say) fails the run without failing a test.
    return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Real container clients; the short form takes small layers and each way once. */
export function clients(isShort: boolean): Promise<Tally> {
  process.env.CLIENTS = isShort ? 'short' : 'all';
  return vitest('--config=test/clients/vitest.config.ts');
}

/** The sum in the last line of a program that counts its checks as tests do. */
export function tallyIn(said: string): Tally {
  const sums = [...said.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  if (sums === undefined) return { passed: 0, failed: 1, skipped: [] };
  const skipped = [...said.matchAll(/^(LEFT OUT: .*)$/gm)].map(([, line = '']) => line);
  return { passed: Number(sums[1]), failed: Number(sums[2]), skipped };
}

/** Faults of all kinds on real processes for so long; its checks count as tests, and what this machine cannot do as skipped ones. */
export function chaos(minutes: number, seed: number): Promise<Tally> {
  const args = ['test/chaos/main.ts', '--minutes', String(minutes), '--seed', String(seed), '--supernodes', '3'];
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      process.stdout.write(text);
    });
    child.on('error', () => done({ passed: 0, failed: 1, skipped: [] }));
    child.on('close', (code) => {
      const tally = tallyIn(said);
      done(code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally);
    });
  });
}

type Coverage = Readonly<Record<string, { readonly lines: { readonly total: number; readonly covered: number } }>>;

/** Share of covered lines of all files under `folder`, in per cent; 0 when there is none. */
export function coveredLines(summary: Coverage, folder: string): number {
  let total = 0;
  let covered = 0;
  for (const [path, { lines }] of Object.entries(summary)) {
    if (!path.includes(`/${folder}/`)) continue;
    total += lines.total;
    covered += lines.covered;
  }
  return total === 0 ? 0 : (100 * covered) / total;
}

export const COVERAGE_PERCENT = 90;

export function coverageGate(folders: readonly string[]): Tally {
  const file = join(root, 'coverage', 'coverage-summary.json');
  const summary = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Coverage) : {};
  let failed = 0;
  for (const folder of folders) {
    const percent = coveredLines(summary, folder);
    const enough = percent > COVERAGE_PERCENT;
    if (!enough) failed++;
    console.log(
      `${enough ? 'ok  ' : 'FAIL'} ${folder}: ${percent.toFixed(1)} % of lines covered (more than ${COVERAGE_PERCENT} asked)`,
    );
  }
  return { passed: folders.length - failed, failed, skipped: [] };
}

/** Runs them all, one after the other, whatever fails; the last line is the sum. Returns the exit code. */
export async function runSteps(steps: readonly (readonly [string, () => Tally | Promise<Tally>])[]): Promise<number> {
  const lines: string[] = [];
  const sum = { passed: 0, failed: 0, skipped: [] as string[] };
  for (const [name, step] of steps) {
    console.log(`\n== ${name}`);
    const start = performance.now();
    const { passed, failed, skipped } = await step();
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped.push(...skipped);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    lines.push(
      `${failed === 0 ? 'ok  ' : 'FAIL'} ${name}: ${passed} passed, ${failed} failed, ${skipped.length} skipped (${seconds} s)`,
    );
  }
  console.log(`\n${lines.join('\n')}`);
  for (const name of sum.skipped) console.log(`SKIPPED: ${name}`);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped.length} skipped`);
  return sum.failed === 0 ? 0 : 1;
}
