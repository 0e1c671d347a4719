/**
 * dfdaemon beside its registry, which nginx plays: what a request costs more through it, how fast a blob comes, cold and
 * from the cache, and what parallel ranges gain. Direct and through take turns, each pair of times is compared with itself,
 * and each number is a median over the runs of the run's own median: so what disturbs both does not count. One dfdaemon streams
 * all blobs, another one proves short ones first, as is the default. Programs that
 * have just started are slower by the compiling of their code; so some rounds come first that are not measured.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent as Connections, request as httpRequest } from 'node:http';
import { promisify } from 'node:util';
import type { Bench } from './processes.ts';
import { median } from './table.ts';

const runProgram = promisify(execFile);
const MIB = 1024 * 1024;
const COLD_MIB = 300;
const REQUESTS = 200;
const COLD_BLOBS = 40;
/** Not measured: as many as bring the programs to their usual speed. */
const WARM_BLOBS = 100;
const WARM_REQUESTS = 300;
const STREAMS = 4;
/** Repository that nginx gives at 1 Gbit/s. */
const GIGABIT = '/v2/gigabit/app';

type Options = {
  readonly runs: number;
  readonly row: (what: string, ours: string, other: string, ratio: string) => void;
};
/** Milliseconds. */
type Times = { readonly first: number; readonly whole: number };

export async function dfdaemon(bench: Bench, { runs, row }: Options): Promise<void> {
  const supernode = await bench.supernode();
  const daemon = await bench.dfdaemon('127.0.0.2', { DFDAEMON_PROVE_UP_TO: '0' });
  const proving = await bench.dfdaemon('127.0.0.3');
  const direct = new URL(bench.url('')).origin;
  const ours = `http://127.0.0.1:${daemon.port}`;
  const repository = '/v2/bench/app';
  for (const folder of [`${repository}/blobs`, `${repository}/manifests`, `${GIGABIT}/blobs`])
    mkdirSync(`${bench.dir}/www${folder}`, { recursive: true });
  const blob = (bytes: number, of = repository) => `${of}/blobs/${addBlob(bench, of, bytes)}`;
  writeFileSync(`${bench.dir}/www${repository}/manifests/latest`, randomBytes(2000));

  const manifest = () => `${repository}/manifests/latest`;
  const cached = blob(8 * MIB);
  const colds = (count: number) => Array.from({ length: count }, () => blob(MIB));
  const proved = `http://127.0.0.1:${proving.port}`;
  for (const place of [ours, proved]) await cold([direct, place], colds(WARM_BLOBS), 'first');
  await latencies([direct, ours], manifest, WARM_REQUESTS);
  await get(`${ours}${cached}`);

  await pairs(
    runs,
    () => latencies([direct, ours], manifest, REQUESTS),
    (extra, p99) => {
      row('manifest, ms more than direct (wanted 1), p99 (wanted 5)', fixed(extra), fixed(p99), '');
    },
  );
  await pairs(
    runs,
    () => latencies([direct, ours], () => cached, REQUESTS, 64 * 1024),
    (extra, p99) => {
      row('first byte of a cached blob, ms more (wanted 2), p99', fixed(extra), fixed(p99), '');
    },
  );
  const spent = () => [supernode, daemon.pid].map((pid) => bench.usage(pid).cpu);
  const before = spent();
  await pairs(
    runs,
    () => cold([direct, ours], colds(COLD_BLOBS), 'first'),
    (extra, p99) => {
      row('first byte of a cold blob, streamed, ms more (wanted 5), p99', fixed(extra), fixed(p99), '');
    },
  );
  const [bySupernode = 0, byDaemon = 0] = spent().map(
    (cpu, at) => ((cpu - (before[at] ?? 0)) * 1000) / (runs * COLD_BLOBS),
  );
  row('CPU ms per cold blob of 1 MiB: supernode, dfdaemon', fixed(bySupernode), fixed(byDaemon), '');

  for (const [place, how] of [
    [ours, 'streamed'],
    [proved, 'proved first'],
  ] as const)
    await pairs(
      runs,
      () => cold([direct, place], colds(COLD_BLOBS), 'whole'),
      (extra, p99) => {
        row(`last byte of a cold blob of 1 MiB, ${how}, ms more, p99`, fixed(extra), fixed(p99), '');
      },
    );

  const rates = {
    direct: [] as number[],
    through: [] as number[],
    cached: [] as number[],
    parallel: [] as number[],
    apart: [] as number[],
  };
  for (let run = 0; run < runs; run++) {
    const large = blob(COLD_MIB * MIB);
    await get(`${direct}${large}`);
    rates.direct.push(await rate(`${direct}${large}`, 1));
    rates.through.push(await rate(`${ours}${large}`, 1));
    await get(`${ours}${large}`);
    rates.cached.push(await rate(`${ours}${large}`, 1));
    rates.parallel.push(await rate(`${ours}${large}`, STREAMS));
    rates.apart.push(await rate(`${direct}${large}`, STREAMS));
    rmSync(`${bench.dir}/www${large}`);
  }
  await gigabit(runs, [direct, ours], { row, blob: () => blob(COLD_MIB * MIB, GIGABIT) });
  tell(row, `cold ${COLD_MIB} MiB, MiB/s, beside direct (wanted 0.9)`, rates.through, rates.direct);
  tell(row, 'from the cache, MiB/s, beside direct', rates.cached, rates.direct);
  tell(row, `${STREAMS} ranges at once, MiB/s, beside one stream (wanted 1.5)`, rates.parallel, rates.cached);
  tell(row, `${STREAMS} ranges at once of the registry itself, MiB/s, beside one stream`, rates.apart, rates.direct);
}

