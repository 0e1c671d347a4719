/**
 * What a running download looks like, as text. Pure: samples go in, lines come out; who draws them and when is main.ts's.
 * The rate is that of the last seconds, because a mean since the start lags behind every change.
 */
import { printDuration, printRate, printSize } from '../base/units.ts';
import type { DownloadProgress } from '../peer/engine.ts';

const RATE_WINDOW_MS = 3000;
const MAX_SAMPLES = 64;
const BAR_CELLS = 24;

export type ProgressState = {
  readonly last: DownloadProgress;
  readonly bytesPerSecond: number;
  readonly samples: readonly { readonly atMs: number; readonly done: number }[];
};

/** The next state: `previous` is undefined for the first sample. */
export function withSample(previous: ProgressState | undefined, last: DownloadProgress, atMs: number): ProgressState {
  const young = (previous?.samples ?? []).filter((sample) => atMs - sample.atMs <= RATE_WINDOW_MS);
  const samples = [...young.slice(-(MAX_SAMPLES - 1)), { atMs, done: last.done }];
  const first = samples[0];
  const seconds = first === undefined ? 0 : (atMs - first.atMs) / 1000;
  const bytesPerSecond = first === undefined || seconds <= 0 ? 0 : Math.max(0, (last.done - first.done) / seconds);
  return { last, bytesPerSecond, samples };
}

/** Of what this download moved (not of what lay on disk before it) the share that peers gave; 0 to 1. */
export function shareFromPeers({ fromPeers, fromSupernode, fromSource }: DownloadProgress): number {
  const moved = fromPeers + fromSupernode + fromSource;
  return moved === 0 ? 0 : fromPeers / moved;
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

function parts({ last, bytesPerSecond }: ProgressState): string[] {
  const { done, length } = last;
  const left = length === null || bytesPerSecond === 0 ? undefined : ((length - done) / bytesPerSecond) * 1000;
  return [
    length === null ? printSize(done) : `${printSize(done)} of ${printSize(length)}`,
    printRate(bytesPerSecond),
    ...(left === undefined ? [] : [`${printDuration(left)} left`]),
    `${percent(shareFromPeers(last))} from peers`,
  ];
}

/** One line for a log: `38 %  97.3 MiB of 256.0 MiB  201.4 MiB/s  0.8s left  74 % from peers`. */
export function plainLine(state: ProgressState): string {
  const { done, length } = state.last;
  const share = length === null ? [] : [percent(length === 0 ? 1 : done / length)];
  return [...share, ...parts(state)].join('  ');
}

/** The same with a bar, cut to `columns`; a length that nobody knows has no bar. */
export function barLine(state: ProgressState, columns: number): string {
  const { done, length } = state.last;
  if (length === null) return plainLine(state).slice(0, columns);
  const full = length === 0 ? BAR_CELLS : Math.floor((BAR_CELLS * done) / length);
  const bar = `[${'█'.repeat(full)}${'·'.repeat(BAR_CELLS - full)}]`;
  return `${bar} ${plainLine(state)}`.slice(0, columns);
}
