/** One distribution by one system in the lab: sets the hosts up, runs the clock, verifies every copy, counts bytes and CPU. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fillFreeMemory } from '../warm-memory.ts';
import { LabNetwork } from './network.ts';
import type { System } from './systems.ts';

export type LabCase = {
  readonly system: System;
  readonly hosts: number;
  readonly mib: number;
  /** Size of the content that every host has moved before the clock starts, MiB. */
  readonly warmMib: number;
  readonly seedMbit: number;
  /** Host i gets rates[i mod length], both ways. */
  readonly ratesMbit: readonly number[];
  /** Seconds between the hosts' starts. */
  readonly staggerSeconds: number;
  readonly timeoutSeconds: number;
};

export type LabResult = {
  readonly ok: boolean;
  readonly error?: string;
  /** From the first start to the last exit; with staggered starts the slowest host's own time. Seconds. */
  readonly makespan: number;
  /** Seconds per host, in order. */
  readonly times: readonly number[];
  /** Fluid bound, seconds. */
  readonly bound: number;
  readonly ratio: number;
  /** The slowest host's time over its own wire time F/rate, per distinct rate. */
  readonly ownRatio: Readonly<Record<string, number>>;
  readonly sourceRatio: number;
  /** Reads; a request that learns that nothing has changed (304) is none. */
  readonly sourceRequests: number;
  readonly seedRatio: number;
  readonly cpuSeconds: number;
  readonly busy: number;
  readonly peakMib: number;
};

/** The content that all hosts get together before the clock: on a host in use the agent has moved something before. */
const WARM = 'warm';

const ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

export class LabRun {
  readonly #case: LabCase;
  readonly #network: LabNetwork;
  readonly #dir: string;
  /** Stays until all runs are over, or the memory would be free again. */
  readonly #zeros: string;
  readonly #source: string;
  readonly #names: string[];
  /** Reads of the source before the clock. */
  #readBefore = 0;

  constructor(labCase: LabCase, dir: string) {
    this.#case = labCase;
    this.#network = new LabNetwork(`df${process.pid % 10000}`, () => rmSync(dir, { recursive: true, force: true }));
    this.#dir = `${dir}/run`;
    this.#zeros = `${dir}/zeros-${Date.now()}`;
    this.#source = sample(`${dir}/www`, `f${labCase.mib}`, labCase.mib);
    sample(`${dir}/www`, WARM, labCase.warmMib);
    this.#names = Array.from({ length: labCase.hosts }, (_, i) => `p${i + 1}`);
  }

