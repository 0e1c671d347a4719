/**
 * What a supernode's "no" means for the one who asked: the end (the source itself said no, or the content is not what
 * the user named), another generation, or only that this supernode cannot help.
 */
import type { FaultCode, FaultValue } from '../protocol/faults.ts';

export type Refusal = 'final' | 'changed' | 'helpless';

export const NO_SUPERNODE: FaultValue = { code: 'supernode-unreachable', message: 'no supernode can be reached' };

export const NOTHING_ASSIGNED: FaultValue = {
  code: 'supernode-unreachable',
  message: 'the supernode assigns nothing any more',
};
export const NOTHING_HELPS: FaultValue = {
  code: 'supernode-unreachable',
  message:
    'nothing that the supernode assigns can be fetched; can this host reach its download port and the other hosts?',
};

const FINAL: ReadonlySet<FaultCode> = new Set([
  'usage',
  'source-refused',
  'source-unreachable',
  'source-lied',
  'digest-mismatch',
]);

export function refusalOf(fault: FaultValue): Refusal {
  if (fault.code === 'source-changed') return 'changed';
  return FINAL.has(fault.code) ? 'final' : 'helpless';
}

/** The fault to end with when the source may not be read instead: the supernode's trouble is not this host's. */
export function withoutSource(why: FaultValue): FaultValue {
  const { code, message } = why;
  if (code === 'supernode-unreachable' || code === 'supernode-refused') return why;
  return { code: 'supernode-refused', message: `the supernode cannot help (${code}: ${message})` };
}
