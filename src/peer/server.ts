/**
 * The resident agent of a home: the engine with its store and its socket, from start to a clean end. It is ready when its
 * socket answers. One per home: the store's lock sees to that.
 */
import { LockFile } from '../io/lock-file.ts';
import { createLog, type Log } from '../io/log.ts';
import { systemClock } from '../io/system-clock.ts';
import { hostName, machineName } from '../io/this-host.ts';
import { Fault } from '../protocol/faults.ts';
import { openDiskStore } from '../store/disk-store.ts';
import { type AgentEngine, startEngine } from './agent.ts';
import { agentApi } from './agent-api.ts';
import { type Home, homeAt, hostIdOf } from './home.ts';
import type { AgentSettings, EngineSettings } from './settings.ts';

export type Agent = {
  readonly engine: AgentEngine;
  /** Resolves when it has ended. */
  readonly stopped: Promise<void>;
  /** Ends downloads, serving and socket; what is held stays on disk. */
  stop(): Promise<void>;
};

/** Longest time between two looks at idleness. Milliseconds. */
const LOOK_MS = 60_000;
/** Longest time between two looks at the disk. Milliseconds. */
const DISK_LOOK_MS = 15_000;
const LEAST_LOOK_MS = 1_000;

/** Runs until it is stopped by SIGTERM, SIGINT, POST /v1/stop or its idleness. Faults of the start. */
export async function runAgent(settings: AgentSettings): Promise<void> {
  const agent = await startAgent(settings);
  const stop = () => void agent.stop();
  const reload = () => void reloadLimit(agent.engine, settings);
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload);
  try {
    await agent.stopped;
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload);
  }
}

/** Faults: usage, port-in-use, local-io (also when another agent runs in this home), store-version. */
export async function startAgent(settings: AgentSettings): Promise<Agent> {
  const home = homeAt(settings.home);
  const id = await hostIdOf(home);
  const log = createLog({
    program: 'dfget',
    level: settings.verbose ? 'debug' : 'info',
    file: home.log,
    console: settings.console ?? false,
  });
  const site = { idc: '', location: '', machine: await machineName(), ...settings.site };
  const engine = await openEngine(settings, { id, site, home, log });
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  const { version } = settings;
  const api = agentApi({
    engine,
    clock: systemClock,
    log,
    home: home.folder,
    version,
    defaults: settings,
    onStop: stop,
  });
  const timers = [watchIdleness(engine, settings.aliveMs, stop), watchHome(engine, { home, log }, settings.expireMs)];
  const end = async () => {
    for (const timer of timers) clearInterval(timer);
    log.info({}, 'the agent stops');
    // First of all: who comes now waits for the store and starts the next one, whose socket must not be mistaken for this one's.
    api.stopListening();
    await engine.close();
    await api.close();
    stopped.resolve();
  };
  try {
    await api.listenOnSocket(home.socket);
  } catch (error) {
    for (const timer of timers) clearInterval(timer);
    await engine.close();
    throw error;
  }
  log.info({ home: home.folder, port: engine.port, id }, 'the agent is ready');
  return { engine, stopped: stopped.promise, stop };
}

type Identity = Pick<EngineSettings, 'id' | 'site'> & { readonly home: Home; readonly log: Log };

async function openEngine(settings: AgentSettings, { id, site, home, log }: Identity): Promise<AgentEngine> {
  const { nodes, version, ip, port, totalLimit, memoryBytes, token, marks } = settings;
  let engine: AgentEngine | undefined;
  const store = await openDiskStore({
    root: home.store,
    clock: systemClock,
    ...(marks === undefined ? {} : { marks }),
    onEvicted: (content) => engine?.evicted(content),
    onError: (fault) => log.error({ error: fault }, 'trouble with the store'),
  });
  try {
    engine = await startEngine(
      {
        ...{ id, site, nodes, version, name: hostName(), uploads: true },
        ...(ip === undefined ? {} : { ip }),
        ...(port === undefined ? {} : { port }),
        ...(totalLimit === undefined ? {} : { downBytesPerSecond: totalLimit, upBytesPerSecond: totalLimit }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
        ...(token === undefined ? {} : { token }),
      },
      { store, clock: systemClock, log, random: Math.random },
    );
    return engine;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Ends an agent that neither took nor gave anything for so long. */
function watchIdleness(engine: AgentEngine, aliveMs: number | undefined, stop: () => void): NodeJS.Timeout | undefined {
  if (aliveMs === undefined || !(aliveMs > 0)) return undefined;
  let busyAt = systemClock.now();
  let served = 0;
  const look = () => {
    const now = systemClock.now();
    if (engine.busy > 0 || engine.bytesServed !== served) busyAt = now;
    served = engine.bytesServed;
    if (now - busyAt >= aliveMs) stop();
  };
  return setInterval(look, lookMs(aliveMs));
}

/** Keeps the store within its marks, and drops what expired; also the lock of a dfget that died while it started an agent. */
function watchHome(
  engine: AgentEngine,
  { home, log }: { readonly home: Home; readonly log: Log },
  expireMs: number | undefined,
): NodeJS.Timeout {
  const more: { readonly expireMs?: number } = expireMs !== undefined && expireMs > 0 ? { expireMs } : {};
  const look = () => {
    LockFile.sweep(home.starting);
    engine.store.keep(more).then(
      (gone) => {
        if (gone.length > 0) log.info({ contents: gone.length }, 'contents that were not in use made room');
      },
      (error: unknown) => log.error({ error }, 'the disk could not be looked at'),
    );
  };
  const { expireMs: expiry = DISK_LOOK_MS * 4 } = more;
  return setInterval(look, Math.min(DISK_LOOK_MS, lookMs(expiry)));
}

function lookMs(periodMs: number): number {
  return Math.min(LOOK_MS, Math.max(LEAST_LOOK_MS, periodMs / 4));
}

async function reloadLimit(engine: AgentEngine, settings: AgentSettings): Promise<void> {
  if (settings.reloadLimit === undefined) return;
  try {
    const limit = await settings.reloadLimit();
    engine.limits = { down: limit, up: limit };
  } catch (error) {
    // The limits stay as they are: a spoilt file must not open the line.
    process.emitWarning(`the limits were not reloaded: ${Fault.of(error).message}`);
  }
}