  async run(): Promise<LabResult> {
    mkdirSync(this.#dir, { recursive: true });
    try {
      await this.#start();
      fillFreeMemory(this.#zeros);
      return await this.#clock();
    } finally {
      this.#network.down();
      rmSync(this.#dir, { recursive: true, force: true });
    }
  }

  async #start(): Promise<void> {
    const { seedMbit, ratesMbit, system } = this.#case;
    this.#network.up();
    this.#network.add('seed', { upMbit: seedMbit, downMbit: seedMbit });
    this.#names.forEach((name, i) => {
      const rate = ratesMbit[i % ratesMbit.length] ?? seedMbit;
      this.#network.add(name, { upMbit: rate, downMbit: rate });
    });
    for (const host of this.#network.hosts) mkdirSync(`${this.#dir}/${host}`, { recursive: true });
    this.#nginx();
    this.#spawn('seed', system.seed, 'seed');
    await this.#exists(`${this.#dir}/seed/${system.ready}`, 'seed');
    const { host: resident, hostReady } = system;
    if (resident === undefined || hostReady === undefined) return;
    for (const name of this.#names) this.#spawn(name, resident, 'agent');
    for (const name of this.#names) await this.#exists(`${this.#dir}/${name}/${hostReady}`, name);
    await Promise.all(this.#names.map((name) => this.#warm(name)));
    this.#readBefore = this.#sourceReads().length;
    await delay(1500); // Sessions connect and the processes' start-up work ends before the clock starts.
  }

  async #warm(name: string): Promise<void> {
    const { warm } = this.#case.system;
    if (warm === undefined) return;
    const [code] = (await once(this.#spawn(name, warm, 'warm'), 'exit')) as [number | null];
    if (code !== 0)
      throw new Error(`${name} cannot get the first file: ${this.#tail(`${this.#dir}/${name}/warm.log`)}`);
  }

  /** Lines of nginx's log. */
  #sourceReads(): string[] {
    const log = existsSync(`${this.#dir}/source.log`) ? readFileSync(`${this.#dir}/source.log`, 'utf8').trim() : '';
    return log === '' ? [] : log.split('\n');
  }

  async #clock(): Promise<LabResult> {
    const hosts = this.#names.map((name) => ({ name, shell: this.#shell(name) }));
    for (const name of this.#names) await this.#exists(`${this.#dir}/${name}/set`, name);
    const before = this.#counters();
    const started = performance.now();
    const outcomes = await Promise.all(
      hosts.map(({ name, shell }, i) => this.#get(name, shell, i * this.#case.staggerSeconds)),
    );
    const makespan = (performance.now() - started) / 1000;
    const after = this.#counters();
    const failed = outcomes.find((outcome) => outcome.error !== undefined);
    const wanted = await sha256(this.#source);
    let wrong = 0;
    for (const name of this.#names) if ((await sha256(`${this.#dir}/${name}/out`)) !== wanted) wrong++;
    const times = outcomes.map((outcome) => outcome.seconds);
    return this.#figures({
      before,
      after,
      times,
      makespan: this.#case.staggerSeconds > 0 ? Math.max(...times) : makespan,
      getCpu: outcomes.reduce((sum, outcome) => sum + outcome.cpu, 0),
      error: failed?.error ?? (wrong > 0 ? `${wrong} copies are wrong` : undefined),
    });
  }

  /** Inside the host already: what the clock times begins with the command, not with entering a namespace. */
  #shell(name: string): ChildProcess {
    const get = `(${this.#case.system.get}) </dev/null; code=$?; times > $DIR/times; exit $code`;
    return this.#spawn(name, `touch $DIR/set; read -r go; ${get}`, 'get', 'pipe');
  }

  async #get(
    name: string,
    child: ChildProcess,
    wait: number,
  ): Promise<{ seconds: number; cpu: number; error?: string }> {
    if (wait > 0) await delay(wait * 1000);
    const started = performance.now();
    child.stdin?.end('go\n');
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#case.timeoutSeconds * 1000);
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    const seconds = (performance.now() - started) / 1000;
    const file = `${this.#dir}/${name}/times`;
    const children = existsSync(file) ? (readFileSync(file, 'utf8').split('\n')[1] ?? '') : '';
    const cpu = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
      (sum, m) => sum + Number(m[1]) * 60 + Number(m[2]),
      0,
    );
    if (code === 0) return { seconds, cpu };
    return { seconds, cpu, error: `${name} exited with ${code}: ${this.#tail(`${this.#dir}/${name}/get.log`)}` };
  }

  #figures(raw: {
    before: Counters;
    after: Counters;
    times: number[];
    makespan: number;
    getCpu: number;
    error: string | undefined;
  }): LabResult {
    const { mib, hosts, seedMbit, ratesMbit } = this.#case;
    const bytes = mib * 1024 * 1024;
    const rates = this.#names.map((_, i) => (ratesMbit[i % ratesMbit.length] ?? seedMbit) * 125000);
    const seed = seedMbit * 125000;
    const sum = rates.reduce((a, b) => a + b, 0);
    const bound = Math.max(bytes / seed, bytes / Math.min(...rates), (hosts * bytes) / (seed + sum));
    const ownRatio: Record<string, number> = {};
    rates.forEach((rate, i) => {
      const key = String(rate / 125000);
      const own = (raw.times[i] ?? 0) / (bytes / Math.min(rate, seed));
      ownRatio[key] = Math.max(ownRatio[key] ?? 0, own);
    });
    const lines = this.#sourceReads().slice(this.#readBefore);
    const idle = raw.after.idle - raw.before.idle;
    return {
      ok: raw.error === undefined,
      ...(raw.error === undefined ? {} : { error: raw.error }),
      makespan: raw.makespan,
      times: raw.times,
      bound,
      ratio: raw.makespan / bound,
      ownRatio,
      sourceRatio: lines.reduce((total, line) => total + Number(line.split(' ')[0]), 0) / bytes,
      sourceRequests: lines.filter((line) => line.split(' ')[1] !== '304').length,
      seedRatio: (raw.after.seedSent - raw.before.seedSent) / bytes,
      cpuSeconds: raw.after.cpu - raw.before.cpu + raw.getCpu,
      busy: 1 - idle / (raw.after.all - raw.before.all),
      peakMib: raw.after.peakMib,
    };
  }

  #nginx(): void {
    const conf = `worker_processes 1; pid ${this.#dir}/nginx.pid; error_log ${this.#dir}/nginx.err; daemon off; user root;
events { worker_connections 4096; }
http { log_format b '$body_bytes_sent $status $request_method $http_range'; access_log ${this.#dir}/source.log b; sendfile on; tcp_nopush on;
server { listen 8080; root ${this.#source.slice(0, this.#source.lastIndexOf('/'))}; } }`;
    writeFileSync(`${this.#dir}/nginx.conf`, conf);
    this.#spawn('seed', `exec nginx -c ${this.#dir}/nginx.conf`, 'nginx');
  }

  #spawn(host: string, script: string, what: string, input: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const dir = `${this.#dir}/${host}`;
    const log = openSync(`${dir}/${what}.log`, 'a');
    const seedIp = this.#network.address('seed');
    return spawn('ip', ['netns', 'exec', this.#network.namespace(host), 'bash', '-c', script], {
      cwd: dir,
      stdio: [input, log, log],
      env: {
        ...process.env,
        HOME: dir,
        NODE: process.execPath,
        ROOT,
        DIR: dir,
        SEED_DIR: `${this.#dir}/seed`,
        IP: this.#network.address(host),
        SEED_IP: seedIp,
        SRC: this.#source,
        OUT: `${dir}/out`,
        MIB: String(this.#case.mib),
        WARM_URL: `http://${seedIp}:8080/${WARM}`,
        URL: `http://${seedIp}:8080/${this.#source.slice(this.#source.lastIndexOf('/') + 1)}`,
      },
    });
  }

  async #exists(file: string, host: string): Promise<void> {
    const end = performance.now() + 30_000;
    while (!existsSync(file)) {
      if (performance.now() > end) {
        const logs = ['seed', 'agent'].map((what) => this.#tail(`${this.#dir}/${host}/${what}.log`)).join(' ');
        throw new Error(`${host} is not ready after 30 s: ${logs}`);
      }
      await delay(50);
    }
  }

  #tail(file: string): string {
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-400).trim() : '';
  }

  #counters(): Counters {
    let cpu = 0;
    let peak = 0;
    for (const host of this.#network.hosts) {
      for (const pid of this.#network.processes(host)) {
        const usage = processUsage(pid);
        cpu += usage.cpu;
        peak = Math.max(peak, usage.peakMib);
      }
    }
    const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
      .trim()
      .split(/\s+/)
      .slice(1, 9)
      .map(Number);
    return {
      cpu,
      peakMib: peak,
      seedSent: this.#network.bytes('seed').sent,
      idle: (fields[3] ?? 0) + (fields[4] ?? 0),
      all: fields.reduce((a, b) => a + b, 0),
    };
  }
}

