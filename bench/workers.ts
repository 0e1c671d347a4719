/** Whether hashing and writing should leave the main thread: docs/performance.md has the conclusion. */

import type { Plan } from './plan.ts';
import { type Bench, good } from './processes.ts';
import { fixed, median, row } from './table.ts';

type Way = { readonly workers: number; readonly cpu: number; readonly seconds: number; readonly busy: number };

export async function workers(bench: Bench, plan: Plan): Promise<void> {
  const all: Way[] = [];
  for (let run = 0; run < plan.runs; run++) {
    bench.warmMemory();
    const program = [`${bench.root}/bench/workers-program.ts`, `${bench.dir}/workers`];
    const { output } = good(await bench.timed([process.execPath, ...program]));
    all.push(
      ...output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Way),
    );
  }
  for (const count of [0, 1, 2]) {
    const ways = all.filter((way) => way.workers === count);
    const of = (pick: (way: Way) => number): string => fixed(median(ways.map(pick)));
    row(
      `hash and write 1 GiB, ${count === 0 ? 'main thread and pool' : `${count} worker${count > 1 ? 's' : ''}`}: CPU s; s; main thread busy, s`,
      `${of((way) => way.cpu)}; ${of((way) => way.seconds)}; ${of((way) => way.busy)}`,
    );
  }
}
