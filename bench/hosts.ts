/** Many hosts that ask for one small file at the same moment: how often the source is read, and what it costs. */

import type { Plan } from './plan.ts';
import { type Bench, good } from './processes.ts';
import { fixed, MIB, row } from './table.ts';

type Played = { readonly seconds: number; readonly hosts: number; readonly supernode: number };

export async function hosts(bench: Bench, plan: Plan): Promise<void> {
  const supernode = await bench.supernode();
  for (const [name, bytes] of [
    ['a 1 MiB file', MIB],
    ['a 4 KiB file', 4096],
  ] as const) {
    const file = `hosts${bytes}`;
    bench.sample(file, bytes);
    const before = bench.usage(supernode).cpu;
    const program = `${bench.root}/bench/hosts-program.ts`;
    const run = good(await bench.timed([process.execPath, program, bench.node, bench.url(file), String(plan.hosts)]));
    const played = JSON.parse(run.output.trim().split('\n').at(-1) ?? '') as Played;
    const cpu = bench.usage(supernode).cpu - before;
    const { requests, bytes: read } = bench.reads(file);
    const what = `${plan.hosts} hosts at once, ${name}`;
    row(
      `${what}: reads of the source; bytes of them over the file's`,
      `${requests}; ${fixed(read / bytes)}`,
      'one; 1.00',
    );
    const pieces = played.hosts + played.supernode;
    const share = pieces === 0 ? 'inside the answer' : `${fixed((100 * played.hosts) / pieces, 0)} % from hosts`;
    row(`${what}: s until the last one has it`, fixed(played.seconds), share);
    row(`${what}: CPU of the supernode per host, ms`, fixed((cpu / plan.hosts) * 1000));
  }
}
