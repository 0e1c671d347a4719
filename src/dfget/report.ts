/** The last word of a download, for people: one line when it went well, one line when it did not. */
import { printDuration, printRate, printSize } from '../base/units.ts';
import type { DownloadEvent } from '../peer/engine.ts';
import { FAULTS, type FaultValue } from '../protocol/faults.ts';
import type { BatchSummary } from './batch-tally.ts';

type Done = Extract<DownloadEvent, { type: 'done' }>;

const BY = { reflink: 'shares its blocks with the cache', link: 'is a hard link to the cache', copy: 'is a copy' };

export function doneLine({ result, output, by, millis }: Done): string {
  const why = result.backToSource === undefined ? '' : ` (back to source: ${result.backToSource.message})`;
  const rate = millis > 0 ? `, ${printRate((result.done / millis) * 1000)}` : '';
  const shares = sharesOf(result);
  const from = shares === '' ? '' : `; ${shares}${why}`;
  return `saved ${output}: ${printSize(result.done)} in ${printDuration(millis)}${rate}${from}; it ${BY[by]}`;
}

/** For a content that may be out of date; undefined for all others. */
export function staleLine({ result: { stale } }: Done): string | undefined {
  if (stale === undefined) return undefined;
  const since = new Date(stale.checkedAt).toISOString();
  return `dfget: the content may be out of date: it was right at ${since}, and ${stale.why.message.replace(/\s+/g, ' ')}`;
}

/** The last word of many files. */
export function batchLine(summary: BatchSummary, millis: number): string {
  const { files, saved, failed, bytes } = summary;
  const rate = millis > 0 ? `, ${Math.round((saved / millis) * 1000)} files/s` : '';
  const lost = failed === 0 ? '' : `; ${failed} failed`;
  const shares = sharesOf(summary);
  const from = shares === '' ? '' : `; ${shares}`;
  return `saved ${saved} of ${files} files: ${printSize(bytes)} in ${printDuration(millis)}${rate}${from}${lost}`;
}

type Origins = Readonly<Record<'fromPeers' | 'fromSupernode' | 'fromSource' | 'fromDisk', number>>;

/** Where bytes came from, in percent; the empty text when there were none. */
function sharesOf({ fromPeers, fromSupernode, fromSource, fromDisk }: Origins): string {
  const all = fromPeers + fromSupernode + fromSource + fromDisk;
  const named: [number, string][] = [
    [fromPeers, 'peers'],
    [fromSupernode, 'the supernode'],
    [fromSource, 'the source'],
    [fromDisk, 'the own disk'],
  ];
  return named
    .filter(([bytes]) => bytes > 0)
    .map(([bytes, name]) => `${((100 * bytes) / all).toFixed(bytes === all ? 0 : 1)} % from ${name}`)
    .join(', ');
}

/** What happened, and what to do about it. */
export function faultLine({ code, message, sourceStatus }: FaultValue): string {
  const status =
    sourceStatus === undefined || message.includes(String(sourceStatus)) ? '' : ` (status ${sourceStatus})`;
  // A message with a semicolon says itself what to do, and one of usage is nothing but that.
  const advised = message.includes('; ') || code === 'usage';
  const advice = advised ? '' : `; ${FAULTS[code].advice}`;
  return `dfget: ${message.replace(/\s+/g, ' ')}${status}${advice}`;
}
