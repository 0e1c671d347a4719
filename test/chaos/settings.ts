/** What a run is told by its command line. The plan of faults follows from `seed`, `minutes`, `hosts` and `supernodes` alone. */
import { parseArgs } from 'node:util';

export type ChaosSettings = {
  readonly minutes: number;
  readonly seed: number;
  readonly supernodes: 1 | 3;
  readonly hosts: number;
  /** dfgets at once. */
  readonly parallel: number;
  /** No network namespaces and no small disks, although they could be had. */
  readonly plain: boolean;
  /** Where everything is written; removed at the end unless `keep`. */
  readonly dir: string | undefined;
  readonly keep: boolean;
  /** Already in its own namespaces. */
  readonly inside: boolean;
};

export const USAGE = `usage: npm run chaos -- [--minutes 5] [--seed N] [--supernodes 1|3] [--hosts 12] [--parallel 5] [--plain] [--dir DIR] [--keep]

--plain  127.0.0.x only, as for a user who is not root: no cut links, no full disks
--keep   leaves logs and stores where they are, for a look at what went wrong
`;

export const LEAST_HOSTS = 4;

/** Throws an Error with what is wrong. */
export function readSettings(args: readonly string[]): ChaosSettings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string' },
      supernodes: { type: 'string', default: '1' },
      hosts: { type: 'string', default: '12' },
      parallel: { type: 'string', default: '5' },
      plain: { type: 'boolean', default: false },
      dir: { type: 'string' },
      keep: { type: 'boolean', default: false },
      inside: { type: 'boolean', default: false },
    },
  });
  const supernodes = number('supernodes', values.supernodes, 1, 3);
  if (supernodes === 2) throw new Error('--supernodes is 1 or 3');
  return {
    minutes: number('minutes', values.minutes, 0.1, 24 * 60),
    seed: Math.floor(number('seed', values.seed ?? String(Date.now() % 1_000_000), 0, 2 ** 31)),
    supernodes: supernodes === 1 ? 1 : 3,
    hosts: Math.floor(number('hosts', values.hosts, LEAST_HOSTS, 100)),
    parallel: Math.floor(number('parallel', values.parallel, 1, 64)),
    plain: values.plain,
    dir: values.dir,
    keep: values.keep,
    inside: values.inside,
  };
}

function number(name: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (!(value >= from && value <= to)) throw new Error(`--${name} is a number from ${from} to ${to}`);
  return value;
}
