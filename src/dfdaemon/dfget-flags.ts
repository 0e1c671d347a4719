/**
 * `dfget_flags` of v1 were appended to every call of dfget; here there is no such call, and those that say something
 * about a download are read for what they mean.
 */
import { type FlagTable, parseFlags } from '../io/flags.ts';
import { Fault } from '../protocol/faults.ts';
import type { Pattern } from '../protocol/task.ts';

const FLAGS = {
  node: { kind: 'list', short: 'n', help: 'supernodes' },
  locallimit: { kind: 'size', short: 's', help: 'bytes per second of one download' },
  totallimit: { kind: 'size', help: 'bytes per second of this host' },
  minrate: { kind: 'size', help: 'bytes per second' },
  pattern: { kind: 'text', short: 'p', help: 'p2p, cdn or source' },
  filter: { kind: 'list', short: 'f', help: 'query parameters that do not identify a content' },
  notbs: { kind: 'boolean', help: 'never from the source' },
  ip: { kind: 'text', help: 'where other hosts reach this one' },
  port: { kind: 'integer', help: 'of the piece server' },
  home: { kind: 'text', help: 'the home' },
  expiretime: { kind: 'duration', help: 'contents unused for so long are dropped' },
  verbose: { kind: 'boolean', help: 'log more' },
} as const satisfies FlagTable;

export type DfgetFlags = ReturnType<typeof parseDfgetFlags>;

/** Fault usage for one that has no meaning here. */
export function parseDfgetFlags(texts: readonly string[]) {
  const { values, rest } = parseFlags(
    FLAGS,
    texts.flatMap((text) => text.split(/\s+/)).filter((text) => text !== ''),
  );
  if (rest.length > 0) throw new Fault('usage', `dfget_flags: ${JSON.stringify(rest[0])} belongs to no flag`);
  const { pattern = 'p2p', filter } = values;
  if (pattern !== 'p2p' && pattern !== 'cdn' && pattern !== 'source')
    throw new Fault('usage', `dfget_flags: --pattern wants p2p, cdn or source, not ${JSON.stringify(pattern)}`);
  const names = filter.flatMap((one) => one.split('&')).filter((one) => one !== '');
  return { ...values, pattern: pattern as Pattern, filter: names };
}