/** What a registry behind a usual line gives: here the copy in the middle must not show. */
async function gigabit(
  runs: number,
  [direct, ours]: readonly [string, string],
  { row, blob }: Pick<Options, 'row'> & { readonly blob: () => string },
): Promise<void> {
  const rates: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const large = blob();
    rates[0].push(await rate(`${direct}${large}`, 1));
    rates[1].push(await rate(`${ours}${large}`, 1));
  }
  tell(row, `cold ${COLD_MIB} MiB at 1 Gbit/s, MiB/s, beside direct (wanted 0.9)`, rates[1], rates[0]);
}

/** Medians, and the median of what the two were to each other in each run. */
function tell(row: Options['row'], what: string, ours: readonly number[], other: readonly number[]): void {
  const ratios = ours.map((rate, at) => rate / (other[at] ?? Number.NaN));
  row(what, fixed(median(ours)), fixed(median(other)), fixed(median(ratios)));
}

function fixed(value: number): string {
  return value.toFixed(2);
}

function addBlob(bench: Bench, repository: string, bytes: number): string {
  const name = `blob-${randomBytes(4).toString('hex')}`;
  bench.sample(name, bytes);
  const file = `${bench.dir}/www/${name}`;
  const digest = `sha256:${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
  renameSync(file, `${bench.dir}/www${repository}/blobs/${digest}`);
  return digest;
}

/** Medians over the runs. `work` gives for each place the times of its requests, those of one turn at the same index. */
async function pairs(
  runs: number,
  work: () => Promise<readonly (readonly number[])[]>,
  tell: (extra: number, p99: number) => void,
): Promise<void> {
  const extras: number[] = [];
  const tails: number[] = [];
  for (let run = 0; run < runs; run++) {
    const [direct = [], ours = []] = await work();
    const more = ours.map((time, at) => time - (direct[at] ?? Number.NaN));
    extras.push(median(more));
    tails.push(percentile(more, 0.99));
  }
  tell(median(extras), median(tails));
}

function percentile(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)] ?? Number.NaN;
}

/** The places take turns, so that what disturbs one disturbs the other. */
async function latencies(places: readonly string[], path: () => string, count: number, bytes?: number) {
  const times: number[][] = places.map(() => []);
  for (let at = 0; at < count; at++)
    for (const [index, place] of places.entries()) {
      const { first } = await get(`${place}${path()}`, bytes === undefined ? undefined : [0, bytes]);
      times[index]?.push(first);
    }
  return times;
}

async function cold(places: readonly string[], paths: readonly string[], what: keyof Times) {
  const times: number[][] = places.map(() => []);
  for (const path of paths)
    for (const [index, place] of places.entries()) times[index]?.push((await get(`${place}${path}`))[what]);
  return times;
}

/** MiB per second of one content, by so many ranges at once. One process each: engines take them on as many threads. */
async function rate(url: string, streams: number): Promise<number> {
  const bytes = COLD_MIB * MIB;
  const started = performance.now();
  const part = bytes / streams;
  await Promise.all(
    Array.from({ length: streams }, (_, at) =>
      curl(url, part, streams === 1 ? [] : ['-r', `${at * part}-${(at + 1) * part - 1}`]),
    ),
  );
  return COLD_MIB / ((performance.now() - started) / 1000);
}

async function curl(url: string, bytes: number, range: readonly string[]): Promise<void> {
  const { stdout } = await runProgram('curl', ['-sS', '-o', '/dev/null', '-w', '%{size_download}', ...range, url]);
  if (Number(stdout) !== bytes) throw new Error(`${url}: ${stdout} of ${bytes} bytes`);
}

const connections = new Connections({ keepAlive: true });

function get(url: string, span?: readonly [start: number, end: number]): Promise<Times> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const headers = span === undefined ? {} : { Range: `bytes=${span[0]}-${span[1] - 1}` };
    const sent = httpRequest(url, { agent: connections, headers }, (answer) => {
      let first = 0;
      let bytes = 0;
      answer.on('data', (data: Buffer) => {
        if (bytes === 0) first = performance.now() - started;
        bytes += data.length;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const wanted = span === undefined ? bytes : span[1] - span[0];
        if ((answer.statusCode ?? 500) >= 300 || bytes !== wanted)
          reject(new Error(`${url}: ${answer.statusCode}, ${bytes} bytes`));
        else resolve({ first, whole: performance.now() - started });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
