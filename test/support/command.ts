/** Programs of others as child processes: found on the PATH, run to their end or until they are stopped by their pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const LONGEST_RUN_MS = 120_000;
const STOP_MS = 10_000;
const KEPT_CHARS = 1024 * 1024;
const PLACES = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];

/** The path of a program; undefined when it is not installed. */
export function programPath(name: string): string | undefined {
  return PLACES.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export type Result = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type CommandOptions = { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly limitMs?: number };

function start(name: string, args: readonly string[], options: CommandOptions): ChildProcess {
  const path = programPath(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  // Nobody's proxies and certificates but those of the test.
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, http_proxy, https_proxy, no_proxy, SSL_CERT_FILE, ...env } = process.env;
  return spawn(path, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs it to its end; killed when it takes longer than `limitMs`, and then `code` is null. */
export function run(name: string, args: readonly string[], options: CommandOptions = {}): Promise<Result> {
  const child = start(name, args, options);
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-KEPT_CHARS);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_CHARS);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? LONGEST_RUN_MS);
  return new Promise((done, fail) => {
    child.on('error', fail).on('close', (code) => {
      clearTimeout(timer);
      done({ code, stdout, stderr });
    });
  });
}

/** The same, but an exit code other than 0 is an error that tells what was said. */
export async function runWell(name: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(name, args, options);
  if (code === 0) return stdout;
  throw new Error(`${name} ${args.join(' ')}: ${code === null ? 'killed' : `exit code ${code}`}\n${stderr}`);
}

/** A program that runs until it is stopped. */
export class Service {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #said = '';

  constructor(name: string, args: readonly string[], options: CommandOptions = {}) {
    this.#child = start(name, args, options);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-16 * KEPT_CHARS);
      });
    this.#closed = new Promise((done) => {
      this.#child.on('close', () => done());
      this.#child.on('error', (error) => {
        this.#said += error.message;
        done();
      });
    });
  }

  get said(): string {
    return this.#said;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Asks `answers` until it says yes. */
  async ready(answers: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await answers().catch(() => false))) {
      if (!this.alive) throw new Error(`it ended at once: ${this.#said}`);
      if (performance.now() > deadline) throw new Error(`it is not ready after ${limitMs} ms: ${this.#said}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async stop(): Promise<void> {
    if (this.alive) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}
