/** The machines of a run and what runs on them: supernodes, hosts with their agents, Redis. The source is in source.ts. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { faultyBuild } from '../support/faulty/fault.ts';
import { freePort } from '../support/free-port.ts';
import { root } from '../support/process.ts';
import { ask, type Contents, type Status, type Target } from './ask.ts';
import type { Party } from './history.ts';
import type { Holder } from './ledger.ts';
import type { Places } from './places.ts';
import { LIARS, SMALL_DISKS } from './plan.ts';
import { Program, processesWith } from './program.ts';
import type { ChaosSettings } from './settings.ts';

const SMALL_DISK_MIB = 128;
const QUOTA = '192M';
const CACHE_QUOTA = '384M';
const READY_MS = 120_000;
/** Starting costs much CPU time. */
const STARTS_AT_ONCE = 4;
const LOOK_AGAIN_MS = 50;
const REDIS_PORT = 6379;
/**
 * What a supernode could hear for a shorter time than this may have come too late: between the decision to read and the first byte that
 * is asked for it has asked others and connected, which takes seconds on a machine that plays all of them.
 */
const HEARD_MS = 3_000;

export type Machine = { readonly party: Party; readonly name: string; readonly ip: string };

export type Host = Machine & {
  readonly home: string;
  readonly out: string;
  readonly socket: Target;
  /** Flags of `dfget server`, and of a dfget that may have to start it. */
  readonly flags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Switches its lies. */
  readonly lies: string;
  readonly smallDisk: boolean;
  readonly agent: Program;
  /** The run has killed it and it is not back. */
  down: boolean;
  /** Files that it took with the pattern `cdn`, and therefore gives to nobody for as long as its agent lives. */
  readonly keptBack: Set<string>;
  /** When it was first seen to have all of a file. Milliseconds of the run. */
  readonly hasSince: Map<string, number>;
};

export type Supernode = Machine & {
  readonly home: string;
  readonly port: number;
  readonly program: Program;
  down: boolean;
};

export type Redis = Machine & { readonly program: Program };

export class Field {
  readonly hosts: Host[] = [];
  readonly supernodes: Supernode[] = [];
  redis: Redis | undefined;
  readonly dir: string;
  readonly #places: Places;
  readonly #settings: ChaosSettings;

