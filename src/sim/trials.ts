/** One fault in an otherwise good run, beside the same run without: what it costs the others. */
import { DEFAULT_OPTIONS, type SimOptions } from './options.ts';
import { play, type SimResult } from './run.ts';
import { World } from './world.ts';

export type Trial = {
  readonly name: string;
  readonly what: string;
  readonly hosts: number;
  /** Makespan over that of the undisturbed run, at most; with `others` that of the others alone. */
  readonly most: number;
  readonly others?: true;
  /** Once all have joined. */
  readonly strike: (world: World, undisturbedMs: number) => void;
};

const KIB = 1024;

/** 256 MiB in pieces of the usual size on links of 100 Mbit/s, with rates that must be learnt. */
const OPTIONS: Partial<SimOptions> = {
  pieces: 512,
  pieceSize: 512 * KIB,
  latencyMs: 1,
  overheadMs: 1,
  toldRates: false,
  check: true,
};

export const TRIALS: readonly Trial[] = [
  {
    name: 'half-killed',
    what: 'half of 16 hosts killed at 50 %',
    hosts: 16,
    most: 1.3,
    strike: (world, undisturbedMs) =>
      world.queue.at(undisturbedMs / 2, () => {
        for (const host of world.hosts.slice(1, 9)) world.leave(host, false);
      }),
  },
  {
    name: 'corrupt',
    what: 'one of 8 hosts flips a byte in every piece',
    hosts: 8,
    most: 1.15,
    strike: (world) =>
      world.queue.after(1, () => {
        for (const host of world.hosts.slice(1, 2)) {
          host.corrupt = true;
          world.justice.corrupted(host);
        }
      }),
  },
  {
    name: 'mute',
    what: 'one of 8 hosts takes requests and never answers',
    hosts: 8,
    most: 1.15,
    strike: (world) =>
      world.queue.after(1, () => {
        for (const host of world.hosts.slice(1, 2)) host.mute = true;
      }),
  },
  {
    name: 'liar',
    what: 'one of 8 hosts calls wrong what other hosts give it',
    hosts: 8,
    most: 1.15,
    others: true,
    strike: (world) =>
      world.queue.after(1, () => {
        for (const host of world.hosts.slice(1, 2)) {
          host.liar = 'peer-corrupt';
          world.justice.lies(host);
        }
      }),
  },
  {
    name: 'paused',
    what: 'one of 8 hosts stopped at 50 % for 5 s',
    hosts: 8,
    most: 1.15,
    others: true,
    strike: (world, undisturbedMs) =>
      world.queue.at(undisturbedMs / 2, () => {
        for (const host of world.hosts.slice(1, 2)) world.pause(host, 5_000);
      }),
  },
];

export type TrialResult = {
  readonly trial: Trial;
  readonly undisturbed: SimResult;
  readonly result: SimResult;
  readonly ratio: number;
  readonly wrongPieces: number;
  readonly provedPieces: number;
};

export function tryOut(trial: Trial, seed: number): TrialResult {
  const options = { ...DEFAULT_OPTIONS, ...OPTIONS, hosts: trial.hosts, seed };
  const undisturbed = play(new World(options));
  const world = new World(options);
  trial.strike(world, undisturbed.makespanMs);
  const result = play(world);
  const { wrongPieces, provedPieces } = world.justice;
  const makespanMs = trial.others ? othersMs(world) : result.makespanMs;
  const ratio = makespanMs / undisturbed.makespanMs;
  return { trial, undisturbed, result, ratio, wrongPieces: wrongPieces.length, provedPieces };
}

/** When the last one of those to whom nothing was done had it all. */
function othersMs(world: World): number {
  const ends = world.hosts.slice(2).flatMap(({ copies }) => [...copies.values()].map(({ doneAt }) => doneAt ?? 0));
  return Math.max(...ends);
}
