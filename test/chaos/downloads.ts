/** Endless downloads, through dfget as users run it: random files to random hosts, some of them interrupted. Each is judged at its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../src/base/random.ts';
import type { DownloadEvent } from '../../src/peer/engine.ts';
import { hashFile } from '../support/hash-file.ts';
import { root } from '../support/process.ts';
import { Sample } from '../support/sample.ts';
import type { Field, Host } from './field.ts';
import type { History } from './history.ts';
import type { PlannedFile } from './plan.ts';
import type { ChaosSource } from './source.ts';
import { faultOf, type Outcome } from './verdict.ts';

/** A dfget that has not ended after so long hangs. */
const HANG_MS = 240_000;
/** Downloads take one of the newest so many files. */
const CURRENT_FILES = 10;
const MAX_SAID = 64 * 1024;

export type DownloadParts = {
  readonly field: Field;
  readonly source: ChaosSource;
  readonly history: History;
  readonly now: () => number;
  readonly tell: (line: string) => void;
  readonly seed: number;
};

type Wish = {
  readonly notbs: boolean;
  readonly flags: readonly string[];
  readonly interrupt?: { readonly afterMs: number; readonly signal: NodeJS.Signals };
};

type Done = Extract<DownloadEvent, { type: 'done' }>;

type Ended = Pick<Outcome, 'code' | 'said' | 'interrupted'> & {
  readonly done: Done | undefined;
  /** When it had its first word from the agent. */
  readonly firstAt: number | undefined;
};

