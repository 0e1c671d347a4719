/**
 * How exactly limits hold. The bytes that pass a process's system calls are looked at every few milliseconds from outside: the rate
 * over every window of 5 s, and the largest burst, which is what came in any time at all beyond the rate, in
 * milliseconds of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Plan } from './plan.ts';
import { type Agent, type Bench, good, type Timed } from './processes.ts';
import { fixed, MIB, row } from './table.ts';

const RATE = 20 * MIB;
const LOOK_MS = 10;
const WINDOW_MS = 5000;
/** The start is looked at by the burst alone. */
const SETTLE_MS = 500;
const TASKS = 20;

type Sample = { readonly at: number; readonly bytes: number };

class Watch {
  readonly #samples: Sample[] = [];
  #over = false;
  readonly #run: Promise<void>;

  constructor(bytes: () => number) {
    const look = async (): Promise<void> => {
      while (!this.#over) {
        this.#samples.push({ at: performance.now(), bytes: bytes() });
        await delay(LOOK_MS);
      }
    };
    this.#run = look();
    // A section that fails ends the process before its watch: the failure is what is to be told.
    this.#run.catch(() => undefined);
  }

  /** Looks at the time in which bytes flowed, `rate` in bytes per second. */
  async end(rate: number): Promise<{ readonly lowest: number; readonly highest: number; readonly burstMs: number }> {
    this.#over = true;
    await this.#run;
    const all = this.#samples;
    const last = all.at(-1)?.bytes ?? 0;
    const first = all[0]?.bytes ?? 0;
    const from = all.findIndex(({ bytes }) => bytes - first > 64 * 1024);
    const until = all.findIndex(({ bytes }) => bytes >= last - rate * 0.05);
    const flow = all.slice(Math.max(0, from - 1), until + 1);
    return { ...windows(flow, rate), burstMs: burst(flow, rate) };
  }
}

function windows(flow: readonly Sample[], rate: number): { lowest: number; highest: number } {
  const rates: number[] = [];
  let end = 0;
  const since = (flow[0]?.at ?? 0) + SETTLE_MS;
  for (const start of flow) {
    while (end < flow.length && (flow[end]?.at ?? 0) - start.at < WINDOW_MS) end++;
    const stop = flow[end];
    if (stop === undefined) break;
    if (start.at >= since) rates.push((stop.bytes - start.bytes) / ((stop.at - start.at) / 1000) / rate);
  }
  return { lowest: Math.min(...rates), highest: Math.max(...rates) };
}

/** The most that came beyond the rate between any two looks. Milliseconds of the rate. */
function burst(flow: readonly Sample[], rate: number): number {
  let most = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const { at, bytes } of flow) {
    const excess = bytes - (rate / 1000) * at;
    least = Math.min(least, excess);
    most = Math.max(most, excess - least);
  }
  return (most / rate) * 1000;
}

async function tell(what: string, watch: Watch, rate = RATE): Promise<void> {
  const { lowest, highest, burstMs } = await watch.end(rate);
  row(
    `${what}: lowest and highest rate over 5 s, of the limit`,
    Number.isFinite(lowest) ? `${fixed(lowest, 3)} ${fixed(highest, 3)}` : 'not seen: it flowed for less than 5 s',
    '0.97 1.03',
  );
  row(`${what}: largest burst, ms of the limit`, fixed(burstMs, 0), 'at most 100');
}

