/** Whether a dfget ended as it should have: in time, with an exit code that what happened to it explains. */
import { allAtOnce, covered, type History, isSupernode, type Party, type Spell, supernodesOf } from './history.ts';
import type { PlannedFile } from './plan.ts';

export type Outcome = {
  readonly host: Party;
  readonly file: PlannedFile;
  readonly notbs: boolean;
  /** The run itself killed it. */
  readonly interrupted: boolean;
  readonly code: number | null;
  /** Of its output, where it ended with 0. */
  readonly right: boolean | undefined;
  readonly said: string;
  readonly startAt: number;
  readonly endAt: number;
};

/** Longest time for one download beside the spells of trouble that fell into it. Milliseconds. */
export const BOUND_MS = 90_000;
/** A refusal is remembered, a lost session is tried again later: trouble has an effect after its end. Milliseconds. */
const AFTERMATH_MS = 15_000;

/** Undefined = all is well; else what is not. */
export function faultOf(outcome: Outcome, history: History, supernodes = 1): string | undefined {
  const { host, startAt, endAt, code, interrupted } = outcome;
  const near = history.during(startAt - AFTERMATH_MS, endAt, ({ party }) => {
    return party === host || party === 'source' || isSupernode(party);
  });
  const own = near.filter(({ party, kind }) => !isSupernode(party) && kind !== 'agent-lie');
  // One of several is stood in for by the others.
  const none = allAtOnce(supernodesOf(supernodes).map((one) => near.filter(({ party }) => party === one)));
  const took = endAt - startAt - covered([...own, ...none], startAt, endAt);
  if (took > BOUND_MS) return `it took ${Math.round(endAt - startAt)} ms, of which ${Math.round(took)} in no trouble`;
  if (interrupted) return undefined;
  if (code === 0) return outcome.right ? undefined : 'the file is wrong';
  return explains(outcome, near) ? undefined : `it ended with ${code}: ${outcome.said.trim().slice(-300)}`;
}

const away = ({ kind }: Spell): boolean => /kill|stop|pause|cut/.test(kind);

function explains({ host, file, notbs, code }: Outcome, near: readonly Spell[]): boolean {
  const ofHost = near.filter(({ party }) => party === host);
  const source = near.some(({ party }) => party === 'source') || ofHost.some(({ kind }) => kind === 'agent-cut');
  const faulty = file.refuse !== undefined || file.cutAt !== undefined || file.stallAt !== undefined;
  const supernode = near.some((spell) => spell.party.startsWith('supernode') && away(spell)) || ofHost.some(away);
  switch (code) {
    case 1: // the agent went away
      return ofHost.some(({ kind }) => kind === 'agent-kill');
    case 3:
      return file.refuse?.status === 404;
    case 6:
      return ofHost.some(({ kind }) => kind === 'agent-disk');
    case 7:
      return notbs && (supernode || source || faulty);
    case 9:
      return source || faulty;
    default:
      return false;
  }
}
