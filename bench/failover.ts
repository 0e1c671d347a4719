/**
 * What it costs when the only supernode is killed at 30 %: against the same distribution undisturbed, with a supernode that is back
 * after five seconds and with one that never is, while it still reads the source (its link is like the hosts') and after it has read all
 * of it (its link is four times as fast). `--only failover`; medians of `--runs`; `--mbit` sets the hosts' links where the machine
 * cannot play so many at 100 Mbit/s.
 */
import { type FailoverResult, failoverRun } from './failover-run.ts';
import { fieldMissing } from './field.ts';
import type { Plan } from './plan.ts';
import { fixed, median, row } from './table.ts';

const MIB = 256;
const SOURCE_MBIT = 1000;
const KILL_AT = 0.3;
const BACK_AFTER = 5;

export async function failover({ runs, mib, mbit }: Plan, dir: string): Promise<void> {
  const missing = fieldMissing();
  if (missing !== undefined) {
    process.stdout.write(`not run: failover, which needs ${missing}\n`);
    return;
  }
  const size = Math.min(mib, MIB);
  for (const hosts of [8, 16]) {
    for (const [seedMbit, read] of [
      [mbit, 'while it reads the source'],
      [4 * mbit, 'when it has read it'],
    ] as const) {
      const common = { hosts, mib: size, mbit, seedMbit, sourceMbit: SOURCE_MBIT };
      const of = async (more: { readonly killAt?: number; readonly backAfter?: number }) => {
        const results: FailoverResult[] = [];
        for (let run = 0; run < runs; run++)
          results.push(await failoverRun({ ...common, ...more }, `${dir}/dragonfly-failover-${process.pid}`));
        return results;
      };
      const what = `${hosts} hosts, ${size} MiB, ${mbit} Mbit/s, supernode ${seedMbit}`;
      const calm = await of({});
      tell(`${what}: undisturbed`, calm);
      tell(
        `${what}: killed at 30 % ${read}, back after ${BACK_AFTER} s`,
        await of({ killAt: KILL_AT, backAfter: BACK_AFTER }),
        calm,
      );
      tell(`${what}: killed at 30 % ${read}, for good`, await of({ killAt: KILL_AT }), calm);
    }
  }
}

function tell(what: string, results: readonly FailoverResult[], calm?: readonly FailoverResult[]): void {
  const of = (list: readonly FailoverResult[], pick: (result: FailoverResult) => number) => median(list.map(pick));
  const makespan = of(results, (one) => one.makespan);
  const later = calm === undefined ? '' : `${fixed(makespan - of(calm, (one) => one.makespan), 1)} s later`;
  const source = `source ${fixed(of(results, (one) => one.sourceRatio))}x in ${of(results, (one) => one.sourceReads)} reads, by ${of(results, (one) => one.hostsAtSource)} hosts`;
  const wrong = results.filter(({ right }) => !right).length;
  row(what, `${fixed(makespan, 1)} s; ${source}${wrong > 0 ? `; ${wrong} RUNS WITH A WRONG FILE` : ''}`, later);
}
