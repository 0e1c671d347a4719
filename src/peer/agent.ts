/**
 * The engine of one host: one store, one piece server, one memory budget, one queue of rates each way, one session per supernode,
 * and the downloads that share them. Invariant: at most one running download per task.
 */
import type { Clock } from '../base/clock.ts';
import { BufferPool } from '../io/buffers.ts';
import { taskIdOf } from '../io/hash.ts';
import { localAddressTowards } from '../io/local-address.ts';
import type { Log } from '../io/log.ts';
import { PieceClient } from '../io/piece-client.ts';
import { PieceServer } from '../io/piece-server.ts';
import { Fault } from '../protocol/faults.ts';
import type { HostDescription } from '../protocol/host.ts';
import { taskIdentity } from '../protocol/identity.ts';
import type { ContentId, PieceIndex, TaskId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import type { Manifest } from '../protocol/task.ts';
import { createSources } from '../source/sources.ts';
import { servable } from '../store/serving.ts';
import type { ContentStore, StoredContent } from '../store/store.ts';
import { Bandwidth, type BandwidthLimits } from './bandwidth.ts';
import { CheckedDigests } from './check-whole.ts';
import { DownloadCore } from './download.ts';
import { DownloadHandle } from './download-handle.ts';
import type { Download, DownloadRequest, Engine } from './engine.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Node } from './node-list.ts';

import { Proofs } from './proofs.ts';
import { ENGINE_DEFAULTS, type EngineSettings } from './settings.ts';
import type { SupernodeLink } from './supernode-link.ts';
import { Supernodes } from './supernodes.ts';
import { ToldFetches } from './told-fetches.ts';
import { Vouches } from './vouches.ts';

export type SupernodeView = {
  readonly place: string;
  readonly up: boolean;
  /** For how long the session stands. */
  readonly upMillis?: number;
  /** It is up, and nothing much was held against it lately: new downloads go to the first such one of their order. */
  readonly healthy: boolean;
  /** Faults that this host saw of it, halved every 30 s. */
  readonly points: number;
  /** Why it is down. */
  readonly why?: string;
};

export type AgentEngine = Engine & {
  /** Of the piece server. */
  readonly port: number;
  /** Downloads that run, and those over that somebody still holds. */
  readonly busy: number;
  readonly supernodes: readonly SupernodeView[];
  readonly bytesServed: number;
  limits: BandwidthLimits;
  /** The contents on disk, for those who look after them; what they remove, tell it with `evicted`. */
  readonly store: ContentStore;
  /** Contents that the store dropped as a whole. */
  evicted(content: ContentId): void;
  /** A user wants it gone from this host; running downloads keep what they have of it. */
  remove(content: ContentId): Promise<void>;
};

/** What the engine does not make itself. It closes the store. */
export type EngineDoors = {
  readonly store: ContentStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly sources?: EngineParts['sources'] & { close(): Promise<void> };
};

/** Resolves when the piece server listens. Faults: usage, port-in-use. */
export async function startEngine(settings: EngineSettings, doors: EngineDoors): Promise<AgentEngine> {
  const engine = new HostEngine(settings, doors);
  try {
    await engine.start();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class HostEngine implements AgentEngine {
  readonly #settings: EngineSettings;
  readonly #doors: EngineDoors;
  readonly #parts: EngineParts;
  readonly #supernodes: Supernodes;
  readonly #bandwidth: Bandwidth;
  readonly #server: PieceServer;
  readonly #sources: NonNullable<EngineDoors['sources']>;
  readonly #running = new Map<TaskId, DownloadCore>();
  /** Askers of each download. */
  readonly #askers = new Map<DownloadCore, number>();
  readonly #told = new ToldFetches({ open: (request) => this.open(request) });
  readonly #watched = new WeakSet<StoredContent>();
  /** Contents that were taken with the pattern `cdn`: not given on. */
  readonly #unserved = new Set<ContentId>();
  #port = 0;
  #closed = false;

  constructor(settings: EngineSettings, doors: EngineDoors) {
    const { clock, log, random } = doors;
    this.#settings = settings;
    this.#doors = doors;
    this.#sources = doors.sources ?? createSources({ wallNow: () => clock.wall(), connections: 1 });
    this.#bandwidth = new Bandwidth({ down: settings.downBytesPerSecond, up: settings.upBytesPerSecond }, clock);
    this.#server = new PieceServer({
      locate: (id) => this.#locate(id),
      slots: settings.uploadSlots ?? ENGINE_DEFAULTS.uploadSlots,
      queueLimit: ENGINE_DEFAULTS.uploadQueue,
      pace: (content) => this.#bandwidth.giving(content),
      log,
    });
    this.#supernodes = new Supernodes({
      nodes: settings.nodes,
      clock,
      log,
      random,
      token: settings.token,
      connectTimeoutMs: ENGINE_DEFAULTS.connectTimeoutMs,
      backoff: ENGINE_DEFAULTS.reconnect,
      describe: (node) => this.#describe(node),
      contents: () => this.#announced(),
      onStray: (message, link) => this.#stray(message, link),
    });
    this.#parts = this.#makeParts();
  }

  get port(): number {
    return this.#port;
  }

  get busy(): number {
    return this.#askers.size;
  }

  get store(): ContentStore {
    return this.#doors.store;
  }

  get supernodes() {
    const { now } = this.#supernodes;
    return this.#supernodes.links.map(({ place, up, upAt, fault, health }) => ({
      place,
      up,
      ...(up ? { upMillis: Math.round(now - upAt) } : {}),
      healthy: up && health.healthy(now),
      points: Math.round(health.points(now) * 100) / 100,
      ...(fault === undefined ? {} : { why: fault.message }),
    }));
  }

  get bytesServed(): number {
    return this.#server.load.bytesSent;
  }

  get limits(): BandwidthLimits {
    return this.#bandwidth.totals;
  }

  set limits(limits: BandwidthLimits) {
    this.#bandwidth.totals = limits;
  }

  async start(): Promise<void> {
    const { listenHost, port } = this.#settings;
    for (const content of this.#doors.store.list()) this.#watch(content);
    this.#port = await this.#server.listen(listenHost ?? ENGINE_DEFAULTS.listenHost, port ?? 0);
    this.#supernodes.start();
  }

  open(request: DownloadRequest): Download {
    if (this.#closed) throw new Fault('cancelled', 'the agent stops');
    const task = taskIdOf(taskIdentity(request.spec));
    const running = this.#running.get(task);
    if (running !== undefined && !running.over) {
      if (request.only === undefined) running.wantWhole();
      return this.#handle(running);
    }
    const core = new DownloadCore(this.#parts, task, request);
    this.#running.set(task, core);
    if (request.pattern === 'cdn')
      core.opened.then(
        ({ content }) => this.#unserved.add(content),
        () => undefined,
      );
    const handle = this.#handle(core);
    const over = () => {
      if (this.#running.get(task) === core) this.#running.delete(task);
      if (core.content !== undefined) this.#tellWhatIsGiven(core.content);
    };
    core.finished.then(over, over);
    core.start();
    return handle;
  }

  /** Contents that the store dropped as a whole. */
  evicted(content: ContentId): void {
    this.#unserved.delete(content);
    this.#parts.vouches.drop(content);
    this.#withdraw(content);
  }

  async remove(content: ContentId): Promise<void> {
    await this.#doors.store.remove(content);
    this.evicted(content);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const fault = new Fault('cancelled', 'the agent stops');
    this.#told.close();
    for (const core of this.#askers.keys()) core.stop(fault);
    this.#supernodes.close(fault);
    this.#parts.client.close();
    await this.#server.close();
    for (const core of this.#askers.keys()) core.letGo();
    await this.#doors.store.close();
    await this.#sources.close();
  }

  #makeParts(): EngineParts {
    const { store, clock, log, random } = this.#doors;
    return {
      store,
      clock,
      log,
      random,
      host: this.#settings.id,
      client: new PieceClient({
        maxConnectionsPerParent: ENGINE_DEFAULTS.connectionsPerParent,
        connectTimeoutMs: ENGINE_DEFAULTS.connectTimeoutMs,
      }),
      pool: new BufferPool({ budgetBytes: this.#settings.memoryBytes ?? ENGINE_DEFAULTS.memoryBytes }),
      bandwidth: this.#bandwidth,
      supernodes: this.#supernodes,
      sources: this.#sources,
      checked: new CheckedDigests(),
      vouches: new Vouches(),
      transferLimits: this.#settings.transferLimits,
      watch: (content) => this.#watch(content),
    };
  }

  #handle(core: DownloadCore): Download {
    this.#askers.set(core, (this.#askers.get(core) ?? 0) + 1);
    return new DownloadHandle(core, () => {
      const left = (this.#askers.get(core) ?? 1) - 1;
      if (left > 0) this.#askers.set(core, left);
      else {
        this.#askers.delete(core);
        if (!core.over) core.stop(new Fault('cancelled', 'nobody wants it any more'));
        core.letGo();
      }
    });
  }

  #locate(id: ContentId) {
    if (!this.#settings.uploads || this.#unserved.has(id)) return undefined;
    const content = this.#doors.store.find(id);
    return content === undefined ? undefined : servable(content, (from) => this.#parts.vouches.since(id, from));
  }

  /** A download of it has ended. */
  #tellWhatIsGiven(content: StoredContent): void {
    if (this.#unserved.has(content.id)) this.#withdraw(content.id);
    // A tiny one was never on disk; another one may have been removed at once.
    else if (this.#doors.store.find(content.id) === content) this.#supernodes.tellHeld(content);
  }

  /** Nobody is to be sent here for it. */
  #withdraw(content: ContentId): void {
    for (const link of this.#supernodes.links) link.send({ type: 'lost', content, pieces: 'all' });
  }

  /** What a supernode may send others here for. */
  #announced(): readonly StoredContent[] {
    return this.#doors.store.list().filter((content) => !this.#unserved.has(content.id));
  }

  #watch(content: StoredContent): void {
    if (this.#watched.has(content)) return;
    this.#watched.add(content);
    content.onLost((pieces) => this.#lost(content, pieces));
  }

  #lost(content: StoredContent, pieces: readonly PieceIndex[]): void {
    this.#doors.log.warn({ content: content.id, pieces: pieces.length }, 'pieces on disk were changed from outside');
    this.#parts.checked.forget(content);
    const cores = [...this.#askers.keys()].filter((core) => core.content === content && !core.over);
    this.#supernodes.tellLost(content, pieces, cores[0]?.link);
    for (const core of cores) core.lost(pieces);
  }

  /** What no download waits for. */
  #stray(message: SupernodeMessage, link: SupernodeLink): void {
    if (message.type === 'fetch' || message.type === 'stop-fetch') this.#told.take(message, link);
    if (message.type === 'manifest') this.#keepManifest(message.manifest);
    if (message.type !== 'ask-manifest') return;
    const manifest = this.#doors.store.find(message.content)?.meta.manifest;
    if (manifest !== undefined) link.send({ type: 'manifest', manifest });
  }

  /** It came when the download was over already: the next supernode may ask for it, once it knows that it is here. */
  #keepManifest(manifest: Manifest): void {
    const { store, log } = this.#doors;
    const content = store.find(manifest.content);
    if (content === undefined || content.meta.manifest !== undefined) return;
    const unusable = (error: unknown) => log.warn({ error, content: content.id }, 'a manifest could not be kept');
    try {
      new Proofs().learn(manifest);
      content.annotate({ manifest }).then(() => this.#supernodes.tellHeld(content), unusable);
    } catch (error) {
      unusable(error);
    }
  }

  async #describe(node: Node): Promise<HostDescription> {
    const { id, name, ip, site, version, uploads, upBytesPerSecond, downBytesPerSecond } = this.#settings;
    return {
      id,
      name,
      ip: ip ?? (await localAddressTowards(node.host, node.port)),
      port: this.#port,
      site,
      version,
      uploads,
      ...(upBytesPerSecond === undefined ? {} : { upBytesPerSecond }),
      ...(downBytesPerSecond === undefined ? {} : { downBytesPerSecond }),
    };
  }
}
