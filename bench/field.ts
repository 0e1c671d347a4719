/**
 * Real supernodes, agents and dfgets on shaped links, one network namespace each, and nginx as the source with a log of every read. What
 * goes wrong in it is the caller's. Needs root, nginx and tc; `close` takes everything away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hashFile } from '../test/support/hash-file.ts';
import { LabNetwork, type Rates } from './lab/network.ts';
import { installed, ROOT } from './processes.ts';

const MIB = 1024 * 1024;
const READY_MS = 180_000;
const LIMIT_MS = 600_000;
const SOURCE_PORT = 8080;

export type Getting = {
  readonly name: string;
  readonly child: ChildProcess;
  done: number;
  ended: Promise<number | null>;
};

export type SourceReads = {
  /** Bytes that the source sent, over the content's. */
  readonly sourceRatio: number;
  readonly sourceReads: number;
  /** Hosts that read the source themselves. */
  readonly hostsAtSource: number;
};

/** What is missing here to play it; undefined = nothing. */
export function fieldMissing(...programs: string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  return ['nginx', 'tc', ...programs].find((program) => !installed(program));
}

export class Field {
  readonly dir: string;
  readonly mib: number;
  readonly network = new LabNetwork(`fo${process.pid % 10000}`, () => this.close());
  readonly #children: ChildProcess[] = [];
  /** Names of those who are no hosts. */
  readonly #seeds = new Set<string>();
  #before: SourceReads | undefined;

  constructor(dir: string, mib: number) {
    this.dir = dir;
    this.mib = mib;
    mkdirSync(dir, { recursive: true });
    this.network.up();
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    this.network.down();
    rmSync(this.dir, { recursive: true, force: true });
  }

  get url(): string {
    return `http://${this.network.address('src')}:${SOURCE_PORT}/sample`;
  }

  get #sample(): string {
    return `${this.dir}/www/sample`;
  }

  async source(rates: Rates): Promise<void> {
    this.network.add('src', rates);
    mkdirSync(`${this.dir}/www`);
    const fd = openSync(this.#sample, 'w');
    const block = Buffer.allocUnsafe(MIB);
    for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
    for (let index = 0; index < this.mib; index++) {
      for (let at = 0; at < block.length; at += 4096) block.writeUInt32LE(index * 256 + at / 4096, at);
      writeFileSync(fd, block);
    }
    closeSync(fd);
    const conf = `worker_processes 1; pid ${this.dir}/nginx.pid; error_log ${this.dir}/nginx.err; daemon off; user root;
events { worker_connections 1024; }
http { log_format reads '$remote_addr $body_bytes_sent $http_range'; access_log ${this.dir}/access.log reads; sendfile on;
server { listen ${SOURCE_PORT}; root ${this.dir}/www; } }`;
    writeFileSync(`${this.dir}/nginx.conf`, conf);
    this.spawn('src', 'nginx', ['nginx', '-c', `${this.dir}/nginx.conf`]);
    await until(() => existsSync(`${this.dir}/nginx.pid`), 'nginx');
  }

  /** At that name's address, which `network` has. A second call starts it again where it was. */
  async supernode(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
    this.#seeds.add(name);
    const places = ['--home-dir', `${this.dir}/${name}`, '--advertise-ip', this.network.address(name)];
    const log = `${this.dir}/${name}.log`;
    const said = () => (existsSync(log) ? readFileSync(log, 'utf8').split('"msg":"ready"').length : 1);
    const before = said();
    const command = [process.execPath, `${ROOT}/bin/supernode.mjs`, '--config', '/dev/null', ...places, ...args];
    const child = this.spawn(name, name, command, env);
    await until(() => said() > before, `the supernode ${name}`);
    return child;
  }

  /** Resolves when it listens. */
  async agent(name: string, seed: string, env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
    const node = `${this.network.address(seed)}:8002`;
    const places = ['--home', `${this.dir}/${name}`, '--ip', this.network.address(name), '--node', node];
    const command = [process.execPath, `${ROOT}/bin/dfget.mjs`, 'server', ...places];
    const child = this.spawn(name, `agent-${name}`, command, env);
    await until(() => existsSync(`${this.dir}/${name}/agent.sock`), `the agent of ${name}`);
    return child;
  }

  get(name: string): Getting {
    const what = ['--url', this.url, '--output', `${this.dir}/${name}.out`, '--no-sync', '--json'];
    const dfget = [process.execPath, `${ROOT}/bin/dfget.mjs`, '--home', `${this.dir}/${name}`, ...what];
    const [command = '', ...args] = this.#inside(name, dfget);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#children.push(child);
    const getting: Getting = {
      name,
      child,
      done: 0,
      ended: once(child, 'exit').then(([code]) => code as number | null),
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const last = [...text.matchAll(/"done":(\d+)/g)].at(-1);
      if (last !== undefined) getting.done = Number(last[1]);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('exit', () => clearTimeout(timer));
    return getting;
  }

  /** Resolves when all of them together have that share of what they are to get. */
  async share(of: readonly Getting[], share: number): Promise<void> {
    const wanted = share * of.length * this.mib * MIB;
    await until(() => of.reduce((sum, { done }) => sum + done, 0) >= wanted, `${share} of all bytes`, LIMIT_MS);
  }

  async right(names: readonly string[]): Promise<boolean> {
    const wanted = await hashFile(this.#sample);
    const hashes = await Promise.all(names.map((name) => hashFile(`${this.dir}/${name}.out`).catch(() => '')));
    return hashes.every((hash) => hash === wanted);
  }

  /** All reads so far are none of those that `reads` speaks of. */
  forgetReads(): void {
    this.#before = undefined;
    this.#before = this.reads();
  }

  reads(): SourceReads {
    const lines = readFileSync(`${this.dir}/access.log`, 'utf8').trim().split('\n').filter(Boolean);
    const reads = lines.map((line) => line.split(' '));
    const bytes = reads.reduce((sum, [, sent]) => sum + Number(sent), 0);
    const seeds = [...this.#seeds].map((name) => this.network.address(name));
    const readers = new Set(reads.map(([address]) => address ?? '').filter((address) => !seeds.includes(address)));
    const { sourceRatio = 0, sourceReads = 0, hostsAtSource = 0 } = this.#before ?? {};
    return {
      sourceRatio: bytes / (this.mib * MIB) - sourceRatio,
      sourceReads: reads.length - sourceReads,
      hostsAtSource: readers.size - hostsAtSource,
    };
  }

  /** A program in that name's namespace; what it says goes to `<what>.log`. */
  spawn(name: string, what: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const log = openSync(`${this.dir}/${what}.log`, 'a');
    const [program = '', ...args] = this.#inside(name, command);
    const options = { stdio: ['ignore', log, log] as never, cwd: this.dir, env: { ...process.env, ...env } };
    const child = spawn(program, args, options);
    closeSync(log);
    this.#children.push(child);
    return child;
  }

  #inside(name: string, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.network.namespace(name), ...command];
  }
}

export async function until(fits: () => boolean, what: string, limitMs = READY_MS): Promise<void> {
  for (const end = performance.now() + limitMs; !fits(); await delay(20))
    if (performance.now() > end) throw new Error(`${what}: not after ${limitMs / 1000} s`);
}

/** Resolves when it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
