/** Starts, measures and ends the processes of a benchmark; everything it makes lies in one folder that `close` removes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/free-port.ts';
import { fillFreeMemory } from './warm-memory.ts';

export const ROOT = new URL('..', import.meta.url).pathname.replace(/\/$/, '');
const TICKS_PER_SECOND = 100;
/** A machine that plays many hosts at once may take its time. */
const START_TIMEOUT_MS = 60_000;

export type Usage = { readonly cpu: number; readonly peakMib: number };
export type Timed = {
  readonly wall: number;
  readonly cpu: number;
  readonly code: number | null;
  readonly output: string;
};

export type Agent = { readonly ip: string; readonly home: string; readonly pid: number };

export class Bench {
  readonly dir: string;
  readonly root = ROOT;
  readonly #children: ChildProcess[] = [];
  #control = 0;
  #web = 0;
  #filled = 0;

  /** `parent`: where sources, stores and outputs lie, the current temporary folder by default. */
  constructor(parent = tmpdir()) {
    this.dir = mkdtempSync(`${parent}/dragonfly-bench-`);
  }

  /** nginx with `www/` below the folder. */
  async source(): Promise<void> {
    this.#web = await freePort('127.0.0.1');
    mkdirSync(`${this.dir}/www`);
    const conf = `worker_processes 1; pid ${this.dir}/nginx.pid; error_log ${this.dir}/nginx.err; daemon off; user root;
events { worker_connections 4096; }
http { log_format reads '$request_method $uri $body_bytes_sent'; access_log ${this.dir}/access.log reads; sendfile on; tcp_nopush on; server { listen 127.0.0.1:${this.#web}; root ${this.dir}/www;
  location /v2/gigabit/ { limit_rate 119m; } } }`;
    writeFileSync(`${this.dir}/nginx.conf`, conf);
    const child = this.#start('nginx', 'nginx', ['-c', `${this.dir}/nginx.conf`]);
    await until(() => existsSync(`${this.dir}/nginx.pid`), 'nginx');
    this.nginxPid = child.pid ?? 0;
  }

  nginxPid = 0;

  url(name: string): string {
    return `http://127.0.0.1:${this.#web}/${name}`;
  }

  async supernode(...flags: string[]): Promise<number> {
    this.#control = await freePort('127.0.0.1');
    const download = await freePort('127.0.0.1');
    const where = ['--port', `${this.#control}`, '--download-port', `${download}`, '--advertise-ip', '127.0.0.1'];
    const home = `${this.dir}/supernode-${this.#control}`;
    const child = this.#node('supernode', `${ROOT}/bin/supernode.mjs`, [...where, '--home-dir', home, ...flags]);
    await untilAnswers(`http://127.0.0.1:${this.#control}/readyz`);
    return child.pid ?? 0;
  }

  /** Requests that nginx answered for this file, and the bytes of their bodies. */
  reads(name: string): { readonly requests: number; readonly bytes: number } {
    const lines = readFileSync(`${this.dir}/access.log`, 'utf8').split('\n');
    const sizes = lines.filter((line) => line.startsWith(`GET /${name} `)).map((line) => Number(line.split(' ')[2]));
    return { requests: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  }

  /** Resolves when the supernode has all of this source. */
  async cached(url: string): Promise<void> {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.#control}/v1/tasks`);
      const { tasks } = (await answer.json()) as { tasks: { url: string; state: string }[] };
      const task = tasks.find((each) => each.url === url);
      if (task !== undefined && task.state !== 'filling') return;
      await delay(100);
    }
  }

  /** The supernode drops its copy of this source: whoever asks next gets it from the hosts that hold it. */
  async drop(url: string): Promise<void> {
    const tasks = `http://127.0.0.1:${this.#control}/v1/tasks`;
    const listed = (await (await fetch(tasks)).json()) as { tasks: { url: string; task: string }[] };
    const task = listed.tasks.find((each) => each.url === url)?.task;
    const answer = await fetch(`${tasks}/${task}`, { method: 'DELETE' });
    if (!answer.ok) throw new Error(`the supernode answered ${answer.status} to the removal of ${url}`);
  }

  get control(): number {
    return this.#control;
  }

  get node(): string {
    return `127.0.0.1:${this.#control}`;
  }

  async agent(ip: string, ...flags: string[]): Promise<Agent> {
    const home = `${this.dir}/home-${ip}`;
    const args = ['server', '--ip', ip, '--home', home, '--node', this.node, '--alivetime', '0s', ...flags];
    const child = this.#node(`agent-${ip}`, `${ROOT}/bin/dfget.mjs`, args);
    await until(() => existsSync(`${home}/agent.sock`), `agent ${ip}`);
    return { ip, home, pid: child.pid ?? 0 };
  }

