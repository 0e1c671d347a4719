/** A dfdaemon in the test's own process, with a home of its own and a registry behind it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Log, silentLog } from '../io/log.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { FakeRegistry } from './registry.fixture.ts';
import { readCommandLine, readSettings } from './settings.ts';

export type Answer = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly lines: readonly string[];
  readonly body: Buffer;
  readonly trailers: readonly string[];
  readonly whole: boolean;
};

export class World {
  readonly registry: FakeRegistry;
  readonly folder: string;
  daemon: Daemon;

  private constructor(registry: FakeRegistry, folder: string, daemon: Daemon) {
    this.registry = registry;
    this.folder = folder;
    this.daemon = daemon;
  }

  /** `settings` go as they would in the environment. No supernode answers at the default node. */
  static async start(
    settings: Readonly<Record<string, unknown>> = {},
    shared?: FakeRegistry,
    log: Log = silentLog,
  ): Promise<World> {
    const registry = shared ?? (await new FakeRegistry().start());
    const folder = mkdtempSync(join(tmpdir(), 'dfd-'));
    return new World(registry, folder, await daemonFor({ registry, folder, settings, log }));
  }

  async close(): Promise<void> {
    await this.daemon.stop();
    await this.registry.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get(path: string, headers: RequestOptions['headers'] = {}, method = 'GET'): Promise<Answer> {
    return ask({ host: '127.0.0.1', port: this.daemon.port, path, headers, method });
  }
}

type Parts = {
  readonly registry: FakeRegistry;
  readonly folder: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly log: Log;
};

async function daemonFor({ registry, folder, settings, log }: Parts): Promise<Daemon> {
  const env: Record<string, string> = {
    DFDAEMON_REGISTRY_MIRROR: JSON.stringify({ remote: `http://${registry.host}` }),
    DFDAEMON_WORK_HOME: join(folder, 'home'),
    DFDAEMON_SUPERNODES: '127.0.0.1:1',
    DFDAEMON_PORT: '0',
    DFDAEMON_LOCAL_IP: '127.0.0.1',
  };
  for (const [name, value] of Object.entries(settings))
    env[`DFDAEMON_${name}`] = typeof value === 'string' ? value : JSON.stringify(value);
  const { values } = readSettings(readCommandLine([]), env);
  return await startDaemon(values, { log, version: 'test' });
}

/** The world of one test, which ends with it. */
export async function started(settings?: Readonly<Record<string, unknown>>) {
  const world = await World.start(settings);
  onTestFinished(() => world.close());
  return { world, registry: world.registry, daemon: world.daemon, get: world.get.bind(world) };
}

/** Waits for the end of the answer, whole or cut. */
export async function ask(
  options: RequestOptions,
  body?: readonly Buffer[],
  trailers?: readonly [string, string][],
): Promise<Answer> {
  const sent = httpRequest(options.createConnection === undefined ? { agent: false, ...options } : options);
  for (const part of body ?? []) sent.write(part);
  if (trailers !== undefined) sent.addTrailers(trailers);
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  await new Promise<void>((done) => {
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('error', () => undefined);
    answer.once('close', done);
  });
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    lines: answer.rawHeaders,
    body: Buffer.concat(parts),
    trailers: answer.rawTrailers,
    whole: answer.complete,
  };
}
