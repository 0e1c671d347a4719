/**
 * The one door to the Redis client library: one connection of the three kinds behind one face. Loaded when a cluster is
 * configured, and not before. Invariant: it never throws outside of its promises, and after `destroy` it holds no socket.
 */
import type { RedisClientOptions } from '@redis/client';
import { readSmall } from '../../io/disk.ts';
import { Fault } from '../../protocol/faults.ts';
import { FILE_OPTIONS, type FileOption, type RedisPlace } from './redis-place.ts';

export type RedisReply = Buffer | string | number | null | readonly RedisReply[];

export type RedisConnection = {
  connect(): Promise<void>;
  /** `key` says which node of a Redis Cluster it is for. */
  send(key: string, args: readonly (string | Buffer)[], timeoutMs: number): Promise<RedisReply>;
  destroy(): void;
};

export type RedisTimes = { readonly connectTimeoutMs: number; readonly retryMs: (attempt: number) => number };

type Secrets = Partial<Record<FileOption, string>>;
type Options = RedisClientOptions & { readonly socket: NonNullable<RedisClientOptions['socket']> };

/** Faults: usage when a file that the setting names is not there. */
export async function createRedisConnection(
  place: RedisPlace,
  times: RedisTimes,
  onError: (error: Error) => void,
): Promise<RedisConnection> {
  const secrets = await secretsOf(place);
  const { RESP_TYPES } = await import('@redis/client');
  const asBytes = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } as const;
  switch (place.mode) {
    case 'single':
      return single(place, optionsOf(place, secrets, times), { asBytes, onError });
    case 'sentinel':
      return sentinel(place, secrets, { asBytes, onError, times });
    case 'cluster':
      return cluster(place, optionsOf(place, secrets, times), { asBytes, onError });
  }
}

type Told = { readonly asBytes: object; readonly onError: (error: Error) => void };

async function single(place: RedisPlace, options: Options, { asBytes, onError }: Told): Promise<RedisConnection> {
  const { createClient } = await import('@redis/client');
  const client = createClient({ ...options, socket: { ...options.socket, ...place.nodes[0] } as Options['socket'] });
  client.on('error', onError);
  return {
    connect: async () => void (await client.connect()),
    send: (_key, args, timeout) => client.sendCommand<RedisReply>(args, { ...asBytes, timeout }),
    destroy: () => quietly(() => client.destroy()),
  };
}

async function sentinel(
  place: RedisPlace,
  secrets: Secrets,
  { asBytes, onError, times }: Told & { readonly times: RedisTimes },
): Promise<RedisConnection> {
  const { createSentinel } = await import('@redis/client');
  const { username: _user, password: _password, database: _db, ...plain } = optionsOf(place, secrets, times);
  const { sentinelUser } = place;
  const { sentinelPasswordFile } = secrets;
  const client = createSentinel({
    name: place.master ?? '',
    sentinelRootNodes: [...place.nodes],
    scanInterval: SENTINEL_SCAN_MS,
    passthroughClientErrorEvents: true,
    nodeClientOptions: optionsOf(place, secrets, times) as never,
    sentinelClientOptions: {
      ...plain,
      ...(sentinelUser === undefined ? {} : { username: sentinelUser }),
      ...(sentinelPasswordFile === undefined ? {} : { password: sentinelPasswordFile }),
    } as never,
  });
  client.on('error', onError);
  return {
    connect: async () => void (await client.connect()),
    send: (_key, args, timeout) => client.sendCommand<RedisReply>(false, [...args], { ...asBytes, timeout }),
    destroy: () => quietly(() => client.destroy()),
  };
}

async function cluster(place: RedisPlace, options: Options, { asBytes, onError }: Told): Promise<RedisConnection> {
  const { createCluster } = await import('@redis/client');
  const { database: _db, ...defaults } = options;
  const client = createCluster({
    rootNodes: place.nodes.map((node) => ({ socket: node })),
    defaults: defaults as never,
    // All keys have one slot: one node is enough.
    minimizeConnections: true,
  });
  client.on('error', onError);
  client.on('node-error', onError);
  return {
    connect: async () => void (await client.connect()),
    send: (key, args, timeout) => client.sendCommand<RedisReply>(key, false, [...args], { ...asBytes, timeout }),
    destroy: () => quietly(() => client.destroy()),
  };
}

/** How often the sentinels are asked who the master is, where they did not say it by themselves. */
const SENTINEL_SCAN_MS = 2_000;

function optionsOf(place: RedisPlace, secrets: Secrets, times: RedisTimes): Options {
  const { username, db, tls, serverName } = place;
  const password = secrets.passwordFile ?? place.password;
  const { ca, cert, key } = secrets;
  const names = serverName === undefined ? {} : { servername: serverName };
  const pems = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), ...names };
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(db === 0 ? {} : { database: db }),
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: QUEUE_LENGTH,
    socket: {
      connectTimeout: times.connectTimeoutMs,
      reconnectStrategy: times.retryMs,
      ...(tls ? { tls: true as const, ...pems } : {}),
    },
  };
}

/** Commands of one connection that wait for their answers. */
const QUEUE_LENGTH = 4_096;

async function secretsOf(place: RedisPlace): Promise<Secrets> {
  const secrets: Secrets = {};
  for (const option of FILE_OPTIONS) {
    const file = place.files[option];
    if (file === undefined) continue;
    const bytes = await readSmall(file);
    if (bytes === undefined) throw new Fault('usage', `cluster: there is no ${file}; the option ${option} names it`);
    secrets[option] =
      option.endsWith('PasswordFile') || option === 'passwordFile' ? bytes.toString().trim() : bytes.toString();
  }
  return secrets;
}

/** One that never stood, or is closed already, may say so; there is nothing left to do about it. */
function quietly(work: () => unknown): void {
  try {
    const done = work();
    if (done instanceof Promise) done.catch(() => undefined);
  } catch {
    // As above.
  }
}