  /** A mirror of the source; gives its port. `env` = settings of its own. */
  async dfdaemon(ip: string, env: Readonly<Record<string, string>> = {}): Promise<Agent & { readonly port: number }> {
    const home = `${this.dir}/daemon-${ip}`;
    const port = await freePort('127.0.0.1');
    const places = ['--localIP', ip, '--workHome', home, '--port', `${port}`, '--node', this.node];
    const flags = [...places, '--registry', new URL(this.url('')).origin];
    const child = this.#start(`daemon-${ip}`, process.execPath, [`${ROOT}/bin/dfdaemon.mjs`, ...flags], {
      ...process.env,
      ...env,
    });
    await untilAnswers(`http://127.0.0.1:${port}/healthz`);
    return { ip, home, port, pid: child.pid ?? 0 };
  }

  /** Ends an agent and removes its home: its disk space is needed for the next one. */
  async end(agent: Agent): Promise<void> {
    const child = this.#children.find((each) => each.pid === agent.pid);
    if (child !== undefined) await end(child);
    rmSync(agent.home, { recursive: true, force: true });
  }

  /** One dfget, timed from exec to exit. */
  dfget(agent: Agent, ...args: string[]): Promise<Timed> {
    return this.timed([process.execPath, `${ROOT}/bin/dfget.mjs`, '--home', agent.home, '--node', this.node, ...args]);
  }

  async timed(command: readonly string[]): Promise<Timed> {
    const file = `${this.dir}/times-${Math.random().toString(36).slice(2)}`;
    const log = `${file}.log`;
    const fd = openSync(log, 'w');
    const started = performance.now();
    const script = '"$@"; code=$?; times > "$TIMES"; exit $code';
    const child = spawn('bash', ['-c', script, 'bash', ...command], {
      stdio: ['ignore', fd, fd],
      env: { ...process.env, TIMES: file },
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    const wall = (performance.now() - started) / 1000;
    closeSync(fd);
    const children = readFileSync(file, 'utf8').split('\n')[1] ?? '';
    const cpu = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
      (sum, m) => sum + Number(m[1]) * 60 + Number(m[2]),
      0,
    );
    return { wall, cpu, code, output: readFileSync(log, 'utf8') };
  }

  /** CPU seconds so far, the children that nginx forked included, and the peak of resident memory. */
  usage(pid: number): Usage {
    let cpu = 0;
    let peakMib = 0;
    for (const each of [pid, ...childrenOf(pid)]) {
      const stat = readFileSync(`/proc/${each}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      cpu += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? '0';
      peakMib = Math.max(peakMib, Number(peak) / 1024);
    }
    return { cpu, peakMib };
  }

  /** Before every measured run of either side, so that none pays for memory that nobody used lately. */
  warmMemory(): void {
    fillFreeMemory(`${this.dir}/zeros-${this.#filled++}`);
  }

  /** Bytes that a process has read and written by system calls so far: files and sockets. */
  moved(pid: number): { readonly read: number; readonly written: number } {
    const text = readFileSync(`/proc/${pid}/io`, 'utf8');
    const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { read: count('rchar'), written: count('wchar') };
  }

  /** One request to an agent on its socket. */
  async ask(agent: Agent, method: string, path: string, body?: unknown): Promise<unknown> {
    const sent = body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)];
    const socket = ['--unix-socket', `${agent.home}/agent.sock`];
    const answer = good(await this.timed(['curl', '-sf', ...socket, '-X', method, ...sent, `http://agent${path}`]));
    return JSON.parse(answer.output);
  }

  /** A file of random bytes below `www/`. */
  sample(name: string, bytes: number): void {
    const fd = openSync(`${this.dir}/www/${name}`, 'w');
    const block = Buffer.allocUnsafe(Math.min(bytes, 1 << 20));
    for (let at = 0; at < block.length; at += 65536)
      crypto.getRandomValues(block.subarray(at, Math.min(at + 65536, block.length)));
    for (let at = 0; at < bytes; at += block.length) {
      for (let mark = 0; mark + 8 <= block.length; mark += 65536) block.writeDoubleLE(at + mark + Math.random(), mark);
      writeSync(fd, block, 0, Math.min(block.length, bytes - at));
    }
    closeSync(fd);
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      await end(child);
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  #node(name: string, script: string, args: readonly string[]): ChildProcess {
    return this.#start(name, process.execPath, [script, ...args]);
  }

  #start(name: string, command: string, args: readonly string[], env = process.env): ChildProcess {
    const log = openSync(`${this.dir}/${name}.log`, 'a');
    const child = spawn(command, args, { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.#children.push(child);
    return child;
  }
}

/** Throws when the command failed. */
export function good(timed: Timed): Timed {
  if (timed.code !== 0) throw new Error(`a command ended with ${timed.code}: ${timed.output.slice(-500)}`);
  return timed;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 8000);
  await ended;
  clearTimeout(hard);
}

/** Resident memory now. */
export function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

export function installed(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not start`);
    await delay(20);
  }
}

async function untilAnswers(url: string): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    if (performance.now() > end) throw new Error(`${url} did not answer`);
    await delay(20);
  }
}