type Counters = { cpu: number; peakMib: number; seedSent: number; idle: number; all: number };

const TICKS_PER_SECOND = 100;

function processUsage(pid: number): { cpu: number; peakMib: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    return { cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, peakMib: Number(peak) / 1024 };
  } catch {
    return { cpu: 0, peakMib: 0 }; // It ended between the list and the look.
  }
}

/** Bytes that cannot be compressed, none of them twice, in a file that is kept over all runs. */
function sample(folder: string, name: string, mib: number): string {
  const file = `${folder}/${name}`;
  mkdirSync(folder, { recursive: true });
  if (existsSync(file) && statSync(file).size === mib * 1024 * 1024) return file;
  const random = Buffer.allocUnsafe(1024 * 1024);
  writeFileSync(file, '');
  for (let i = 0; i < mib; i++) {
    crypto.getRandomValues(random.subarray(0, 65536));
    for (let at = 65536; at < random.length; at += 65536) random.copy(random, at, 0, 65536);
    random.writeUInt32LE(i, 0);
    for (let at = 0; at < random.length; at += 65536) random.writeUInt32LE(i * 16 + at / 65536, at);
    writeFileSync(file, random, { flag: 'a' });
  }
  return file;
}

async function sha256(file: string): Promise<string> {
  if (!existsSync(file)) return 'missing';
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part as Buffer);
  return hash.digest('hex');
}
