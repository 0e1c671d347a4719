/**
 * Runs drawn from seeds: small swarms with whatever can go wrong, every kind of fault switched on or off by chance, so that
 * some seeds show one fault alone and others many at once. After the faults everybody must finish and nothing may be left.
 */
import { Random } from '../base/random.ts';
import { DEFAULT_OPTIONS, type FaultOptions, type SimOptions } from './options.ts';
import { simulate } from './run.ts';
import type { SchedulerMaker } from './sim-supernode.ts';

const KIB = 1024;

export type FuzzFailure = { readonly seed: number; readonly message: string };

/** What the run of this seed is made of; the same for ever, so that a seed is enough to see a failure again. */
export function fuzzOptions(seed: number): SimOptions {
  const random = new Random(seed);
  const chance = (share: number, most: number): number => (random.chance(share) ? random.between(0, most) : 0);
  const pieces = 1 + random.below(random.chance(0.2) ? 96 : 24);
  const rate = [1e6, 12.5e6, 125e6][random.below(3)] ?? 12.5e6;
  const staggered = random.chance(0.3);
  return {
    ...DEFAULT_OPTIONS,
    seed,
    hosts: 1 + random.below(random.chance(0.2) ? 40 : 10),
    pieces,
    pieceSize: 256 * KIB,
    rate,
    seedRate: rate,
    toldRates: random.chance(0.5),
    latencyMs: random.between(0, 20),
    overheadMs: random.chance(0.3) ? random.between(0, 5) : 0,
    streams: 1 + random.below(3),
    joinEveryMs: staggered ? random.between(0, 1000) : 0,
    idcs: random.chance(0.25) ? 1 + random.below(4) : 0,
    tasks: random.chance(0.2) ? 2 + random.below(3) : 1,
    leaveWhenDone: random.chance(0.2),
    sourceRate: random.chance(0.3) ? rate * random.between(0.3, 2) : 0,
    faults: drawFaults(random, chance),
    check: true,
  };
}

function drawFaults(random: Random, chance: (share: number, most: number) => number): FaultOptions {
  return {
    crashes: chance(0.3, 0.4),
    departures: chance(0.3, 0.4),
    stalls: chance(0.25, 0.5),
    slow: chance(0.25, 0.5),
    corrupt: chance(0.25, 0.5),
    liars: chance(0.2, 0.5),
    lostMessages: chance(0.3, 0.2),
    repeatedMessages: chance(0.3, 0.3),
    clockJumps: random.chance(0.2) ? random.below(4) : 0,
    restarts: random.chance(0.2) ? random.below(3) : 0,
    readers: chance(0.3, 0.8),
    lazy: chance(0.3, 0.8),
    silent: chance(0.2, 0.5),
    forgetful: chance(0.25, 0.4),
    twoSupernodes: random.chance(0.15),
    pauses: chance(0.2, 0.4),
  };
}

/** Runs the seeds from `first` on; `report` hears of each one. */
export function fuzz(
  seeds: { readonly first: number; readonly count: number },
  report: (seed: number, failure: FuzzFailure | undefined) => void = () => {},
  make?: SchedulerMaker,
): readonly FuzzFailure[] {
  const failures: FuzzFailure[] = [];
  for (let seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
    let failure: FuzzFailure | undefined;
    try {
      simulate(fuzzOptions(seed), make);
    } catch (error) {
      // Whatever is thrown, a foul or an assertion of the scheduler itself, is what the fuzzer looks for.
      failure = { seed, message: error instanceof Error ? error.message : String(error) };
      failures.push(failure);
    }
    report(seed, failure);
  }
  return failures;
}
