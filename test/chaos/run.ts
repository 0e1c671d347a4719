/** One run from its first process to its summary: faults and downloads side by side, then the calm in which all must be well. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { calmDownloads, everybodyBack, leftOnDisk, leftOpen } from './aftermath.ts';
import { Downloads } from './downloads.ts';
import { Faults } from './faults.ts';
import { Field, type Machine } from './field.ts';
import { History, type Party } from './history.ts';
import { type Holder, isNeedless, Ledger, type SourceRead } from './ledger.ts';
import type { Places } from './places.ts';
import { planFaults, planFiles } from './plan.ts';
import type { ChaosSettings } from './settings.ts';
import { ChaosSource } from './source.ts';
import { type Check, summarise } from './summary.ts';
import { growthOf, Watch } from './watch.ts';
import { whoIs } from './who.ts';

const HEARTBEAT_MS = 30_000;
/** The longest isolation. */
const ISOLATED_MS = 600_000;
/** Downloads that run when the faults end may still need so long. */
const LAST_DOWNLOADS_MS = 250_000;

export class ChaosRun {
  readonly #settings: ChaosSettings & { readonly dir: string };
  readonly #places: Places;
  readonly #start = performance.now();
  readonly #now = (): number => performance.now() - this.#start;
  readonly #history = new History(this.#now);
  readonly #ledger: Ledger;
  readonly #field: Field;
  readonly #watch: Watch;
  #source: ChaosSource | undefined;

  constructor(settings: ChaosSettings & { readonly dir: string }, places: Places) {
    this.#settings = settings;
    this.#places = places;
    this.#ledger = new Ledger(this.#history, settings.supernodes);
    this.#field = new Field(settings.dir, places, settings);
    this.#watch = new Watch(this.#field, this.#now);
  }

