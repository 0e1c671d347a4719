/**
 * The cases by which the distribution is judged on shaped links, each with what is asked of its median run, so that one command
 * (`npm run lab -- --preset equal`) shows for each figure whether it is reached.
 */
import type { LabCase, LabResult } from './measure.ts';

export type Asked = {
  readonly what: string;
  readonly of: (result: LabResult) => number;
  readonly most: number;
};

export type Preset = {
  readonly cases: readonly Omit<LabCase, 'system' | 'warmMib' | 'timeoutSeconds'>[];
  readonly asked: (labCase: Pick<LabCase, 'mib' | 'hosts'>) => readonly Asked[];
  /** The makespans over the bound of one size may differ by this much from one number of hosts to the next. */
  readonly flatWithin?: number;
};

const overBound = (most: number): Asked => ({ what: 'makespan over fluid bound', of: ({ ratio }) => ratio, most });

/** The slowest of the hosts with this rate, over its own wire time. */
const overOwn = (rate: string, most: number): Asked => ({
  what: `slowest host of ${rate} Mbit/s over its own wire time`,
  of: ({ ownRatio }) => ownRatio[rate] ?? Number.NaN,
  most,
});

const ONE_READ: readonly Asked[] = [
  { what: 'source bytes over F', of: ({ sourceRatio }) => sourceRatio, most: 1 },
  { what: 'reads of the source', of: ({ sourceRequests }) => sourceRequests, most: 1 },
];

function equal(hosts: number, rate: number, mib: number): Preset['cases'][number] {
  return { hosts, mib, seedMbit: rate, ratesMbit: [rate], staggerSeconds: 0 };
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  /** Equal hosts at the rates at which a small machine can still play all of them. */
  equal: {
    cases: [64, 128, 256].flatMap((mib) => [
      equal(4, 100, mib),
      equal(8, 100, mib),
      equal(16, 50, mib),
      equal(32, 25, mib),
    ]),
    asked: ({ mib }) => [
      overBound(mib <= 64 ? 1.1 : 1.08),
      { what: 'seed bytes over F', of: ({ seedRatio }) => seedRatio, most: 1.1 },
      ...ONE_READ,
    ],
    flatWithin: 0.04,
  },
  /** The same at rates that two busy cores can play: what is left then is the network's and the scheduler's. */
  slow: {
    cases: [equal(4, 20, 64), equal(8, 20, 64)],
    asked: () => [
      overBound(1.1),
      { what: 'seed bytes over F', of: ({ seedRatio }) => seedRatio, most: 1.1 },
      ...ONE_READ,
    ],
    flatWithin: 0.04,
  },
  /** Half of the hosts have a fifth of the others' rate. */
  mixed: {
    cases: [{ hosts: 8, mib: 64, seedMbit: 100, ratesMbit: [20, 100], staggerSeconds: 0 }],
    asked: () => [overBound(1.07), overOwn('100', 1.25), ...ONE_READ],
  },
  /** One host a second. */
  joins: {
    cases: [{ hosts: 8, mib: 64, seedMbit: 100, ratesMbit: [100], staggerSeconds: 1 }],
    asked: () => [overOwn('100', 1.12), ...ONE_READ],
  },
};
