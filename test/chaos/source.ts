/** The run's side of the source: what it serves, and who read what of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Party } from './history.ts';
import type { Holder, SourceRead } from './ledger.ts';
import type { PlannedFile } from './plan.ts';
import type { FromSource, Mood, ToSource } from './source-program.ts';

export type SourceListener = {
  readonly now: () => number;
  readonly whoIs: (ip: string, port: number) => Party;
  /** Who could give all of it; asked when a file is read that was sent before. */
  readonly holders: (file: string, reader: Party) => Promise<readonly Holder[]>;
  readonly sentBefore: (file: string) => boolean;
  readonly onRead: (read: SourceRead) => void;
};

type Begun = Omit<SourceRead, 'sent' | 'endAt' | 'broken' | 'holders'> & {
  readonly holders: Promise<readonly Holder[]> | undefined;
};

export class ChaosSource {
  readonly #child: ChildProcess;
  readonly #listener: SourceListener;
  readonly #begun = new Map<number, Begun>();
  #url = '';

  private constructor(child: ChildProcess, listener: SourceListener) {
    this.#child = child;
    this.#listener = listener;
  }

  static async start(
    ip: string,
    on: (command: readonly string[]) => readonly string[],
    listener: SourceListener,
  ): Promise<ChaosSource> {
    const [program = '', ...args] = on([process.execPath, join(import.meta.dirname, 'source-program.ts'), ip]);
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const source = new ChaosSource(child, listener);
    const [first] = (await once(child, 'message')) as [FromSource];
    if (first.type !== 'listening') throw new Error('the source did not start');
    source.#url = `http://${ip}:${first.port}`;
    child.on('message', (message: FromSource) => source.#hear(message));
    return source;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  url({ name }: PlannedFile): string {
    return `${this.#url}/${name}`;
  }

  serve(file: PlannedFile): void {
    this.#tell({ type: 'serve', file });
  }

  set mood(mood: Mood) {
    this.#tell({ type: 'mood', mood });
  }

  /** Reads that have not ended. */
  get reading(): number {
    return this.#begun.size;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  #tell(message: ToSource): void {
    if (this.#child.connected) this.#child.send(message);
  }

  #hear(message: FromSource): void {
    const { now, whoIs, holders, sentBefore } = this.#listener;
    if (message.type === 'begin') {
      const { id, file, ip, port, from } = message;
      const reader = whoIs(ip, port);
      const looked = sentBefore(file) ? holders(file, reader) : undefined;
      this.#begun.set(id, { file, reader, from, startAt: now(), holders: looked });
    } else if (message.type === 'end') void this.#end(message);
  }

  async #end({ id, sent, broken }: Extract<FromSource, { type: 'end' }>): Promise<void> {
    const begun = this.#begun.get(id);
    if (begun === undefined) return;
    const { holders: looked, ...read } = begun;
    const endAt = this.#listener.now();
    const holders = await looked;
    this.#begun.delete(id);
    this.#listener.onRead({ ...read, sent, endAt, broken, ...(holders === undefined ? {} : { holders }) });
  }
}
