/** One run from the first join to the last host's end, and what is measured of it. */
import type { Site } from '../protocol/host.ts';
import { boundMs } from './bound.ts';
import { planFaults } from './faults.ts';
import type { SimOptions } from './options.ts';
import { Foul } from './referee.ts';
import { SimHost } from './sim-host.ts';
import type { SchedulerMaker } from './sim-supernode.ts';
import { World } from './world.ts';

export type SimResult = {
  readonly hosts: number;
  readonly pieces: number;
  readonly seed: number;
  readonly makespanMs: number;
  readonly boundMs: number;
  readonly ratio: number;
  /** Bytes that the seed sent, over one content. */
  readonly seedShare: number;
  /** Bytes into each foreign IDC over one content: the largest. */
  readonly importShare: number;
  readonly finished: number;
  readonly decisions: number;
  readonly events: number;
  readonly hedges: number;
  readonly bytesPerPeer: number;
  readonly wallMs: number;
  readonly hash: string;
  /** Each host's time from its join to its end over F / its downlink; sorted. */
  readonly shares: readonly number[];
  /** Time (ms) and hosts done, for pictures. */
  readonly curve: readonly (readonly [number, number])[];
};

const MAX_EVENTS_PER_PIECE = 400;

export function simulate(options: SimOptions, make?: SchedulerMaker, wall: () => number = () => 0): SimResult {
  return play(new World(options, make), wall);
}

/** A world to which something was done before. */
export function play(world: World, wall: () => number = () => 0): SimResult {
  const { options } = world;
  const started = wall();
  try {
    setUp(world);
    runUntilDone(world);
    const result = measure(world, wall() - started);
    if (options.check) tearDown(world);
    return result;
  } catch (error) {
    if (error instanceof Foul) error.message += ` (seed ${options.seed}, at ${world.queue.now.toFixed(1)} ms)`;
    throw error;
  }
}

export type Story = { readonly lines: readonly string[]; readonly hash: string; readonly error: unknown };

/** The same run with its story, for replays: a run that fails tells it up to the failure. */
export function traceOf(options: SimOptions, make?: SchedulerMaker): Story {
  const world = new World({ ...options, trace: true }, make);
  const { trace } = world;
  let hash: string | undefined;
  try {
    setUp(world);
    runUntilDone(world);
    hash = trace.hash;
    if (options.check) tearDown(world);
    return { lines: trace.lines, hash, error: undefined };
  } catch (error) {
    return { lines: trace.lines, hash: hash ?? trace.hash, error };
  }
}

function setUp(world: World): void {
  const { options } = world;
  for (const supernode of world.supernodes) world.shape(supernode);
  const seedRates = { up: options.seedRate, down: options.seedRate };
  world.join(new SimHost(0, { idc: 'idc0', location: '', machine: 'm0' }, seedRates, true));
  world.coming = options.hosts;
  for (let i = 1; i <= options.hosts; i++) {
    const host = new SimHost(i, siteOf(i, options), ratesOf(i, options), false);
    world.queue.at(options.joinEveryMs * (i - 1), () => {
      world.coming--;
      world.join(host);
    });
  }
  if (options.sourceRate > 0) readSource(world);
  planFaults(world);
}

function siteOf(index: number, options: SimOptions): Site {
  const idc = options.idcs === 0 ? 'idc0' : `idc${1 + (index % options.idcs)}`;
  return { idc, location: `row${index % 7}|rack${index % 21}`, machine: `m${index}` };
}

function ratesOf(index: number, options: SimOptions): { up: number; down: number } {
  let at = ((index - 1) % 60) / 60;
  for (const kind of options.classes) {
    if (at < kind.share - 1e-9) return { up: kind.up, down: kind.down };
    at -= kind.share;
  }
  return { up: options.rate, down: options.rate };
}

