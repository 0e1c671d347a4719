/** One live line per host: redrawn in place on a terminal, else printed about twice a second. */
import { barLine, type ProgressState, plainLine, withSample } from '../../src/dfget/progress.ts';
import type { DownloadProgress } from '../../src/peer/engine.ts';

const REDRAW_MS = 100;
const PLAIN_MS = 500;
const DEFAULT_COLUMNS = 100;

export class HostLines {
  readonly #names: readonly string[];
  readonly #states = new Map<string, ProgressState>();
  readonly #live = process.stdout.isTTY;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #drawnLines = 0;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  show(name: string, progress: DownloadProgress): void {
    const now = performance.now();
    this.#states.set(name, withSample(this.#states.get(name), progress, now));
    if (now - this.#drawnAt < (this.#live ? REDRAW_MS : PLAIN_MS)) return;
    this.draw();
  }

  draw(): void {
    this.#drawnAt = performance.now();
    const width = (process.stdout.columns ?? DEFAULT_COLUMNS) - 1;
    const lines = this.#names.map((name) => `  ${name}  ${this.#text(name)}`.slice(0, width));
    const up = this.#live && this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : '';
    process.stdout.write(up + lines.map((line) => (this.#live ? `\x1b[K${line}\n` : `${line}\n`)).join(''));
    this.#drawnLines = lines.length;
  }

  #text(name: string): string {
    const state = this.#states.get(name);
    if (state === undefined) return 'waiting';
    return this.#live ? barLine(state, Number.POSITIVE_INFINITY) : plainLine(state);
  }
}
