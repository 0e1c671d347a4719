/**
 * A cluster on one machine: supernode and agents as processes of their own on 127.0.0.x, sources inside the caller. All
 * that it starts and writes is gone after `close`.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultyBuild, setFault, type TestFault } from './faulty/fault.ts';
import { freePort } from './free-port.ts';
import { hashFile } from './hash-file.ts';
import { type Ended, Running } from './process.ts';
import { TestSource } from './source.ts';

const READY_TIMEOUT_MS = 180_000;
const LOOK_AGAIN_MS = 10;
const STOP_TIMEOUT_MS = 10_000;

export type Supernode = {
  readonly ip: string;
  readonly port: number;
  readonly downloadPort: number;
  readonly home: string;
  /** What --node wants. */
  readonly node: string;
  running: Running;
};

export type Agent = {
  readonly name: string;
  readonly home: string;
  readonly args: readonly string[];
  running: Running;
};

export type FaultyAgent = Agent & { readonly faultFile: string };

export class Lab {
  readonly folder: string;
  readonly #programs: Running[] = [];
  readonly #sources: TestSource[] = [];
  readonly #homes = new Set<string>();

  /** Short, because a unix socket below it has to fit 107 bytes. */
  constructor(parent = tmpdir()) {
    this.folder = realpathSync(mkdtempSync(join(parent, 'dragonfly-')));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async source(options: { ip?: string; bytesPerSecond?: number } = {}): Promise<TestSource> {
    const source = await TestSource.start(options);
    this.#sources.push(source);
    return source;
  }

  /** A second call with an old supernode starts it again at the same place. */
  async supernode(old?: Supernode, ...args: string[]): Promise<Supernode> {
    const ip = old?.ip ?? '127.0.0.1';
    const port = old?.port ?? (await freePort(ip));
    const downloadPort = old?.downloadPort ?? (await freePort(ip));
    const home = old?.home ?? this.path('supernode');
    const places = ['--home-dir', home, '--advertise-ip', ip, '--config', this.path('supernode.yml')];
    const ports = ['--port', String(port), '--download-port', String(downloadPort)];
    const config = existsSync(this.path('supernode.yml')) ? places : places.slice(0, 4);
    const running = this.run('supernode', [...ports, ...config, ...args]);
    await ready(running, { host: ip, port });
    return { ip, port, downloadPort, home, node: `${ip}:${port}`, running };
  }

  /** One of several: at an address of its own, with a home of its own. */
  async supernodeAt(ip: string, ...args: string[]): Promise<Supernode> {
    const [port, downloadPort] = [await freePort(ip), await freePort(ip)];
    const home = this.path(`supernode-${ip}`);
    const old = { ip, port, downloadPort, home, node: `${ip}:${port}`, running: undefined as unknown as Running };
    return this.supernode(old, '--bind', ip, ...args);
  }

  async agent(ip: string, node: string, ...args: string[]): Promise<Agent> {
    return this.restart(this.#agentAt(ip, node, args));
  }

  /** An agent that misbehaves (undefined = not yet), as `setFault` on its `faultFile` says from now on. */
  async faultyAgent(fault: TestFault | undefined, ip: string, node: string, ...args: string[]): Promise<FaultyAgent> {
    const faultFile = this.path(`${ip}.fault`);
    setFault(faultFile, fault);
    return { ...(await this.restart(this.#agentAt(ip, node, args), faultyBuild(faultFile))), faultFile };
  }

  /** Starts an agent that has ended again, at its home. */
  async restart(agent: Pick<Agent, 'name' | 'home' | 'args'>, env?: NodeJS.ProcessEnv): Promise<Agent> {
    const running = this.run('dfget', agent.args, env);
    await ready(running, { path: join(agent.home, 'agent.sock') });
    return { ...agent, running };
  }

  #agentAt(ip: string, node: string, args: readonly string[]): Pick<Agent, 'name' | 'home' | 'args'> {
    const home = this.path(ip);
    return { name: ip, home, args: ['server', '--ip', ip, '--home', home, '--node', node, ...args] };
  }

  /** dfget with the agent of that home; one that it starts itself is ended with the lab. */
  dfget(home: string, ...args: string[]): Running {
    this.#homes.add(home);
    return this.run('dfget', ['--home', home, ...args]);
  }

  run(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): Running {
    const running = new Running(program, args, { cwd: this.folder, ...(env ? { env } : {}) });
    this.#programs.push(running);
    return running;
  }

  /** sha256 of a file of the lab, as hex. */
  sha256(path: string): Promise<string> {
    return hashFile(path);
  }

  logOf(agent: Pick<Agent, 'home'>): string {
    const file = join(agent.home, 'agent.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async close(): Promise<void> {
    const stops = [...this.#homes].filter((home) => existsSync(join(home, 'agent.sock')));
    await Promise.all(stops.map((home) => within(this.run('dfget', ['stop', '--home', home]), STOP_TIMEOUT_MS)));
    await Promise.all(this.#programs.map((running) => running.kill()));
    await Promise.all(this.#sources.map((source) => source.close()));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function within(running: Running, limitMs: number): Promise<Ended> {
  const timer = setTimeout(() => running.child.kill('SIGKILL'), limitMs);
  const ended = await running.ended;
  clearTimeout(timer);
  return ended;
}

/** Resolves when somebody listens there. */
export async function ready(running: Running, place: { host: string; port: number } | { path: string }): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await answers(place))) {
    if (!running.alive) throw new Error(`it ended at once: ${running.said}`);
    if (performance.now() > deadline) throw new Error(`it is not ready after ${READY_TIMEOUT_MS} ms: ${running.said}`);
    await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
  }
}

function answers(place: { host: string; port: number } | { path: string }): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection(place);
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}
