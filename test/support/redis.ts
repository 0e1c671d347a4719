/** Redis where it is installed: single servers, a primary with sentinels, a Redis Cluster, on loopback and in one folder. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

const FOLDERS = ['/usr/bin', '/usr/local/bin', '/usr/sbin'];
const READY_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 20;
const IP = '127.0.0.1';

/** Debian's name; Valkey's own command is the same program by its side. */
export const redisPath = FOLDERS.map((folder) => `${folder}/redis-server`).find((path) => existsSync(path));
const cliPath = FOLDERS.map((folder) => `${folder}/redis-cli`).find((path) => existsSync(path));

export type RedisOptions = {
  readonly lines?: readonly string[];
  readonly args?: readonly string[];
  readonly port?: number;
};

/** One process, a sentinel if `args` say so. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #options: RedisOptions;
  #child: ReturnType<typeof spawn> | undefined;

  private constructor(folder: string, port: number, options: RedisOptions) {
    this.#folder = folder;
    this.port = port;
    this.#options = options;
  }

  static async start(folder: string, options: RedisOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(folder, options.port ?? (await freePort(IP)), options);
    mkdirSync(folder, { recursive: true });
    const { lines = [] } = options;
    const config = [`port ${server.port}`, `bind ${IP}`, `dir ${folder}`, 'logfile log', ...lines];
    writeFileSync(join(folder, 'redis.conf'), `${config.join('\n')}\n`);
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://${IP}:${this.port}`;
  }

  get place(): string {
    return `${IP}:${this.port}`;
  }

  /** At its old place, with nothing of what it held. */
  async begin(): Promise<void> {
    if (redisPath === undefined) throw new Error('redis-server is not installed');
    const args = [join(this.#folder, 'redis.conf'), ...(this.#options.args ?? [])];
    const child = spawn(redisPath, args, { stdio: 'ignore' });
    this.#child = child;
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await listens(this.port))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`redis-server: see ${this.#folder}/log`);
      await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  ask(...args: readonly string[]): string {
    if (cliPath === undefined) throw new Error('redis-cli is not installed');
    return execFileSync(cliPath, ['-p', String(this.port), ...args], { encoding: 'utf8' }).trim();
  }
}

/** Joins them; as many replicas for each primary. */
export function redisCluster(nodes: readonly RedisServer[], replicas: number): void {
  const places = nodes.map(({ place }) => place);
  const how = ['--cluster-replicas', String(replicas), '--cluster-yes'];
  if (cliPath === undefined) throw new Error('redis-cli is not installed');
  execFileSync(cliPath, ['--cluster', 'create', ...places, ...how], { stdio: 'ignore' });
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host: IP, port });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

/** Resolves when it holds; rejects with the name of what was waited for. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to pass in ${limitMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
  }
}
