/**
 * What faults cost a distribution, on real processes and shaped links, each beside the same one undisturbed, with the bound that it has to
 * keep: 1 = the only supernode is killed and comes back, 2 = of three supernodes the one that has the task is killed for good, 3 = half of
 * the hosts are killed, or one of them misbehaves. Only where the cores are not full the times say something of the programs; so their
 * share stands in each row, and `--mbit` sets links that the machine can play. `--only faults --faults 1,2,3`.
 */
import { loadavg } from 'node:os';
import { type FaultCase, type FaultResult, faultRun } from './faults-run.ts';
import { fieldMissing } from './field.ts';
import type { Plan } from './plan.ts';
import { fixed, median, row } from './table.ts';

const MIB = 256;

type Bound = { readonly laterSeconds?: number; readonly ratio?: number; readonly sourceRatio?: number };
type Trial = { readonly what: string; readonly change: Partial<FaultCase>; readonly bound: Bound };
type Line = {
  readonly what: string;
  readonly base: Omit<FaultCase, 'mib' | 'mbit'>;
  readonly trials: readonly Trial[];
};

const OWNER_AT = { what: 'owner', at: 0.3 } as const;

const LINES: Readonly<Record<string, readonly Line[]>> = {
  1: [
    {
      what: '8 hosts, one supernode',
      base: { hosts: 8, supernodes: 1 },
      trials: [
        {
          what: 'killed at 30 %, back after 5 s',
          change: { kill: { ...OWNER_AT, backAfter: 5 } },
          bound: { laterSeconds: 6, sourceRatio: 1.05 },
        },
      ],
    },
  ],
  2: [
    {
      what: '8 hosts, three supernodes on Redis',
      base: { hosts: 8, supernodes: 3 },
      trials: [
        { what: 'owner killed at 30 %', change: { kill: OWNER_AT }, bound: { laterSeconds: 3, sourceRatio: 1.1 } },
      ],
    },
    {
      what: '8 hosts, three supernodes on Redis and S3, complete before',
      base: { hosts: 8, supernodes: 3, stored: true },
      trials: [
        { what: 'owner killed at 30 %', change: { kill: OWNER_AT }, bound: { laterSeconds: 3, sourceRatio: 0 } },
      ],
    },
  ],
  3: [
    {
      what: '16 hosts',
      base: { hosts: 16, supernodes: 1 },
      trials: [
        {
          what: 'half of them killed at 50 %',
          change: { kill: { what: 'half of the hosts', at: 0.5 } },
          bound: { ratio: 1.3 },
        },
      ],
    },
    {
      what: '8 hosts',
      base: { hosts: 8, supernodes: 1 },
      trials: [
        { what: 'one flips a byte in every piece', change: { wrong: 'corrupt' }, bound: { ratio: 1.15 } },
        { what: 'one takes requests and never answers', change: { wrong: 'mute' }, bound: { ratio: 1.15 } },
      ],
    },
  ],
};

export async function faults({ runs, mib, mbit }: Plan, wanted: readonly string[], dir: string): Promise<void> {
  const missing = fieldMissing('redis-server');
  if (missing !== undefined) {
    process.stdout.write(`not run: faults, which needs ${missing}\n`);
    return;
  }
  const size = Math.min(mib, MIB);
  for (const line of wanted.flatMap((name) => LINES[name] ?? [])) {
    const of = async (change: Partial<FaultCase>): Promise<FaultResult[]> => {
      const results: FaultResult[] = [];
      for (let run = 0; run < runs; run++)
        results.push(
          await faultRun({ ...line.base, ...change, mib: size, mbit }, `${dir}/dragonfly-faults-${process.pid}`),
        );
      return results;
    };
    const what = `${line.what}, ${size} MiB, ${mbit} Mbit/s`;
    const calm = await of({});
    row(`${what}: undisturbed`, say(calm));
    for (const trial of line.trials) {
      const results = await of(trial.change);
      row(`${what}: ${trial.what}`, say(results), beside(results, calm), judged(trial.bound, results, calm));
    }
  }
}

const middle = (results: readonly FaultResult[], pick: (one: FaultResult) => number) => median(results.map(pick));

function say(results: readonly FaultResult[]): string {
  const wrong = results.filter(({ right }) => !right).length;
  const source = `source ${fixed(middle(results, (one) => one.sourceRatio))}x by ${middle(results, (one) => one.hostsAtSource)} hosts`;
  const cores = `cores ${fixed(100 * middle(results, (one) => one.busy), 0)} % busy, load ${fixed(loadavg()[0] ?? 0, 0)}`;
  return `${fixed(
    middle(results, (one) => one.makespan),
    1,
  )} s; ${source}; ${cores}${wrong > 0 ? `; ${wrong} RUNS WITH A WRONG FILE` : ''}`;
}

function beside(results: readonly FaultResult[], calm: readonly FaultResult[]): string {
  const [now, then] = [middle(results, (one) => one.makespan), middle(calm, (one) => one.makespan)];
  return `${fixed(now - then, 1)} s later, ${fixed(now / then)} of the time`;
}

/** Each bound with whether it is kept. */
function judged(bound: Bound, results: readonly FaultResult[], calm: readonly FaultResult[]): string {
  const [now, then] = [middle(results, (one) => one.makespan), middle(calm, (one) => one.makespan)];
  const source = middle(results, (one) => one.sourceRatio);
  const rules: readonly (readonly [string, number, number | undefined])[] = [
    ['later by', now - then, bound.laterSeconds],
    ['time', now / then, bound.ratio],
    ['source', source, bound.sourceRatio],
  ];
  return rules
    .flatMap(([name, value, most]) =>
      most === undefined ? [] : [`${name} ≤ ${most}: ${value <= most + 0.001 ? 'kept' : 'NOT KEPT'}`],
    )
    .join(', ');
}