export class Downloads {
  readonly #parts: DownloadParts;
  readonly #files: PlannedFile[] = [];
  readonly #digests = new Map<string, string>();
  /** Outputs of dfgets that were interrupted: their agent may have been putting the file there at that moment. */
  readonly #abandoned: { readonly output: string; readonly file: PlannedFile }[] = [];
  #last = 0;
  readonly codes = new Map<string, number>();
  readonly failures: string[] = [];
  readonly bytes = { fromDisk: 0, fromPeers: 0, fromSupernode: 0, fromSource: 0 };
  readonly millis: number[] = [];
  ended = 0;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
  }

  /** From now on it may be asked for. */
  offer(file: PlannedFile): void {
    this.#parts.source.serve(file);
    this.#files.push(file);
  }

  get files(): readonly PlannedFile[] {
    return this.#files;
  }

  /** One line of downloads, one after the other, until the signal. */
  async run(line: number, signal: AbortSignal): Promise<void> {
    const random = new Random(this.#parts.seed * 1000 + line);
    const { hosts } = this.#parts.field;
    while (!signal.aborted) {
      const newest = this.#files.slice(-CURRENT_FILES);
      const file = newest[random.below(newest.length)];
      const host = hosts[random.below(hosts.length)];
      const wish = wishOf(random);
      if (file !== undefined && host !== undefined) await this.one(host, file, wish);
      await delay(random.below(400), undefined, { signal }).catch(() => undefined);
    }
  }

  /** The fault of it, or undefined. */
  async one(host: Host, file: PlannedFile, wish: Wish = { notbs: false, flags: [] }): Promise<string | undefined> {
    const { history, now, tell, field } = this.#parts;
    const number = ++this.#last;
    const output = join(host.out, `d${number}`);
    if (wish.flags.includes('cdn')) host.keptBack.add(file.name);
    const startAt = now();
    const { code, said, interrupted, done, firstAt } = await this.#dfget(host, file, { wish, output });
    const endAt = now();
    const right = code === 0 ? await this.#isRight(output, file) : undefined;
    rmSync(output, { force: true });
    if (interrupted) this.#abandoned.push({ output, file });
    // What lay there already may have been fetched by a dfget that was interrupted.
    if (right && (done?.result.fromDisk !== file.length || !host.hasSince.has(file.name)))
      host.hasSince.set(file.name, endAt);
    const outcome: Outcome = {
      host: host.party,
      file,
      notbs: wish.notbs,
      interrupted,
      code,
      right,
      said,
      startAt,
      endAt,
    };
    this.#count(outcome);
    const fault = faultOf(outcome, history, field.supernodes.length);
    const record = { ...outcome, number, file: file.name, flags: wish.flags, firstAt, done, fault };
    // For a look at it afterwards, with --keep.
    appendFileSync(join(field.dir, 'downloads.ndjson'), `${JSON.stringify(record)}\n`);
    if (fault === undefined) return undefined;
    const line = `download ${number} of ${file.name} (${file.length} bytes) by ${host.name}${wish.notbs ? ' --notbs' : ''}: ${fault}`;
    this.failures.push(line);
    tell(`FAIL ${line}`);
    tell(`     its agent: ${JSON.stringify(await field.status(host))}`);
    return line;
  }

  /** Outputs that came after their dfget was interrupted go; a file under its final name has to be right even so. In words what is not. */
  async sweepAbandoned(): Promise<string[]> {
    const failures: string[] = [];
    for (const { output, file } of this.#abandoned.splice(0)) {
      if (!existsSync(output)) continue;
      if (!(await this.#isRight(output, file))) failures.push(`${output} is not ${file.name}`);
      rmSync(output, { force: true });
    }
    return failures;
  }

  async #dfget(
    host: Host,
    file: PlannedFile,
    { wish, output }: { readonly wish: Wish; readonly output: string },
  ): Promise<Ended> {
    const { field, source, now } = this.#parts;
    const own = ['--url', source.url(file), '--output', output, '--json', ...wish.flags];
    const digest = file.digest ? ['--digest', `sha256:${this.#digest(file)}`] : [];
    const args = [...own, ...digest];
    const [command = '', ...rest] = field.on(host, [
      process.execPath,
      join(root, 'bin', 'dfget.mjs'),
      ...host.flags,
      ...args,
    ]);
    const child = spawn(command, rest, {
      cwd: field.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...host.env },
    });
    let said = '';
    let events = '';
    let firstAt: number | undefined;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      firstAt ??= now();
      events = (events + text).slice(-MAX_SAID);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-MAX_SAID);
    });
    let interrupted = false;
    const { interrupt } = wish;
    const timers = [
      setTimeout(() => child.kill('SIGKILL'), HANG_MS),
      ...(interrupt === undefined
        ? []
        : [
            setTimeout(() => {
              interrupted = true;
              child.kill(interrupt.signal);
            }, interrupt.afterMs),
          ]),
    ];
    const [code] = (await once(child, 'close')) as [number | null];
    for (const timer of timers) clearTimeout(timer);
    const done = doneIn(events);
    for (const name of Object.keys(this.bytes) as (keyof Downloads['bytes'])[])
      this.bytes[name] += done?.result[name] ?? 0;
    return { code, said, interrupted, done, firstAt };
  }

  async #isRight(output: string, file: PlannedFile): Promise<boolean> {
    return existsSync(output) && (await hashFile(output)) === this.#digest(file);
  }

  #digest(file: PlannedFile): string {
    const known = this.#digests.get(file.name) ?? new Sample(file.length, file.seed).digest();
    this.#digests.set(file.name, known);
    return known;
  }

  #count({ code, interrupted, startAt, endAt }: Outcome): void {
    this.ended++;
    const name = interrupted ? 'interrupted' : `${code}`;
    this.codes.set(name, (this.codes.get(name) ?? 0) + 1);
    this.millis.push(endAt - startAt);
  }
}

function doneIn(events: string): Done | undefined {
  const line = events.split('\n').find((text) => text.startsWith('{"type":"done"'));
  return line === undefined ? undefined : (JSON.parse(line) as Done);
}

function wishOf(random: Random): Wish {
  const dice = random.unit();
  const notbs = random.chance(0.12);
  const flags = [
    ...(notbs ? ['--notbs'] : []),
    ...(random.chance(0.1) ? ['--locallimit', '6M'] : []),
    ...(random.chance(0.1) ? ['--pattern', 'cdn'] : []),
    ...(random.chance(0.3) ? ['--no-sync'] : []),
    ...(random.chance(0.2) ? ['--copy'] : []),
  ];
  const afterMs = 200 + random.below(3_000);
  if (dice < 0.04) return { notbs, flags, interrupt: { afterMs, signal: 'SIGINT' } };
  if (dice < 0.08) return { notbs, flags, interrupt: { afterMs, signal: 'SIGKILL' } };
  return { notbs, flags };
}