export async function limits(bench: Bench, plan: Plan): Promise<void> {
  const bytes = Math.round((RATE * plan.limitSeconds) / MIB) * MIB;
  await bench.supernode();
  bench.sample('limited', bytes);
  bench.sample('first', MIB);
  const get = async (agent: Agent, name: string, ...flags: string[]) =>
    good(await bench.dfget(agent, '-u', bench.url(name), '-o', `${agent.home}/${name}`, '--no-sync', ...flags));
  /** One that has done such work before: what it loads with its first one passes its system calls too, and is nothing that a limit is for. */
  const resident = async (ip: string, ...flags: string[]) => {
    const agent = await bench.agent(ip);
    await get(agent, 'first', ...flags);
    return agent;
  };
  const received = (agent: Agent) => new Watch(() => bench.moved(agent.pid).read);

  const one = await resident('127.0.7.2');
  let watch = received(one);
  await get(one, 'limited', '--locallimit', '20M');
  await tell('--locallimit 20M, one task', watch);

  const source = await resident('127.0.7.3', '--pattern', 'source');
  watch = received(source);
  await get(source, 'limited', '--locallimit', '20M', '--pattern', 'source');
  await tell('--locallimit 20M, read from the source by the host itself', watch);
  await bench.end(source);

  await many(bench, bytes);

  // The only agent that holds all of it gives to one that has no limit; the rate is set while it runs. The supernode would give most of it,
  // and faster than can be watched: it has no copy any more, and no need to read one again.
  await bench.ask(one, 'PATCH', '/v1/limits', { up: RATE });
  const child = await resident('127.0.7.5');
  await bench.drop(bench.url('limited'));
  const { bytes: read } = bench.reads('limited');
  watch = new Watch(() => bench.moved(one.pid).written);
  await get(child, 'limited');
  if (bench.reads('limited').bytes > read) throw new Error('the source was read for a content that a host holds');
  await tell('PATCH /v1/limits up 20M, one agent gives', watch);
  await changed(bench, bytes);
  await supernodes(bench, bytes);
}

/** 20 tasks share the limit of their host; the supernode holds their contents already. */
async function many(bench: Bench, bytes: number): Promise<void> {
  const each = Math.ceil(bytes / TASKS / MIB) * MIB;
  const names = Array.from({ length: TASKS }, (_, at) => `shared${at}`);
  for (const name of names) bench.sample(name, each);
  const get = async (agent: Agent): Promise<Timed> => {
    const files = names.flatMap((name) => ['-u', bench.url(name), '-o', `${agent.home}/${name}`]);
    return good(await bench.dfget(agent, ...files, '--no-sync', '--json'));
  };
  const first = await bench.agent('127.0.7.9');
  await get(first);
  await bench.end(first);
  const agent = await bench.agent('127.0.7.4', '--totallimit', '20M');
  good(await bench.dfget(agent, '-u', bench.url('first'), '-o', `${agent.home}/first`, '--no-sync'));
  const watch = new Watch(() => bench.moved(agent.pid).read);
  const { output } = await get(agent);
  await tell(`--totallimit 20M, ${TASKS} tasks`, watch);
  const millis = [...output.matchAll(/"type":"done".*"millis":(\d+)/g)].map((match) => Number(match[1]) / 1000);
  const [low, high] = [Math.min(...millis), Math.max(...millis)];
  row(
    `--totallimit 20M, ${TASKS} tasks: first and last one done, s`,
    `${fixed(low)} ${fixed(high)}`,
    'together',
    fixed(low / high),
  );
}

/** Doubled in the middle of a download. */
async function changed(bench: Bench, bytes: number): Promise<void> {
  const agent = await bench.agent('127.0.7.6', '--totallimit', '10M');
  const started = performance.now();
  const running = bench.dfget(agent, '-u', bench.url('limited'), '-o', `${agent.home}/out`, '--no-sync');
  await delay(3000);
  const at = (performance.now() - started) / 1000;
  await bench.ask(agent, 'PATCH', '/v1/limits', { down: RATE });
  const { wall } = good(await running);
  const ideal = at + (bytes - at * 10 * MIB) / RATE;
  row('10M, made 20M after 3 s: s', fixed(wall), `by arithmetic ${fixed(ideal)}`, fixed(wall / ideal));
}

/** What the supernode reads and sends together. */
async function supernodes(bench: Bench, bytes: number): Promise<void> {
  const pid = await bench.supernode('--max-bandwidth', '25M', '--system-bandwidth', '5M');
  bench.sample('sent', bytes);
  const first = await bench.agent('127.0.7.7');
  const started = performance.now();
  good(await bench.dfget(first, '-u', bench.url('sent'), '-o', `${first.home}/out`, '--no-sync'));
  const wall = (performance.now() - started) / 1000;
  const ideal = (2 * bytes) / RATE;
  const what = 'supernode, --max-bandwidth 25M less --system-bandwidth 5M';
  row(`${what}, read and sent: s`, fixed(wall), `by arithmetic ${fixed(ideal)}`, fixed(wall / ideal));
  await bench.end(first);
  const second = await bench.agent('127.0.7.8');
  const watch = new Watch(() => bench.moved(pid).written);
  good(await bench.dfget(second, '-u', bench.url('sent'), '-o', `${second.home}/out`, '--no-sync'));
  await tell(`${what}, sent`, watch);
}
