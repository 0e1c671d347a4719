/**
 * dfdaemon beside its registry, which nginx plays: what a request costs more through it, how fast a blob comes, cold and
 * from the cache, and what parallel ranges gain. Each number is a median over the runs of the run's own median.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent as Connections, request as httpRequest } from 'node:http';
import type { Bench } from './processes.ts';
import { median } from './table.ts';

const MIB = 1024 * 1024;
const COLD_MIB = 300;
const REQUESTS = 200;
const COLD_BLOBS = 20;
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
  await bench.supernode();
  const daemon = await bench.dfdaemon('127.0.0.2');
  const direct = new URL(bench.url('')).origin;
  const ours = `http://127.0.0.1:${daemon.port}`;
  const repository = '/v2/bench/app';
  for (const folder of [`${repository}/blobs`, `${repository}/manifests`, `${GIGABIT}/blobs`])
    mkdirSync(`${bench.dir}/www${folder}`, { recursive: true });
  const blob = (bytes: number, of = repository) => `${of}/blobs/${addBlob(bench, of, bytes)}`;
  writeFileSync(`${bench.dir}/www${repository}/manifests/latest`, randomBytes(2000));

  await pairs(
    runs,
    () => latencies([direct, ours], () => `${repository}/manifests/latest`, REQUESTS),
    (extra, p99) => {
      row('manifest, ms more than direct (wanted 1), p99', fixed(extra), fixed(p99), '');
    },
  );
  const cached = blob(8 * MIB);
  await get(`${ours}${cached}`);
  await pairs(
    runs,
    () => latencies([direct, ours], () => cached, REQUESTS, 64 * 1024),
    (extra, p99) => {
      row('first byte of a cached blob, ms more (wanted 2), p99', fixed(extra), fixed(p99), '');
    },
  );
  await pairs(
    runs,
    () =>
      cold(
        [direct, ours],
        Array.from({ length: COLD_BLOBS }, () => blob(MIB)),
      ),
    (extra, p99) => {
      row('first byte of a cold blob, ms more (wanted 5), p99', fixed(extra), fixed(p99), '');
    },
  );

  const rates: number[][] = [[], [], [], []];
  for (let run = 0; run < runs; run++) {
    const large = blob(COLD_MIB * MIB);
    await get(`${direct}${large}`);
    rates[0]?.push(await rate(`${direct}${large}`, 1));
    rates[1]?.push(await rate(`${ours}${large}`, 1));
    await get(`${ours}${large}`);
    rates[2]?.push(await rate(`${ours}${large}`, 1));
    rates[3]?.push(await rate(`${ours}${large}`, STREAMS));
    rmSync(`${bench.dir}/www${large}`);
  }
  await gigabit(runs, [direct, ours], { row, blob: () => blob(COLD_MIB * MIB, GIGABIT) });
  const [plain = 0, through = 0, again = 0, parallel = 0] = rates.map(median);
  row(`cold ${COLD_MIB} MiB, MiB/s, beside direct (wanted 0.9)`, fixed(through), fixed(plain), fixed(through / plain));
  row('from the cache, MiB/s, beside direct', fixed(again), fixed(plain), fixed(again / plain));
  row(
    `${STREAMS} ranges at once, MiB/s, beside one stream (wanted 1.5)`,
    fixed(parallel),
    fixed(again),
    fixed(parallel / again),
  );
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
  const [plain, through] = rates.map(median) as [number, number];
  row(
    `cold ${COLD_MIB} MiB at 1 Gbit/s, MiB/s, beside direct (wanted 0.9)`,
    fixed(through),
    fixed(plain),
    fixed(through / plain),
  );
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

/** Medians over the runs. `work` gives for each place the times of its requests. */
async function pairs(
  runs: number,
  work: () => Promise<readonly (readonly number[])[]>,
  tell: (extra: number, p99: number) => void,
): Promise<void> {
  const extras: number[] = [];
  const tails: number[] = [];
  for (let run = 0; run < runs; run++) {
    const [direct = [], ours = []] = await work();
    extras.push(median(ours) - median(direct));
    tails.push(percentile(ours, 0.99) - median(direct));
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

async function cold(places: readonly string[], paths: readonly string[]) {
  const times: number[][] = places.map(() => []);
  for (const path of paths)
    for (const [index, place] of places.entries()) times[index]?.push((await get(`${place}${path}`)).first);
  return times;
}

/** MiB per second of one content, by so many ranges at once. */
async function rate(url: string, streams: number): Promise<number> {
  const bytes = COLD_MIB * MIB;
  const started = performance.now();
  const part = bytes / streams;
  await Promise.all(
    Array.from({ length: streams }, (_, at) => get(url, streams === 1 ? undefined : [at * part, (at + 1) * part])),
  );
  return COLD_MIB / ((performance.now() - started) / 1000);
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
