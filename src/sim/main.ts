/**
 * `npm run simulate`: one run, the judged scenarios, a sweep over the number of hosts, or seeds of faults. Everything that a
 * run does follows from its options and its seed; `--trace` tells the story of one.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fuzz, fuzzOptions } from './fuzz.ts';
import { DEFAULT_OPTIONS, type SimOptions } from './options.ts';
import { plot } from './plot.ts';
import { type SimResult, simulate, traceOf } from './run.ts';
import { judgedValue, optionsOf, SCENARIOS, verdict } from './scenarios.ts';

const HELP = `npm run simulate -- [options]

One run (default): prints makespan over bound, seed bytes over F, bytes into other IDCs, decisions per second, bytes per peer.
  --hosts N (64)  --pieces M (128)  --seed S (1)  --piece-size BYTES (1048576)
  --rate BYTES_PER_SECOND (12500000)  --seed-rate ...  --latency MS (0.1)  --overhead MS (0)  --streams N (64)
  --connections N (2: requests of one child at one parent)  --flow-queue BYTES (0: what words wait behind, per flow)
  --join-every MS (0)  --idcs N (0)  --tasks N (1)  --dying SHARE (0)  --leave-when-done
  --source-rate BYTES_PER_SECOND (0: the seed has it all)  --learn-rates (hosts do not say their limits)
  --scenario NAME   the options of a judged scenario     --check   the referee watches every event
  --trace           prints every event and command of the run
Many runs:
  --scenarios [--most-hosts N]   all judged scenarios as a table; exits 1 when one is worse than it must be
  --sweep [--most-hosts N]       makespan over bound for N = 4 ... N hosts, 128 and 256 pieces
  --fuzz N [--seed S]            N seeds of faults from S on; exits 1 when a rule is broken
  --replay SEED                  the story of one of these seeds
Output: --json, --csv, --plot FILE.svg (one run: hosts done over time; sweep: makespan over bound)
`;

const FLAGS = {
  hosts: { type: 'string' },
  pieces: { type: 'string' },
  seed: { type: 'string' },
  'piece-size': { type: 'string' },
  rate: { type: 'string' },
  'seed-rate': { type: 'string' },
  latency: { type: 'string' },
  overhead: { type: 'string' },
  streams: { type: 'string' },
  connections: { type: 'string' },
  'flow-queue': { type: 'string' },
  'join-every': { type: 'string' },
  idcs: { type: 'string' },
  tasks: { type: 'string' },
  dying: { type: 'string' },
  'source-rate': { type: 'string' },
  'most-hosts': { type: 'string' },
  fuzz: { type: 'string' },
  replay: { type: 'string' },
  scenario: { type: 'string' },
  plot: { type: 'string' },
  'leave-when-done': { type: 'boolean' },
  'learn-rates': { type: 'boolean' },
  scenarios: { type: 'boolean' },
  sweep: { type: 'boolean' },
  check: { type: 'boolean' },
  trace: { type: 'boolean' },
  json: { type: 'boolean' },
  csv: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

type Values = ReturnType<typeof read>;

function read() {
  return parseArgs({ options: FLAGS }).values;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function number(values: Values, flag: keyof Values, least = 0): number | undefined {
  const text = values[flag];
  if (typeof text !== 'string') return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < least)
    throw new Error(`--${flag} wants a number of at least ${least}, not ${text}`);
  return value;
}

function whole(values: Values, flag: keyof Values, least: number, otherwise: number): number {
  const value = number(values, flag, least) ?? otherwise;
  if (!Number.isSafeInteger(value)) throw new Error(`--${flag} wants a whole number, not ${value}`);
  return value;
}

function optionsFrom(values: Values): SimOptions {
  const scenario = SCENARIOS.find(({ name }) => name === values.scenario);
  if (values.scenario !== undefined && scenario === undefined) {
    throw new Error(
      `there is no scenario ${values.scenario}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`,
    );
  }
  const base = { ...DEFAULT_OPTIONS, ...scenario?.options };
  const rate = number(values, 'rate', 1) ?? base.rate;
  return {
    ...base,
    hosts: whole(values, 'hosts', 1, base.hosts),
    pieces: whole(values, 'pieces', 1, base.pieces),
    seed: whole(values, 'seed', 0, base.seed),
    pieceSize: whole(values, 'piece-size', 1, base.pieceSize),
    rate,
    seedRate: number(values, 'seed-rate', 1) ?? (values.rate === undefined ? base.seedRate : rate),
    latencyMs: number(values, 'latency') ?? base.latencyMs,
    overheadMs: number(values, 'overhead') ?? base.overheadMs,
    streams: whole(values, 'streams', 1, base.streams),
    connections: whole(values, 'connections', 1, base.connections),
    flowQueueBytes: whole(values, 'flow-queue', 0, base.flowQueueBytes),
    joinEveryMs: number(values, 'join-every') ?? base.joinEveryMs,
    idcs: whole(values, 'idcs', 0, base.idcs),
    tasks: whole(values, 'tasks', 1, base.tasks),
    dying: number(values, 'dying') ?? base.dying,
    sourceRate: number(values, 'source-rate') ?? base.sourceRate,
    leaveWhenDone: values['leave-when-done'] ?? base.leaveWhenDone,
    toldRates: !(values['learn-rates'] ?? !base.toldRates),
    check: values.check ?? base.check,
  };
}

const timed = (options: SimOptions): SimResult => simulate(options, undefined, () => performance.now());

const COLUMNS = [
  'hosts',
  'pieces',
  'seed',
  'ratio',
  'seedShare',
  'importShare',
  'makespanMs',
  'boundMs',
  'finished',
  'hedges',
  'decisions',
  'bytesPerPeer',
  'wallMs',
  'hash',
] as const satisfies readonly (keyof SimResult)[];

function one(values: Values): void {
  const options = optionsFrom(values);
  if (values.trace) {
    story(options);
    return;
  }
  const result = timed(options);
  if (values.json) say(JSON.stringify(result));
  else if (values.csv) {
    say(COLUMNS.join(','));
    say(COLUMNS.map((column) => result[column]).join(','));
  } else {
    say(
      `${result.finished} copies of ${result.pieces} pieces at ${result.hosts} hosts, seed ${result.seed}, hash ${result.hash}`,
    );
    say(`makespan       ${(result.makespanMs / 1000).toFixed(3)} s, ${result.ratio.toFixed(4)} of the bound`);
    say(`worst host     ${(result.shares[result.shares.length - 1] ?? 0).toFixed(3)} of F over its own downlink`);
    say(`seed sent      ${result.seedShare.toFixed(3)} F`);
    if (result.importShare > 0) say(`into each IDC  ${result.importShare.toFixed(3)} F`);
    say(
      `decisions      ${result.decisions}, ${perSecond(result)} per second of the whole simulation; ${result.hedges} hedges`,
    );
    say(`state          ${result.bytesPerPeer.toFixed(0)} bytes per peer`);
  }
  if (values.plot !== undefined) writeFileSync(values.plot, plotOfRun(result));
}

function perSecond(result: SimResult): number {
  return Math.round((result.decisions * 1000) / Math.max(result.wallMs, 1));
}

function plotOfRun(result: SimResult): string {
  const seconds = result.curve.map(([ms, hosts]) => [ms / 1000, hosts] as const);
  const bound = result.boundMs / 1000;
  return plot({
    title: `${result.hosts} hosts, ${result.pieces} pieces: hosts that are done`,
    x: { label: 'seconds', from: 0 },
    y: { label: 'hosts done', from: 0 },
    series: [
      { name: 'simulated', points: seconds },
      {
        name: 'bound',
        points: [
          [bound, 0],
          [bound, result.finished],
        ],
      },
    ],
  });
}

function story(options: SimOptions): void {
  const { lines, error, hash } = traceOf(options);
  for (const line of lines) say(line);
  say(`hash ${hash}`);
  if (error === undefined) return;
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

function scenarios(values: Values): void {
  const most = number(values, 'most-hosts', 1) ?? Number.POSITIVE_INFINITY;
  const seed = whole(values, 'seed', 0, 1);
  const rows = SCENARIOS.filter(({ options }) => (options.hosts ?? 0) <= most).map((scenario) => {
    const result = timed(optionsOf(scenario, seed));
    const wrong = verdict(scenario, result);
    if (wrong !== undefined) process.exitCode = 1;
    return { scenario, result, wrong };
  });
  if (values.json) {
    say(JSON.stringify(rows.map(({ scenario, result, wrong }) => ({ ...scenario, result, wrong: wrong ?? null }))));
    return;
  }
  const cut = values.csv
    ? (cells: readonly string[]) => cells.join(',')
    : (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  say(cut(['scenario', 'judged', 'at most', 'seed sent F', 'into an IDC F', 'bytes per peer', 'verdict']));
  if (!values.csv) say('|---|---|---|---|---|---|---|');
  for (const { scenario, result, wrong } of rows) {
    const name = values.csv ? scenario.name : `${scenario.name}: ${scenario.what}`;
    const imports = scenario.importShare === undefined ? '' : result.importShare.toFixed(3);
    const numbers = [judgedValue(scenario, result).toFixed(4), String(scenario.most), result.seedShare.toFixed(2)];
    say(cut([name, ...numbers, imports, result.bytesPerPeer.toFixed(0), wrong ?? 'good']));
  }
}

function sweep(values: Values): void {
  const most = number(values, 'most-hosts', 4) ?? 1000;
  const counts = [4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 5000, 10_000].filter((hosts) => hosts <= most);
  const series = [128, 256].map((pieces) => ({
    name: `${pieces} pieces`,
    points: counts.map((hosts) => [hosts, timed({ ...optionsFrom(values), hosts, pieces }).ratio] as const),
  }));
  if (values.json) say(JSON.stringify(series));
  else {
    say('hosts,128 pieces,256 pieces');
    counts.forEach((hosts, at) => {
      say([hosts, ...series.map(({ points }) => points[at]?.[1].toFixed(4))].join(','));
    });
  }
  if (values.plot === undefined) return;
  const picture = plot({
    title: 'Equal hosts: makespan over the best that is possible',
    x: { label: 'hosts', log: true },
    y: {
      label: 'makespan / bound',
      from: 0.99,
      to: Math.max(1.05, ...series.flatMap(({ points }) => points.map(([, y]) => y))),
    },
    series,
    line: { y: 1, name: 'bound' },
  });
  writeFileSync(values.plot, picture);
}

function seeds(values: Values): void {
  const count = whole(values, 'fuzz', 1, 1000);
  const first = whole(values, 'seed', 0, 1);
  const started = performance.now();
  const failures = fuzz({ first, count }, (seed, failure) => {
    if (failure !== undefined) say(`seed ${seed}: ${failure.message}`);
  });
  const took = ((performance.now() - started) / 1000).toFixed(1);
  if (values.json) say(JSON.stringify({ first, count, failures }));
  else say(`${count} seeds from ${first} on in ${took} s: ${failures.length} broke a rule`);
  if (failures.length === 0) return;
  process.exitCode = 1;
  say('see one again: npm run simulate -- --replay SEED');
}

try {
  const values = read();
  if (values.help) process.stdout.write(HELP);
  else if (values.replay !== undefined) story(fuzzOptions(whole(values, 'replay', 0, 0)));
  else if (values.fuzz !== undefined) seeds(values);
  else if (values.scenarios) scenarios(values);
  else if (values.sweep) sweep(values);
  else one(values);
} catch (error) {
  process.stderr.write(`simulate: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
