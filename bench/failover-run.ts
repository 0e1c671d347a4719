/**
 * One distribution on shaped links whose only supernode is killed on the way: to come back after a while, or never. Times, and what the
 * source had to send, by reader. Needs root (network namespaces) and nginx.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hashFile } from '../test/support/hash-file.ts';
import { LabNetwork } from './lab/network.ts';
import { ROOT } from './processes.ts';

export type FailoverCase = {
  readonly hosts: number;
  readonly mib: number;
  readonly mbit: number;
  /** Of the supernode's link: with a fast one it has read all of the source when it is killed. */
  readonly seedMbit: number;
  /** Of the source's own link. */
  readonly sourceMbit: number;
  /** Share of all bytes after which it is killed; undefined = never. */
  readonly killAt?: number;
  /** Seconds; undefined = it stays away. */
  readonly backAfter?: number;
};

export type FailoverResult = {
  /** Seconds from the first start to the last end. */
  readonly makespan: number;
  readonly right: boolean;
  /** Bytes that the source sent, over the content's. */
  readonly sourceRatio: number;
  readonly sourceReads: number;
  /** Hosts that read the source themselves. */
  readonly hostsAtSource: number;
};

const MIB = 1024 * 1024;
const READY_MS = 60_000;
const LIMIT_MS = 600_000;
const SOURCE_PORT = 8080;

type Getting = { readonly child: ChildProcess; done: number; ended: Promise<number | null> };

export class FailoverRun {
  readonly #case: FailoverCase;
  readonly #dir: string;
  readonly #network = new LabNetwork(`fo${process.pid % 10000}`);
  readonly #names: readonly string[];
  readonly #children: ChildProcess[] = [];

  constructor(failover: FailoverCase, dir: string) {
    this.#case = failover;
    this.#dir = dir;
    this.#names = Array.from({ length: failover.hosts }, (_, index) => `p${index + 1}`);
  }