  /** The exit code. */
  async run(signal: AbortSignal): Promise<number> {
    const { seed, minutes, hosts, supernodes } = this.#settings;
    console.log(`chaos: seed ${seed}, ${minutes} minutes, ${hosts} hosts, ${supernodes} supernode(s)`);
    const source = await this.#startSource();
    await this.#field.start();
    const { sourceMachine } = this;
    const tell = (line: string) => console.log(`${(this.#now() / 1000).toFixed(1).padStart(7)} s  ${line}`);
    const parts = { field: this.#field, source, history: this.#history, tell };
    const downloads = new Downloads({ ...parts, now: this.#now, seed });
    const faults = new Faults({ ...parts, places: this.#places, sourceMachine });
    this.#watch.start();
    const heart = setInterval(() => tell(this.#pulse(downloads)), HEARTBEAT_MS);
    const checks: Check[] = [];
    try {
      await this.#storm(downloads, faults, signal);
      const before = this.#ledger.repeated.length;
      tell('the faults are over');
      if (!signal.aborted) checks.push(...(await this.#calm(downloads, before)));
    } finally {
      clearInterval(heart);
      this.#watch.stop();
    }
    const { lives } = this.#watch;
    checks.push(
      { name: 'every download ended in time, right, or with a cause', failures: downloads.failures },
      { name: 'no byte left the source twice without a cause', failures: this.#unexplained() },
      { name: 'no process ended by itself', failures: this.#watch.lost },
      { name: 'no process grew', failures: [...lives.values()].flatMap((life) => growthOf(life) ?? []) },
      { name: 'every fault could be carried out and mended', failures: faults.broken },
    );
    return summarise({
      settings: this.#settings,
      seconds: this.#now() / 1000,
      checks,
      downloads,
      faults,
      ledger: this.#ledger,
      watch: this.#watch,
      hosts: this.#field.hosts,
      stopped: signal.aborted,
    });
  }

  async close(): Promise<void> {
    await this.#field.close();
    await this.#source?.close();
  }

  get sourceMachine(): Machine {
    if (this.#sourceMachine === undefined) throw new Error('the source was not started');
    return this.#sourceMachine;
  }

  #sourceMachine: Machine | undefined;

  async #startSource(): Promise<ChaosSource> {
    const machine: Machine = { party: 'source', name: 'src', ip: this.#places.add('src') };
    this.#sourceMachine = machine;
    this.#source = await ChaosSource.start(machine.ip, (command) => this.#field.on(machine, command), {
      now: this.#now,
      whoIs: (ip, port) => whoIs(this.#field, ip, port),
      holders: (file, reader) => this.#holders(file, reader),
      sentBefore: (file) => this.#ledger.known(file) > 0,
      onRead: (read) => {
        const repeated = this.#ledger.add(read);
        const { bytes = 0, cause } = repeated ?? {};
        // For a look at it afterwards, with --keep.
        appendFileSync(
          join(this.#settings.dir, 'reads.ndjson'),
          `${JSON.stringify({ ...read, again: bytes, cause })}\n`,
        );
      },
    });
    return this.#source;
  }

  /** A host that misbehaved may be isolated still: then nobody is to take anything from it. */
  async #holders(file: string, reader: Party): Promise<readonly Holder[]> {
    const at = this.#now();
    const lied = (party: Party) =>
      this.#history.during(at - ISOLATED_MS, at, (spell) => spell.party === party && spell.kind === 'agent-lie');
    const all = await this.#field.holders(file, reader, at, this.#now);
    return all.filter(({ party }) => lied(party).length === 0);
  }

  async #storm(downloads: Downloads, faults: Faults, signal: AbortSignal): Promise<void> {
    const { minutes, parallel } = this.#settings;
    const stop = new AbortController();
    const over = AbortSignal.any([signal, stop.signal]);
    const files = planFiles(this.#settings);
    for (const file of files.filter(({ atMs }) => atMs === 0)) downloads.offer(file);
    const start = this.#now();
    const offering = (async () => {
      for (const file of files.filter(({ atMs }) => atMs > 0)) {
        await delay(Math.max(0, start + file.atMs - this.#now()), undefined, { signal: over }).catch(() => undefined);
        if (!over.aborted) downloads.offer(file);
      }
    })();
    const lines = Array.from({ length: parallel }, (_, line) => downloads.run(line, over));
    const striking = faults.run(planFaults(this.#settings), signal);
    await delay(minutes * 60_000, undefined, { signal }).catch(() => undefined);
    await striking;
    stop.abort();
    await offering;
    // Who wants to stop now does not wait for them: they end with their agents.
    if (signal.aborted) return;
    await Promise.race([Promise.all(lines), delay(LAST_DOWNLOADS_MS, undefined, { ref: false })]);
  }

  async #calm(downloads: Downloads, before: number): Promise<Check[]> {
    const back = await everybodyBack(this.#field);
    await calmDownloads(this.#field, downloads);
    const again = this.#ledger.repeated.slice(before).filter(({ read }) => isNeedless(read));
    const open = await leftOpen(this.#field);
    const late = await downloads.sweepAbandoned();
    return [
      { name: 'every host came back to every supernode', failures: back },
      {
        name: 'in the calm nothing that a host holds was read again',
        failures: again.map(
          ({ read, bytes }) => `${bytes} bytes of ${read.file} by ${read.reader}, held by ${holdersOf(read)}`,
        ),
      },
      { name: 'no socket and no removed file stayed open', failures: open },
      { name: 'what an agent still put in place for an interrupted dfget is right', failures: late },
      { name: 'no temporary file was left', failures: await leftOnDisk(this.#field) },
    ];
  }

  #unexplained(): string[] {
    return this.#ledger.repeated.flatMap(({ read, bytes, cause }) => {
      if (cause !== undefined) return [];
      const when = `${(read.startAt / 1000).toFixed(1)} s`;
      return [`${bytes} bytes of ${read.file} by ${read.reader} at ${when}, held by ${holdersOf(read)}`];
    });
  }

  #pulse({ ended, failures }: Downloads): string {
    const mib = (this.#ledger.bytes / 1024 / 1024).toFixed(0);
    return `${ended} downloads, ${failures.length} failures, ${mib} MiB from the source`;
  }
}

function holdersOf({ holders = [] }: SourceRead): string {
  return holders.map(({ party, proved }) => `${party}${proved ? '' : ' (unproved)'}`).join(', ') || 'nobody';
}
