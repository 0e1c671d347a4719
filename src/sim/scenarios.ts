/** The runs by which the scheduler is judged, each with the number that it must not exceed. */
import { DEFAULT_OPTIONS, type SimOptions } from './options.ts';
import type { SimResult } from './run.ts';

const RATE = DEFAULT_OPTIONS.rate;

export type Scenario = {
  readonly name: string;
  readonly what: string;
  readonly options: Partial<SimOptions>;
  /** What is judged: makespan over the bound, or the worst host's time over F / its own downlink. */
  readonly judged: 'ratio' | 'worstShare';
  readonly most: number;
  /** Bytes into each foreign IDC over F, where that is judged too. */
  readonly importShare?: number;
};

function equal(hosts: number, pieces: number, most: number): Scenario {
  return {
    name: `equal-${hosts}-${pieces}`,
    what: `${hosts} equal hosts, ${pieces} pieces`,
    options: { hosts, pieces },
    judged: 'ratio',
    most,
  };
}

/** As real hosts are: rates that nobody says, pieces of a usual size, a control round that is no small part of them. */
function learnt(hosts: number, pieceSize: number, latencyMs: number, most: number): Scenario {
  return {
    name: `learnt-${hosts}-${pieceSize / 1024}K`,
    what: `${hosts} equal hosts whose rates must be learnt, ${pieceSize / 1024} KiB pieces, ${latencyMs} ms one way`,
    options: { hosts, pieces: 512, pieceSize, latencyMs, overheadMs: 1, toldRates: false },
    judged: 'ratio',
    most,
  };
}

/** As in the lab on shaped links (bench/lab), where words wait in the queues behind the pieces. */
function shaped(hosts: number, mbit: number, pieceSize: number): Scenario {
  const rate = mbit * 125_000;
  return {
    name: `shaped-${hosts}-${mbit}-${pieceSize / 1024}K`,
    what: `${hosts} equal hosts at ${mbit} Mbit/s, rates to be learnt, ${pieceSize / 1024} KiB pieces, words wait behind pieces`,
    options: {
      ...{ hosts, pieces: 512, pieceSize, rate, seedRate: rate, toldRates: false },
      ...{ latencyMs: 1, overheadMs: 1, flowQueueBytes: FLOW_QUEUE_BYTES },
    },
    judged: 'ratio',
    most: 1.08,
  };
}

/** As `shaped`, with hosts that come one after another: none may live at the expense of another. */
function staggered(hosts: number, joinEveryMs: number, pieceSize: number, most: number): Scenario {
  const { options } = shaped(hosts, 100, pieceSize);
  return {
    name: `staggered-${hosts}-${pieceSize / 1024}K`,
    what: `${hosts} joins ${joinEveryMs / 1000} s apart at 100 Mbit/s, rates to be learnt, ${pieceSize / 1024} KiB pieces: worst host over its own F/d`,
    options: { ...options, joinEveryMs },
    judged: 'worstShare',
    most,
  };
}

const KIB = 1024;
/** What Linux lets one flow have in its own host's queue at such rates (TCP small queues): two segments of two packets. */
const FLOW_QUEUE_BYTES = 9_000;

export const SCENARIOS: readonly Scenario[] = [
  ...[4, 8, 16].flatMap((hosts) => [equal(hosts, 128, 1.03), equal(hosts, 256, 1.03)]),
  learnt(8, 256 * KIB, 1, 1.08),
  learnt(16, 256 * KIB, 5, 1.08),
  learnt(16, 1024 * KIB, 0.1, 1.06),
  learnt(8, 16_384 * KIB, 1, 1.12),
  shaped(4, 20, 128 * KIB),
  shaped(8, 100, 128 * KIB),
  shaped(8, 100, 256 * KIB),
  shaped(16, 50, 256 * KIB),
  shaped(32, 25, 256 * KIB),
  ...[64, 1000, 10_000].flatMap((hosts) => [equal(hosts, 128, 1.02), equal(hosts, 256, 1.02)]),
  {
    name: 'mixed',
    what: '200 hosts, uplinks 0.5, 1 and 4, downlinks 4',
    options: {
      hosts: 200,
      pieces: 256,
      classes: [0.5, 1, 4].map((up) => ({ share: 1 / 3, up: up * RATE, down: 4 * RATE })),
    },
    judged: 'ratio',
    most: 1.05,
  },
  {
    name: 'dying',
    what: '200 hosts, 20 % die at random moments',
    options: { hosts: 200, pieces: 256, dying: 0.2 },
    judged: 'ratio',
    most: 1.05,
  },
  {
    name: 'joins',
    what: '100 joins 2 s apart, downlink 2, seed 4: worst host over its own F/d',
    options: {
      hosts: 100,
      pieces: 256,
      joinEveryMs: 2000,
      seedRate: 4 * RATE,
      classes: [{ share: 1, up: RATE, down: 2 * RATE }],
    },
    judged: 'worstShare',
    most: 1.7,
  },
  staggered(8, 1000, 128 * KIB, 1.2),
  staggered(8, 1000, 256 * KIB, 1.2),
  staggered(16, 300, 128 * KIB, 1.2),
  staggered(32, 500, 128 * KIB, 1.2),
  {
    name: 'idcs',
    what: '200 hosts in 10 foreign IDCs',
    options: { hosts: 200, pieces: 256, idcs: 10 },
    judged: 'ratio',
    most: 1.06,
    importShare: 1,
  },
  {
    name: 'leavers',
    // The bound counts their uplinks to the end, they take them along.
    what: '64 hosts that leave as soon as they are done',
    options: { hosts: 64, pieces: 256, leaveWhenDone: true },
    judged: 'ratio',
    most: 1.1,
  },
  {
    name: 'tasks',
    what: '64 hosts, 4 tasks at once',
    options: { hosts: 64, pieces: 128, tasks: 4 },
    judged: 'ratio',
    most: 1.05,
  },
];

export function optionsOf(scenario: Scenario, seed: number): SimOptions {
  return { ...DEFAULT_OPTIONS, ...scenario.options, seed };
}

/** Undefined when the result is as good as it must be; else what is wrong with it. */
export function verdict(scenario: Scenario, result: SimResult): string | undefined {
  const value = judgedValue(scenario, result);
  if (value > scenario.most) return `${value.toFixed(4)} is more than ${scenario.most}`;
  if (scenario.importShare !== undefined && Math.abs(result.importShare - scenario.importShare) > 1e-9) {
    return `${result.importShare.toFixed(3)} F came into an IDC instead of ${scenario.importShare}`;
  }
  return undefined;
}

export function judgedValue(scenario: Scenario, result: SimResult): number {
  return scenario.judged === 'ratio' ? result.ratio : (result.shares[result.shares.length - 1] ?? 0);
}
