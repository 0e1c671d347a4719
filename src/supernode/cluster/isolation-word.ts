/**
 * What one supernode of a cluster tells the others of a host: it is isolated, an operator released it, or a judgement was wrong. Of two words on
 * one host every supernode takes the same one, in whatever order they come. Invariant: whoever keeps words is believed in nothing; each is
 * signed with the cluster's secret.
 */
import { signText, verifyText } from '../../io/hash.ts';
import { amount, fields, optionalText, text, whole } from '../../protocol/check.ts';
import { Fault } from '../../protocol/faults.ts';
import type { HostId } from '../../protocol/ids.ts';
import { checkHostId } from '../../protocol/shapes.ts';
import type { IsolationReason } from '../../scheduler/trust.ts';

/** Points of stalls and resets are not among them: these may be of the path between two hosts. */
export type ToldReason = Extract<IsolationReason, 'operator' | 'peer-corrupt' | 'false-witness'>;

type Said = {
  readonly host: HostId;
  /** The supernode. */
  readonly by: HostId;
  /** Milliseconds since 1970; of two words of one supernode on one host the later one has the higher number. */
  readonly at: number;
};

export type IsolationWord = Said &
  (
    | {
        readonly kind: 'isolated';
        readonly reason: ToldReason;
        readonly note?: string;
        /** Milliseconds since 1970; null = until it is released. */
        readonly until: number | null;
      }
    | { readonly kind: 'released' }
    | { readonly kind: 'withdrawn' }
  );

/** Longer records are not read. A note has 200 characters at most. */
export const MAX_RECORD_BYTES = 4_096;
/** How long a release is kept for supernodes that could not hear it. */
export const RELEASE_KEPT_MS = 7 * 24 * 3_600_000;
/** The longest isolation that has an end, and how long one without an end is kept in Redis. */
export const LONGEST_MS = 366 * 24 * 3_600_000;
/** Clocks of one cluster differ by less. */
const MAX_SKEW_MS = 10 * 60_000;
const MAX_NOTE = 200;
const PURPOSE = 'dragonfly-isolation-1';

export function toldReason(reason: unknown): reason is ToldReason {
  return reason === 'operator' || reason === 'peer-corrupt' || reason === 'false-witness';
}

/** Until when it is worth anything, milliseconds since 1970. */
export function endOf(word: IsolationWord): number {
  return word.kind === 'isolated' ? (word.until ?? Number.POSITIVE_INFINITY) : word.at + RELEASE_KEPT_MS;
}

/**
 * Whether the word stands above the other one on the same host, both in force. An operator's last word is the last word; of judgements the one
 * that lasts longer counts; after a release a judgement counts again. Of two different words exactly one stands above the other.
 */
export function overrules(word: IsolationWord, other: IsolationWord): boolean {
  const [operators, others] = [isOperators(word), isOperators(other)];
  if (word.by === other.by || (operators && others)) return isLater(word, other);
  if (operators) return word.kind === 'isolated' || other.kind === 'withdrawn' || isLater(word, other);
  if (others) return !overrules(other, word);
  // One takes back no other's judgement.
  if (word.kind !== other.kind) return word.kind === 'isolated';
  const [end, otherEnd] = [endOf(word), endOf(other)];
  return end === otherEnd ? isLater(word, other) : end > otherEnd;
}

export function printWord(secret: Uint8Array, word: IsolationWord): string {
  const said = JSON.stringify(word);
  return JSON.stringify({ signature: signText(secret, PURPOSE, said), said });
}

/** What a supernode of this cluster says of that host. `wallMs`: milliseconds since 1970. Fault bad-message when it can be no such word. */
export function parseWord(secret: Uint8Array, host: HostId, record: Buffer, wallMs: number): IsolationWord {
  if (record.length > MAX_RECORD_BYTES) throw wrong(`is longer than ${MAX_RECORD_BYTES} bytes`);
  const { signature, said } = fields(jsonOf(record.toString('utf8')), 'record');
  const words = text(said, 'said', MAX_RECORD_BYTES);
  if (!verifyText(secret, PURPOSE, words, text(signature, 'signature', 256)))
    throw wrong('was signed by no supernode of this cluster');
  const word = fields(jsonOf(words), 'said');
  checkHostId(word.by);
  if (word.host !== host) throw wrong('is of another host');
  if (whole(word.at, 'at') > wallMs + MAX_SKEW_MS) throw wrong('is of the future');
  const { by, at, kind } = word as Said & { readonly kind: unknown };
  if (kind === 'released' || kind === 'withdrawn') return { host, by, at, kind };
  if (kind !== 'isolated' || !toldReason(word.reason)) throw wrong('says something unknown');
  optionalText(word.note, 'note', MAX_NOTE);
  if (word.until !== null && amount(word.until, 'until') > wallMs + MAX_SKEW_MS + LONGEST_MS)
    throw wrong('names an end that cannot be');
  const { note, until } = word as { readonly note?: string; readonly until: number | null };
  return { host, by, at, kind, reason: word.reason, ...(note === undefined ? {} : { note }), until };
}

function isOperators(word: IsolationWord): boolean {
  return word.kind === 'released' || (word.kind === 'isolated' && word.reason === 'operator');
}

function isLater(word: IsolationWord, other: IsolationWord): boolean {
  return word.at === other.at ? word.by > other.by : word.at > other.at;
}

/** Fault bad-message. */
function jsonOf(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    throw wrong('is not JSON');
  }
}

function wrong(what: string): Fault {
  return new Fault('bad-message', `an isolation in Redis ${what}`);
}
