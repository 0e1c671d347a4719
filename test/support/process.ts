/** A program of ours as a child process: what it says, how it ends, and how to end it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..', '..');

export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly millis: number;
};

export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';
  #watchers = new Set<() => void>();

  /** `program` is the name of a file in bin/. */
  constructor(program: string, args: readonly string[], options: { cwd: string; env?: NodeJS.ProcessEnv }) {
    const start = performance.now();
    const file = resolve(root, 'bin', `${program}.mjs`);
    this.child = spawn(process.execPath, [file, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text, ''));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear('', text));
    this.ended = new Promise((done, fail) => {
      this.child.on('error', fail);
      this.child.on('close', (code, signal) => {
        done({ code, signal, stdout: this.#stdout, stderr: this.#stderr, millis: performance.now() - start });
        for (const watcher of this.#watchers) watcher();
      });
    });
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get said(): string {
    return `${this.#stdout}${this.#stderr}`;
  }

  /** Resolves when what it has said so far fits; rejects when it ends without. */
  async until(fits: (said: string) => boolean): Promise<void> {
    while (!fits(this.said)) {
      if (!this.alive) throw new Error(`it ended (${this.child.exitCode}) and had only said: ${this.said}`);
      await new Promise<void>((done) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          done();
        };
        this.#watchers.add(watcher);
      });
    }
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> {
    if (this.alive) this.child.kill(signal);
    return this.ended;
  }

  #hear(stdout: string, stderr: string): void {
    this.#stdout += stdout;
    this.#stderr += stderr;
    for (const watcher of this.#watchers) watcher();
  }
}
