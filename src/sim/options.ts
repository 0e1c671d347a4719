/** What a run of the simulator is made of. Everything that happens follows from these values and the seed. */
import type { Limits } from '../scheduler/limits.ts';

export type HostClass = { readonly share: number; readonly up: number; readonly down: number };

export type SimOptions = {
  readonly hosts: number;
  readonly pieces: number;
  readonly seed: number;
  readonly pieceSize: number;
  /** Bytes per second of every host and of the seed, unless `classes` says otherwise. */
  readonly rate: number;
  readonly seedRate: number;
  readonly classes: readonly HostClass[];
  /** Hosts know their own limits and say so. */
  readonly toldRates: boolean;
  /** One way, milliseconds; a data centre's round trip is 0.1 to 0.5. */
  readonly latencyMs: number;
  /** Before the first byte of every transfer. */
  readonly overheadMs: number;
  /** Transfers that a parent sends at the same time; the others wait in order. Our piece server sends all. */
  readonly streams: number;
  /** Requests of one child that a parent has at the same time; further ones wait at the child for the end of one. */
  readonly connections: number;
  /** Bytes that every flow keeps in the queue of its sender's uplink: words have to wait behind them. */
  readonly flowQueueBytes: number;
  /** Milliseconds between the joins of two hosts; 0 = all at once. */
  readonly joinEveryMs: number;
  /** Foreign data centres; the hosts are dealt out to them in turn. 0 = all hosts and the seed in one. */
  readonly idcs: number;
  readonly tasks: number;
  /** Share of the hosts that die at random moments. */
  readonly dying: number;
  /** Hosts leave as soon as they are done. */
  readonly leaveWhenDone: boolean;
  /** Bytes per second at which the seed itself gets the content; 0 = it has all from the start. */
  readonly sourceRate: number;
  readonly faults: FaultOptions;
  readonly check: boolean;
  readonly trace: boolean;
  readonly limits: Partial<Limits>;
};

/** Rates are per message or per host and run. */
export type FaultOptions = {
  readonly crashes: number;
  readonly departures: number;
  readonly stalls: number;
  /** The whole process stops for a while. */
  readonly pauses: number;
  readonly slow: number;
  readonly corrupt: number;
  readonly liars: number;
  readonly lostMessages: number;
  readonly repeatedMessages: number;
  readonly clockJumps: number;
  readonly restarts: number;
  readonly readers: number;
  /** Readers that want nothing but their windows, for a while. */
  readonly lazy: number;
  readonly silent: number;
  readonly forgetful: number;
  readonly twoSupernodes: boolean;
};

export const NO_FAULTS: FaultOptions = {
  crashes: 0,
  departures: 0,
  stalls: 0,
  pauses: 0,
  slow: 0,
  corrupt: 0,
  liars: 0,
  lostMessages: 0,
  repeatedMessages: 0,
  clockJumps: 0,
  restarts: 0,
  readers: 0,
  lazy: 0,
  silent: 0,
  forgetful: 0,
  twoSupernodes: false,
};

const MIB = 1024 * 1024;

export const DEFAULT_OPTIONS: SimOptions = {
  hosts: 64,
  pieces: 128,
  seed: 1,
  pieceSize: MIB,
  rate: 12.5e6,
  seedRate: 12.5e6,
  classes: [],
  toldRates: true,
  latencyMs: 0.1,
  overheadMs: 0,
  streams: 64,
  connections: 2,
  flowQueueBytes: 0,
  joinEveryMs: 0,
  idcs: 0,
  tasks: 1,
  dying: 0,
  leaveWhenDone: false,
  sourceRate: 0,
  faults: NO_FAULTS,
  check: false,
  trace: false,
  limits: {},
};
