/**
 * Meters in the text format of Prometheus, on prom-client. Nothing is measured on the way: a meter is a row that says where its value is read
 * when somebody scrapes. This file is loaded with the first scrape, so that nobody who is not scraped pays for it.
 */
import { createRequire } from 'node:module';
import { Counter, Gauge, Registry } from 'prom-client';

export type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

/** `State` is what one look at the program gives; all meters of a scrape read the same one. */
export type Meter<State> = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels?: readonly string[];
  /** A number where there are no labels; undefined = there is nothing to say. */
  readonly read: (state: State) => number | undefined | Iterable<Sample>;
};

/**
 * Of the package's own: processor, memory, descriptors, heap, delay of the event loop. Not those that go on costing between two scrapes (each
 * collection of garbage observed) or that cost more with every connection (lists of all that is open).
 */
const PROCESS = [
  'processCpuTotal',
  'processStartTime',
  'osMemoryHeap',
  'processOpenFileDescriptors',
  'processMaxFileDescriptors',
  'eventLoopLag',
  'heapSizeAndUsed',
  'version',
] as const;
/** How often the event loop's delay is sampled, from the first scrape on. */
const LAG_RESOLUTION_MS = 20;

const load = createRequire(import.meta.url);
type Collect = (registry: Registry, options: { readonly eventLoopMonitoringPrecision: number }) => void;

export class Metrics<State> {
  readonly #registry = new Registry();
  readonly #meters: readonly (readonly [Meter<State>, Gauge | Counter])[];
  readonly #look: () => State;

  constructor(meters: readonly Meter<State>[], look: () => State) {
    this.#look = look;
    this.#meters = meters.map((meter) => [meter, this.#made(meter)] as const);
    for (const name of PROCESS) {
      const collect = load(`prom-client/lib/metrics/${name}`) as Collect;
      collect(this.#registry, { eventLoopMonitoringPrecision: LAG_RESOLUTION_MS });
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const state = this.#look();
    for (const [meter, made] of this.#meters) show(made, meter.read(state));
    return this.#registry.metrics();
  }

  #made({ name, help, type, labels = [] }: Meter<State>): Gauge | Counter {
    const config = { name, help, labelNames: [...labels], registers: [this.#registry] };
    return type === 'counter' ? new Counter(config) : new Gauge(config);
  }
}

/** A counter is no sum of ours: it shows what its place counts. */
function show(made: Gauge | Counter, read: number | undefined | Iterable<Sample>): void {
  made.reset();
  if (read === undefined) made.remove();
  else if (typeof read === 'number') made.inc(read);
  else for (const { labels, value } of read) made.inc(labels, value);
}
