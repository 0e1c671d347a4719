import type { Site } from '../protocol/host.ts';

const LEVELS = 8;

/** 0 = nothing in common, up to (but not) 1 for the same machine: a tie-break, smaller than one piece. */
export function nearness(a: Site, b: Site): number {
  if (a.machine !== '' && a.machine === b.machine) return 0.9;
  if (a.location === '' || b.location === '') return 0;
  if (a.location === b.location) return 0.8;
  const left = a.location.split('|', LEVELS);
  const right = b.location.split('|', LEVELS);
  let common = 0;
  while (common < left.length && left[common] === right[common]) common++;
  return (common / LEVELS) * 0.7;
}
