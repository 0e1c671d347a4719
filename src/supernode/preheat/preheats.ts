/**
 * All preheats that the supernode knows: a few run, the others wait in line, those that are over are remembered for some
 * days. Invariant: two equal requests never run at the same time.
 */
import { sha256Hex } from '../../io/hash.ts';
import { Fault } from '../../protocol/faults.ts';
import { Preheat, type PreheatParts } from './preheat.ts';
import type { PreheatRequest } from './preheat-request.ts';

export type PreheatsOptions = PreheatParts & {
  /** A name that no other preheat has. */
  readonly unique: () => string;
  /** Fault usage. */
  readonly check: (request: PreheatRequest) => void;
};

const MAX_RUNNING = 8;
/** Waiting and running. */
const MAX_UNFINISHED = 1000;
const MAX_REMEMBERED = 1000;
const REMEMBER_MS = 7 * 24 * 60 * 60 * 1000;

export class Preheats {
  readonly #options: PreheatsOptions;
  readonly #all = new Map<string, Preheat>();
  /** Unfinished ones by what was asked. */
  readonly #asked = new Map<string, Preheat>();
  readonly #waiting: Preheat[] = [];
  #running = 0;

  constructor(options: PreheatsOptions) {
    this.#options = options;
  }

  get list(): readonly Preheat[] {
    this.#forgetOld();
    return [...this.#all.values()];
  }

  find(id: string): Preheat | undefined {
    return this.#all.get(id);
  }

  /** `fresh` is false when the same is being brought already: then that one is given. Faults: usage, supernode-refused. */
  ask(request: PreheatRequest): { readonly preheat: Preheat; readonly fresh: boolean } {
    this.#options.check(request);
    // Headers are part of it, which is why only a digest is kept.
    const key = sha256Hex(JSON.stringify(request));
    const same = this.#asked.get(key);
    if (same !== undefined) return { preheat: same, fresh: false };
    if (this.#asked.size >= MAX_UNFINISHED)
      throw new Fault('supernode-refused', `${MAX_UNFINISHED} preheats are waiting already`);
    this.#forgetOld();
    const preheat = new Preheat(this.#options.unique(), request, this.#options);
    this.#all.set(preheat.id, preheat);
    this.#asked.set(key, preheat);
    void preheat.whenOver().then(() => this.#asked.delete(key));
    this.#waiting.push(preheat);
    this.#startNext();
    return { preheat, fresh: true };
  }

  /** Stops it if it runs, and forgets it. */
  remove(id: string): boolean {
    const preheat = this.#all.get(id);
    preheat?.stop();
    return this.#all.delete(id);
  }

  close(): void {
    for (const preheat of this.#all.values()) preheat.stop();
  }

  #startNext(): void {
    while (this.#running < MAX_RUNNING) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running++;
      void next.run().finally(() => {
        this.#running--;
        this.#startNext();
      });
    }
  }

  #forgetOld(): void {
    const since = this.#options.wall() - REMEMBER_MS;
    const over = [...this.#all.values()].filter((preheat) => preheat.over);
    const excess = over.length - MAX_REMEMBERED;
    for (const [index, { id, finishedAt = 0 }] of over.entries())
      if (index < excess || finishedAt < since) this.#all.delete(id);
  }
}