  constructor(dir: string, places: Places, settings: ChaosSettings) {
    this.dir = dir;
    this.#places = places;
    this.#settings = settings;
    for (const name of ['logs', 'out']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'secret'), 'a secret of this run, the same for all its supernodes\n', { mode: 0o600 });
  }

  async start(): Promise<void> {
    const { hosts, supernodes } = this.#settings;
    if (supernodes > 1) await this.#startRedis();
    for (let index = 0; index < supernodes; index++) await this.#addSupernode(index);
    for (const supernode of this.supernodes) supernode.program.start();
    await Promise.all(this.supernodes.map((one) => this.ready(one)));
    for (let index = 0; index < hosts; index++) this.#addHost(index);
    for (let at = 0; at < hosts; at += STARTS_AT_ONCE)
      await Promise.all(this.hosts.slice(at, at + STARTS_AT_ONCE).map((host) => this.#started(host)));
  }

  on(machine: Machine, command: readonly string[]): readonly string[] {
    return this.#places.on(machine.name, command);
  }

  /** All agents of a home, whoever started them; one, but for moments. */
  agentPids({ home }: Host): number[] {
    return processesWith('server', `--home=${home}`);
  }

  pidsOf(party: Party): number[] {
    const host = this.hosts.find((one) => one.party === party);
    if (host !== undefined) return this.agentPids(host);
    const supernode = this.supernodes.find((one) => one.party === party);
    const program = supernode?.program ?? (party === 'redis' ? this.redis?.program : undefined);
    return program?.pid === undefined ? [] : [program.pid];
  }

  /** False when it did not within the time. */
  async answers(host: Host, limitMs: number): Promise<boolean> {
    return until(limitMs, async () => (await ask(host.socket, '/v1/status')) !== undefined);
  }

  async ready({ ip, port, name, program }: Supernode): Promise<void> {
    const isReady = async () => (await ask({ host: ip, port }, '/readyz')) !== undefined;
    if (!(await until(READY_MS, async () => program.pid === undefined || (await isReady()))) || !program.pid)
      throw new Error(`${name} is not ready; see ${program.log}`);
  }

  async #started(host: Host): Promise<void> {
    host.agent.start();
    if (!(await this.answers(host, READY_MS))) throw new Error(`the agent of ${host.name} did not start`);
  }

  async status({ socket }: Host): Promise<Status | undefined> {
    return (await ask(socket, '/v1/status')) as Status | undefined;
  }

  async contents({ socket }: Host): Promise<Contents['contents']> {
    return ((await ask(socket, '/v1/contents')) as Contents | undefined)?.contents ?? [];
  }

  /**
   * Hosts that held and gave all of the file at that time and whose session with the reader has stood long enough; where a host reads,
   * with any supernode.
   */
  async holders(file: string, reader: Party, at: number, now: () => number): Promise<readonly Holder[]> {
    const supernode = this.supernodes.find(({ party }) => party === reader);
    const place = supernode === undefined ? undefined : `${supernode.ip}:${supernode.port}`;
    const all = await Promise.all(
      this.hosts.map(async (host) => {
        if (host.keptBack.has(file) || at - (host.hasSince.get(file) ?? at) < HEARD_MS) return [];
        const [contents, status] = await Promise.all([this.contents(host), this.status(host)]);
        const held = contents.filter(({ url, complete }) => complete && url.endsWith(`/${file}`));
        const known = status?.supernodes.some(
          (one) => (place ?? one.place) === one.place && (one.upMillis ?? 0) - (now() - at) >= HEARD_MS,
        );
        if (held.length === 0 || !known) return [];
        return [{ party: host.party, proved: held.some(({ content }) => hasManifest(host.home, content)) }];
      }),
    );
    return all.flat();
  }

  async close(): Promise<void> {
    for (const host of this.hosts) for (const pid of this.agentPids(host)) quietly(() => process.kill(pid, 'SIGKILL'));
    await Promise.all([...this.supernodes, ...(this.redis ? [this.redis] : [])].map(({ program }) => program.kill()));
    await until(5_000, async () => this.hosts.every((host) => this.agentPids(host).length === 0));
    if (this.#settings.inside)
      for (const { home, smallDisk } of this.hosts)
        if (smallDisk) quietly(() => execFileSync('umount', ['-l', home], { stdio: 'ignore' }));
  }

  async #addSupernode(index: number): Promise<void> {
    const name = `s${index}`;
    const ip = this.#places.add(name);
    const [port, downloadPort] = this.#settings.inside ? [8002, 8001] : [await freePort(ip), await freePort(ip)];
    const home = join(this.dir, name);
    const config = join(this.dir, `${name}.yml`);
    // A stalled source is given up sooner than a user would want, so that more of it fits into a run.
    writeFileSync(config, 'sourceStallTime: 5s\n');
    const program = this.#program({ party: `supernode ${index}`, name, ip }, 'supernode', [
      ...['--port', String(port), '--download-port', String(downloadPort), '--bind', ip, '--advertise-ip', ip],
      ...['--home-dir', home, '--config', config, '--cluster-secret-file', join(this.dir, 'secret')],
      ...['--cache-quota', CACHE_QUOTA, '--fail-access-interval', '3s'],
      ...(this.redis === undefined ? [] : ['--cluster', `redis://${this.redis.ip}:${REDIS_PORT}`]),
    ]);
    this.supernodes.push({ party: `supernode ${index}`, name, ip, port, home, program, down: false });
  }

  #addHost(index: number): void {
    const name = `h${index}`;
    const ip = this.#places.add(name);
    const [home, out, lies] = [join(this.dir, name), join(this.dir, 'out', name), join(this.dir, `${name}.lies`)];
    const smallDisk = this.#settings.inside && index >= LIARS && index < LIARS + SMALL_DISKS;
    mkdirSync(home, { recursive: true });
    mkdirSync(out, { recursive: true });
    if (smallDisk) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_MIB}m`, 'tmpfs', home]);
    const config = join(this.dir, `${name}.yml`);
    writeFileSync(config, smallDisk ? 'youngGCThreshold: 16M\nfullGCThreshold: 4M\n' : `cacheQuota: ${QUOTA}\n`);
    const nodes = this.supernodes.map((one) => `--node=${one.ip}:${one.port}`);
    const flags = [`--home=${home}`, `--ip=${ip}`, `--config=${config}`, ...nodes];
    const env = index < LIARS ? faultyBuild(lies) : {};
    const machine = { party: `host ${index}` as const, name, ip };
    const agent = this.#program(machine, 'dfget', ['server', ...flags], env);
    const socket = { socketPath: join(home, 'agent.sock') };
    this.hosts.push({
      ...machine,
      home,
      out,
      socket,
      flags,
      env,
      lies,
      smallDisk,
      agent,
      down: false,
      keptBack: new Set(),
      hasSince: new Map(),
    });
  }

  async #startRedis(): Promise<void> {
    const name = 'redis';
    if (!['/usr/bin', '/usr/local/bin'].some((folder) => existsSync(join(folder, 'redis-server')))) {
      console.log('LEFT OUT: redis-server is not installed: supernodes that know each other by flags alone');
      return;
    }
    const ip = this.#places.add(name);
    const machine = { party: 'redis' as const, name, ip };
    const command = [
      'redis-server',
      '--bind',
      ip,
      '--port',
      String(REDIS_PORT),
      '--protected-mode',
      'no',
      '--save',
      '',
    ];
    const log = join(this.dir, 'logs', 'redis.log');
    const program = new Program({ command: this.on(machine, command), log, cwd: this.dir });
    program.start();
    this.redis = { ...machine, program };
    await delay(500);
    if (program.pid === undefined) throw new Error(`redis-server did not start; see ${log}`);
  }

  #program(machine: Machine, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
    const command = this.on(machine, [process.execPath, join(root, 'bin', `${program}.mjs`), ...args]);
    return new Program({ command, env, cwd: this.dir, log: join(this.dir, 'logs', `${machine.name}.log`) });
  }
}

function hasManifest(home: string, content: string): boolean {
  try {
    const meta = readFileSync(join(home, 'store', 'contents', content.slice(0, 2), content, 'meta.json'), 'utf8');
    return 'manifest' in (JSON.parse(meta) as object);
  } catch {
    return false; // it was evicted just now
  }
}

/** Looks again and again; false when the time is over. */
export async function until(limitMs: number, fits: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + limitMs; ; ) {
    if (await fits()) return true;
    if (performance.now() > end) return false;
    await delay(LOOK_AGAIN_MS);
  }
}

/** For what may have ended by itself. */
export function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // it is gone already
  }
}

export function wipe(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
