/**
 * One preheat from its plan to its end: every layer is read into the cache once, a few at a time, and goes on to the
 * chosen hosts while it is being read. Invariant: it ends in one state, whatever happens, and then holds nothing.
 */
import { Fault } from '../../protocol/faults.ts';
import type { HostId } from '../../protocol/ids.ts';
import { printPlatform } from '../../protocol/oci/image-manifest.ts';
import type { TaskSpec } from '../../protocol/task.ts';
import type { Entry, Opened } from '../cache/entry.ts';
import type { FetchOrder } from '../host-fetches.ts';
import { HostProgress } from './host-progress.ts';
import { Layer, type LayerWanted } from './layer.ts';
import { type PreheatRequest, type PreheatState, type PreheatView, shownSource } from './preheat-request.ts';

export type PreheatParts = {
  /** What it has to bring. Faults of the registry, usage. */
  readonly plan: (request: PreheatRequest, signal: AbortSignal) => Promise<readonly LayerWanted[]>;
  /** The hosts to bring it to, by id with their names. Fault not-found. */
  readonly hosts: (request: PreheatRequest) => ReadonlyMap<HostId, string>;
  readonly open: (task: LayerWanted['task'], spec: TaskSpec) => Promise<Opened>;
  readonly fetch: (order: FetchOrder) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
};

/** Layers that are read from the source at once. */
const LAYERS_AT_ONCE = 4;

export class Preheat {
  readonly id: string;
  readonly createdAt: number;
  readonly tag: string | undefined;
  readonly #parts: PreheatParts;
  readonly #shown: Pick<PreheatView, 'type' | 'url' | 'tag' | 'platform' | 'scope'>;
  readonly #stop = new AbortController();
  readonly #finished = Promise.withResolvers<void>();
  /** Holds secrets; gone with the end. */
  #request: PreheatRequest | undefined;
  #state: PreheatState = 'waiting';
  #layers: readonly Layer[] = [];
  #hosts: readonly HostProgress[] = [];
  #fault: Fault | undefined;
  #finishedAt: number | undefined;

  constructor(id: string, request: PreheatRequest, parts: PreheatParts) {
    this.id = id;
    this.#parts = parts;
    this.#request = request;
    this.tag = request.tag;
    this.createdAt = parts.wall();
    const { type, url, tag, platform, scope } = request;
    this.#shown = {
      type,
      url: shownSource(url),
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform: printPlatform(platform) }),
      scope: scope === 'supernode' ? 'supernode' : 'hosts',
    };
  }

  get state(): PreheatState {
    return this.#state;
  }

  get over(): boolean {
    return this.#finishedAt !== undefined;
  }

  /** Milliseconds since 1970. */
  get finishedAt(): number | undefined {
    return this.#finishedAt;
  }

  whenOver(): Promise<void> {
    return this.#finished.promise;
  }

  stop(): void {
    this.#stop.abort();
    if (this.#state === 'waiting') this.#end(stopped());
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const request = this.#request;
    if (request === undefined || this.over) return;
    this.#state = 'running';
    try {
      const { plan, hosts } = this.#parts;
      if (request.scope !== 'supernode')
        this.#hosts = [...hosts(request)].map(([host, name]) => new HostProgress(host, name));
      this.#layers = (await plan(request, this.#stop.signal)).map((wanted) => new Layer(wanted));
      await this.#bringAll();
      const host = this.#hosts.find((one) => one.fault !== undefined);
      const fault = this.#layers.find((one) => one.fault !== undefined)?.fault ?? host?.fault;
      this.#end(this.#stop.signal.aborted ? stopped() : fault);
    } catch (error) {
      this.#end(this.#stop.signal.aborted ? stopped() : Fault.of(error));
    }
  }

  get view(): PreheatView {
    const lengths = this.#layers.map((layer) => layer.length);
    const known = lengths.length > 0 && lengths.every((length) => length !== null);
    return {
      id: this.id,
      ...this.#shown,
      state: this.#state,
      createdAt: new Date(this.createdAt).toISOString(),
      ...(this.#finishedAt === undefined ? {} : { finishedAt: new Date(this.#finishedAt).toISOString() }),
      length: known ? lengths.reduce<number>((sum, length) => sum + (length ?? 0), 0) : null,
      done: this.#layers.reduce((sum, layer) => sum + layer.done, 0),
      layers: this.#layers.map((layer) => layer.view),
      hosts: this.#hosts.map((host) => host.view),
      ...(this.#fault === undefined ? {} : { fault: this.#fault.toValue() }),
    };
  }

  async #bringAll(): Promise<void> {
    const next = this.#layers.values();
    const deliveries: Promise<void>[] = [];
    const worker = async (): Promise<void> => {
      for (const layer of next) await this.#bring(layer, deliveries);
    };
    await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, worker));
    await Promise.all(deliveries);
  }

  /** Into the cache; what goes on to hosts goes on by itself, so that a slow host does not keep the next layer waiting. */
  async #bring(layer: Layer, deliveries: Promise<void>[]): Promise<void> {
    const { signal } = this.#stop;
    layer.begin();
    try {
      if (signal.aborted) throw stopped();
      const spec = await layer.wanted.spec();
      const { entry } = await this.#parts.open(layer.wanted.task, spec);
      layer.opened(entry);
      for (const host of this.#hosts) deliveries.push(this.#deliver(host, entry, spec));
      await settled(entry, signal);
      layer.end(entry.fault);
    } catch (error) {
      layer.end(Fault.of(error));
    }
  }

  async #deliver(progress: HostProgress, entry: Entry, spec: TaskSpec): Promise<void> {
    const { host } = progress;
    const { signal } = this.#stop;
    const onProgress = (done: number): void => progress.reached(entry.id, done);
    try {
      await this.#parts.fetch({ host, entry, spec, signal, onProgress });
      progress.layerEnded(entry.id, entry.shape.length, undefined);
    } catch (error) {
      progress.layerEnded(entry.id, null, Fault.of(error));
    }
  }

  #end(fault: Fault | undefined): void {
    if (this.over) return;
    this.#finishedAt = this.#parts.wall();
    this.#request = undefined;
    this.#fault = fault;
    this.#state = fault === undefined ? 'done' : fault.code === 'cancelled' ? 'stopped' : 'failed';
    for (const host of this.#hosts) host.end(this.#state);
    this.#finished.resolve();
  }
}

function stopped(): Fault {
  return new Fault('cancelled', 'the preheat was stopped');
}

/** A stopped preheat does not wait; what it began to read others may want. */
async function settled(entry: Entry, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(stopped());
  signal.addEventListener('abort', abort);
  try {
    await Promise.race([entry.whenSettled(), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