function readSource(world: World): void {
  const { pieceSize, pieces, sourceRate } = world.options;
  const seed = world.seedHost;
  for (let piece = 0; piece < pieces; piece++) {
    world.queue.at(((piece + 1) * pieceSize * 1000) / sourceRate, () => {
      for (const [content, copy] of seed.copies) {
        if (!copy.truth.set(piece)) continue;
        world.tellAll(seed, { type: 'piece-held', host: seed.id, content, piece, lease: 0, millis: 0 });
      }
    });
  }
}

function runUntilDone(world: World): void {
  const { hosts, pieces, tasks } = world.options;
  const most = (hosts * pieces * tasks + 1000) * MAX_EVENTS_PER_PIECE;
  for (let events = 0; world.busy > 0 || world.coming > 0; events++) {
    if (events > most || !world.queue.step()) throw new Foul(`stuck: ${unfinished(world)}`);
  }
}

function unfinished(world: World): string {
  const names: string[] = [];
  for (const host of world.hosts) {
    if (host === undefined || !host.alive || host.done) continue;
    for (const copy of host.copies.values()) if (!copy.truth.full) names.push(`${host.id} has ${copy.truth.count}`);
  }
  return `${names.length} unfinished: ${names.slice(0, 5).join(', ')}`;
}

/** All leave, and nothing may be left of them. */
function tearDown(world: World): void {
  world.calm();
  const until = world.queue.now + 10_000;
  while (world.queue.now < until && world.queue.step());
  for (const supernode of world.supernodes) {
    const { state } = supernode.scheduler;
    supernode.referee.audit(state);
    if (state.leases.live > 0) throw new Foul(`${state.leases.live} leases are left`);
    for (const content of world.contents) supernode.receive({ type: 'content-closed', content });
    for (const host of world.hosts) if (host !== undefined) supernode.receive({ type: 'host-left', host: host.id });
    supernode.decide();
    const left = state.hosts.size + state.swarms.size + state.leases.live + state.pairs.size;
    if (left > 0 || !state.ready.empty) throw new Foul('something is left after all have gone');
  }
}

function measure(world: World, wallMs: number): SimResult {
  const { options } = world;
  const bytes = options.pieces * options.pieceSize;
  const shares: number[] = [];
  const ends: number[] = [];
  for (const host of world.hosts) {
    if (host === undefined || host.seed) continue;
    for (const copy of host.copies.values()) {
      if (copy.doneAt === undefined) continue;
      ends.push(copy.doneAt);
      shares.push((copy.doneAt - copy.joinedAt) / (bytes / host.down.capacity));
    }
  }
  ends.sort((a, b) => a - b);
  const receivers = world.hosts.filter((host) => host !== undefined && !host.seed);
  const makespanMs = ends[ends.length - 1] ?? 0;
  const bound = boundMs(world.seedHost, receivers, options.pieces * options.tasks, bytes * options.tasks);
  const { scheduler } = world.supernodes[0] ?? { scheduler: undefined };
  const step = Math.max(1, Math.floor(ends.length / 200));
  let decisions = 0;
  let events = 0;
  let hedges = 0;
  for (const supernode of world.supernodes) {
    decisions += supernode.decisions;
    events += supernode.events;
    hedges += supernode.referee.hedges;
  }
  return {
    hosts: options.hosts,
    pieces: options.pieces,
    seed: options.seed,
    makespanMs,
    boundMs: bound,
    ratio: makespanMs / bound,
    seedShare: world.traffic.bytesFromSeed / (bytes * options.tasks),
    importShare: Math.max(
      0,
      ...[...world.traffic.imports].filter(([idc]) => idc !== 'idc0').map(([, sum]) => sum / bytes / options.tasks),
    ),
    finished: ends.length,
    decisions,
    events,
    hedges,
    bytesPerPeer: scheduler?.bytesPerPeer ?? 0,
    wallMs,
    hash: world.trace.hash,
    shares: shares.sort((a, b) => a - b),
    curve: ends
      .filter((_, at) => at % step === 0 || at === ends.length - 1)
      .map((end, at) => [end, Math.min(ends.length, at * step + 1)] as const),
  };
}