  async run(): Promise<FailoverResult> {
    mkdirSync(this.#dir, { recursive: true });
    try {
      return await this.#run();
    } finally {
      for (const child of this.#children) child.kill('SIGKILL');
      this.#network.down();
      rmSync(this.#dir, { recursive: true, force: true });
    }
  }

  async #run(): Promise<FailoverResult> {
    const { hosts, mib, mbit, seedMbit, sourceMbit, killAt, backAfter } = this.#case;
    this.#network.up();
    this.#network.add('src', { upMbit: sourceMbit, downMbit: sourceMbit });
    this.#network.add('seed', { upMbit: seedMbit, downMbit: seedMbit });
    for (const name of this.#names) this.#network.add(name, { upMbit: mbit, downMbit: mbit });
    await this.#startSource();
    const supernode = await this.#startSupernode();
    await Promise.all(this.#names.map((name) => this.#startAgent(name)));
    await delay(1500); // The processes' start-up work ends before the clock starts.
    const start = performance.now();
    const getting = this.#names.map((name) => this.#get(name));
    if (killAt !== undefined) {
      const reached = () => getting.reduce((sum, { done }) => sum + done, 0) >= killAt * hosts * mib * MIB;
      await until(reached, LIMIT_MS, 'the share');
      const ended = once(supernode, 'exit');
      supernode.kill('SIGKILL');
      await ended;
      if (backAfter !== undefined) {
        await delay(backAfter * 1000);
        await this.#startSupernode();
      }
    }
    const codes = await Promise.all(getting.map(({ ended }) => ended));
    const makespan = (performance.now() - start) / 1000;
    const wanted = await hashFile(this.#sample);
    const hashes = await Promise.all(this.#names.map((name) => hashFile(`${this.#dir}/${name}.out`).catch(() => '')));
    const right = codes.every((code) => code === 0) && hashes.every((hash) => hash === wanted);
    return { makespan, right, ...this.#reads() };
  }

  get #sample(): string {
    return `${this.#dir}/www/sample`;
  }

  #reads(): Omit<FailoverResult, 'makespan' | 'right'> {
    const lines = readFileSync(`${this.#dir}/access.log`, 'utf8').trim().split('\n').filter(Boolean);
    const reads = lines.map((line) => line.split(' '));
    const bytes = reads.reduce((sum, [, sent]) => sum + Number(sent), 0);
    const seed = this.#network.address('seed');
    const readers = new Set(reads.map(([address]) => address).filter((address) => address !== seed));
    return {
      sourceRatio: bytes / (this.#case.mib * MIB),
      sourceReads: reads.length,
      hostsAtSource: readers.size,
    };
  }

  async #startSource(): Promise<void> {
    mkdirSync(`${this.#dir}/www`);
    const fd = openSync(this.#sample, 'w');
    const block = Buffer.allocUnsafe(MIB);
    for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
    for (let index = 0; index < this.#case.mib; index++) {
      for (let at = 0; at < block.length; at += 4096) block.writeUInt32LE(index * 256 + at / 4096, at);
      writeFileSync(fd, block);
    }
    closeSync(fd);
    const conf = `worker_processes 1; pid ${this.#dir}/nginx.pid; error_log ${this.#dir}/nginx.err; daemon off; user root;
events { worker_connections 1024; }
http { log_format reads '$remote_addr $body_bytes_sent $http_range'; access_log ${this.#dir}/access.log reads; sendfile on;
server { listen ${SOURCE_PORT}; root ${this.#dir}/www; } }`;
    writeFileSync(`${this.#dir}/nginx.conf`, conf);
    this.#spawn('src', 'nginx', ['nginx', '-c', `${this.#dir}/nginx.conf`]);
    await until(() => existsSync(`${this.#dir}/nginx.pid`), READY_MS, 'nginx');
  }

  async #startSupernode(): Promise<ChildProcess> {
    const places = ['--home-dir', `${this.#dir}/supernode`, '--advertise-ip', this.#network.address('seed')];
    const log = `${this.#dir}/supernode.log`;
    const said = () => (existsSync(log) ? readFileSync(log, 'utf8').split('"msg":"ready"').length : 1);
    const before = said();
    const command = [process.execPath, `${ROOT}/bin/supernode.mjs`, '--config', '/dev/null', ...places];
    const child = this.#spawn('seed', 'supernode', command);
    await until(() => said() > before, READY_MS, 'the supernode');
    return child;
  }

  async #startAgent(name: string): Promise<void> {
    const node = `${this.#network.address('seed')}:8002`;
    const places = ['--home', `${this.#dir}/${name}`, '--ip', this.#network.address(name), '--node', node];
    const command = [process.execPath, `${ROOT}/bin/dfget.mjs`, 'server', ...places];
    this.#spawn(name, `agent-${name}`, command);
    await until(() => existsSync(`${this.#dir}/${name}/agent.sock`), READY_MS, `the agent of ${name}`);
  }

  #get(name: string): Getting {
    const url = `http://${this.#network.address('src')}:${SOURCE_PORT}/sample`;
    const what = ['--url', url, '--output', `${this.#dir}/${name}.out`, '--no-sync', '--json'];
    const [command = '', ...args] = this.#inside(name, [
      process.execPath,
      `${ROOT}/bin/dfget.mjs`,
      '--home',
      `${this.#dir}/${name}`,
      ...what,
    ]);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    const getting: Getting = { child, done: 0, ended: once(child, 'exit').then(([code]) => code as number | null) };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const last = [...text.matchAll(/"done":(\d+)/g)].at(-1);
      if (last !== undefined) getting.done = Number(last[1]);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('exit', () => clearTimeout(timer));
    return getting;
  }

  #inside(name: string, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.#network.namespace(name), ...command];
  }

  #spawn(name: string, what: string, command: readonly string[]): ChildProcess {
    const log = openSync(`${this.#dir}/${what}.log`, 'a');
    const [program = '', ...args] = this.#inside(name, command);
    const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: this.#dir });
    closeSync(log);
    this.#children.push(child);
    return child;
  }
}

async function until(fits: () => boolean, limitMs: number, what: string): Promise<void> {
  for (const end = performance.now() + limitMs; !fits(); await delay(20))
    if (performance.now() > end) throw new Error(`${what}: not after ${limitMs / 1000} s`);
}
