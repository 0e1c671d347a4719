/**
 * What will go wrong and when: the same for the same seed, whatever the machine does. Faults that this machine cannot make stay in the
 * plan and are told as left out.
 */
import { Random } from '../../src/base/random.ts';

export type FaultKind =
  | 'agent-kill'
  | 'agent-pause'
  | 'agent-lie'
  | 'agent-disk'
  | 'agent-cut'
  | 'supernode-kill'
  | 'supernode-stop'
  | 'supernode-pause'
  | 'supernode-cut'
  | 'source-error'
  | 'source-cut'
  | 'redis-kill'
  | 'redis-pause';

export type PlannedFault = {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Which agent or supernode. */
  readonly target: number;
  readonly forMs: number;
  /** How: see `WAYS`. */
  readonly way: string;
};

type Row = {
  readonly weight: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly ways: readonly string[];
};

/** `corrupt`, `mute` and `liar` are those of test/support/faulty. `restart`: started again by the run; `leave`: by the next dfget. `keep` and `wipe`: what becomes of the home. */
export const FAULTS: Readonly<Record<FaultKind, Row>> = {
  'agent-kill': { weight: 18, minMs: 300, maxMs: 8_000, ways: ['restart', 'leave'] },
  'agent-pause': { weight: 12, minMs: 500, maxMs: 15_000, ways: ['pause'] },
  // Long enough that somebody takes something from such a host, or it from somebody.
  'agent-lie': { weight: 10, minMs: 10_000, maxMs: 60_000, ways: ['corrupt', 'corrupt', 'mute', 'liar'] },
  'agent-disk': { weight: 8, minMs: 4_000, maxMs: 15_000, ways: ['fill'] },
  'agent-cut': { weight: 12, minMs: 500, maxMs: 15_000, ways: ['silent', 'carrier'] },
  'supernode-kill': { weight: 10, minMs: 500, maxMs: 10_000, ways: ['keep', 'keep', 'wipe'] },
  'supernode-stop': { weight: 4, minMs: 500, maxMs: 6_000, ways: ['keep'] },
  'supernode-pause': { weight: 5, minMs: 500, maxMs: 12_000, ways: ['pause'] },
  'supernode-cut': { weight: 4, minMs: 500, maxMs: 10_000, ways: ['silent', 'carrier'] },
  'source-error': { weight: 10, minMs: 1_000, maxMs: 8_000, ways: ['503', 'reset', 'stall'] },
  'source-cut': { weight: 3, minMs: 1_000, maxMs: 8_000, ways: ['silent', 'carrier'] },
  'redis-kill': { weight: 5, minMs: 500, maxMs: 20_000, ways: ['keep'] },
  'redis-pause': { weight: 2, minMs: 500, maxMs: 10_000, ways: ['pause'] },
};

export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** The first hosts lie now and then; the last ones are never killed, so that their memory can be watched for long. */
export const LIARS = 3;
export const SURVIVORS = 2;
/** Hosts whose disk is small: those after the liars. */
export const SMALL_DISKS = 2;

const FIRST_MS = 3_000;
const QUIET_END_MS = 5_000;
const GAP_MIN_MS = 1_000;
const GAP_MAX_MS = 5_000;

type Shape = {
  readonly seed: number;
  readonly minutes: number;
  readonly hosts: number;
  readonly supernodes: number;
};

export function planFaults({ seed, minutes, hosts, supernodes }: Shape): PlannedFault[] {
  const random = new Random(seed);
  const kinds = FAULT_KINDS.filter((kind) => supernodes > 1 || !kind.startsWith('redis'));
  const plan: PlannedFault[] = [];
  const end = minutes * 60_000 - QUIET_END_MS;
  for (let at = FIRST_MS; at < end; at += random.between(GAP_MIN_MS, GAP_MAX_MS)) {
    const kind = drawn(kinds, random);
    const { minMs, maxMs, ways } = FAULTS[kind];
    plan.push({
      atMs: Math.round(at),
      kind,
      target: targetOf(kind, { hosts, supernodes, random }),
      // Short ones more often than long ones.
      forMs: Math.round(minMs + (maxMs - minMs) * random.unit() ** 2),
      way: ways[random.below(ways.length)] ?? '',
    });
  }
  return plan;
}

function drawn(kinds: readonly FaultKind[], random: Random): FaultKind {
  let at = random.below(kinds.reduce((sum, kind) => sum + FAULTS[kind].weight, 0));
  for (const kind of kinds) {
    at -= FAULTS[kind].weight;
    if (at < 0) return kind;
  }
  throw new Error('the weights do not add up');
}

type Place = { readonly hosts: number; readonly supernodes: number; readonly random: Random };

function targetOf(kind: FaultKind, { hosts, supernodes, random }: Place): number {
  if (kind === 'agent-lie') return random.below(LIARS);
  if (kind === 'agent-disk') return LIARS + random.below(SMALL_DISKS);
  if (kind === 'agent-kill') return random.below(hosts - SURVIVORS);
  if (kind.startsWith('agent')) return random.below(hosts);
  return kind.startsWith('supernode') ? random.below(supernodes) : 0;
}

export type PlannedFile = {
  readonly name: string;
  readonly atMs: number;
  readonly length: number;
  readonly seed: number;
  readonly bytesPerSecond: number;
  readonly noRanges: boolean;
  /** It is asked for with its digest, always: a task that a digest names is another one than the URL's. */
  readonly digest: boolean;
  /** Refused with this status, so often (-1 = always). */
  readonly refuse?: { readonly status: number; readonly times: number };
  /** The body breaks off, or goes silent, once at this byte. */
  readonly cutAt?: number;
  readonly stallAt?: number;
};

const MIB = 1024 * 1024;
/** Each file is wanted by some hosts before newer ones take its place. */
const FILE_GAP_MS = 8_000;
const ODD = [0, 1, 2, 3, 100, 4095, 4096, 4097, 65_535, 65_536, 65_537, 262_143, 262_145, MIB, MIB + 1];

export function planFiles({ seed, minutes }: Pick<Shape, 'seed' | 'minutes'>): PlannedFile[] {
  const random = new Random(seed ^ 0x5f_11e5);
  const files: PlannedFile[] = [];
  for (let at = 0; at < minutes * 60_000; at += random.between(0.5, 1.5) * FILE_GAP_MS) {
    const index = files.length;
    const length = lengthOf(random);
    const dice = random.unit();
    const place = random.below(length + 1);
    files.push({
      name: `f${index}`,
      // There is something to ask for from the start.
      atMs: index < 3 ? 0 : Math.round(at),
      length,
      seed: seed + index,
      bytesPerSecond: Math.round(random.between(4, 24) * MIB),
      noRanges: random.chance(0.05),
      digest: random.chance(0.3),
      ...(dice < 0.04 ? { refuse: { status: 404, times: -1 } } : {}),
      ...(dice >= 0.04 && dice < 0.07 ? { refuse: { status: 503, times: -1 } } : {}),
      ...(dice >= 0.07 && dice < 0.15 ? { refuse: { status: 503, times: 1 + random.below(2) } } : {}),
      ...(dice >= 0.15 && dice < 0.35 ? { cutAt: place } : {}),
      ...(dice >= 0.35 && dice < 0.42 ? { stallAt: place } : {}),
    });
  }
  return files;
}

function lengthOf(random: Random): number {
  const dice = random.unit();
  if (dice < 0.2) return ODD[random.below(ODD.length)] ?? 0;
  if (dice < 0.45) return random.below(MIB);
  if (dice < 0.8) return random.below(8 * MIB);
  return 8 * MIB + random.below(32 * MIB);
}
