/** One long-running program of the run: started, killed, paused and started again; what it says goes into a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

export type Command = {
  readonly command: readonly string[];
  readonly log: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd: string;
};

export class Program {
  readonly #command: Command;
  #child: ChildProcess | undefined;
  #paused = false;
  starts = 0;

  constructor(command: Command) {
    this.#command = command;
  }

  get log(): string {
    return this.#command.log;
  }

  get pid(): number | undefined {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** What it ended with by itself, where nobody killed it. */
  get ended(): string | undefined {
    const child = this.#child;
    if (child === undefined || this.pid !== undefined) return undefined;
    return `${child.exitCode ?? child.signalCode}`;
  }

  start(): void {
    const { command, log, env, cwd } = this.#command;
    const [program = '', ...args] = command;
    const fd = openSync(log, 'a');
    this.#child = spawn(program, args, { stdio: ['ignore', fd, fd], cwd, env: { ...process.env, ...env } });
    this.#child.on('error', () => undefined); // seen by its exit code
    closeSync(fd);
    this.#paused = false;
    this.starts++;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.pid === undefined) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    if (this.#paused && signal !== 'SIGKILL') child.kill('SIGCONT');
    await ended;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
    this.#paused = true;
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
    this.#paused = false;
  }
}

/** One look at all processes serves everybody who asks within this time: the run itself must not take the time that it measures. */
const LOOK_MS = 100;
let looked: { readonly at: number; readonly lines: ReadonlyMap<number, readonly string[]> } | undefined;

/** Processes whose command line has all these words. Zombies have none. */
export function processesWith(...words: readonly string[]): number[] {
  if (looked === undefined || performance.now() - looked.at > LOOK_MS)
    looked = { at: performance.now(), lines: commandLines() };
  return [...looked.lines].flatMap(([pid, line]) => (words.every((word) => line.includes(word)) ? [pid] : []));
}

function commandLines(): ReadonlyMap<number, readonly string[]> {
  const lines = new Map<number, readonly string[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      lines.set(Number(name), readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0'));
    } catch {
      // it ended meanwhile
    }
  }
  return lines;
}
