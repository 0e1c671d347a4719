/**
 * Where the cluster's Redis is, read from one setting. Three forms, each with `rediss` in place of `redis` for TLS:
 *
 *     redis://[user[:password]@]host[:port][/db][?options]
 *     redis+sentinel://[user[:password]@]host[:port],host[:port]…/master[?options]
 *     redis+cluster://[user[:password]@]host[:port],host[:port]…[?options]
 *
 * `redis://` with several places is the third form too. Nothing here is ever logged: `shownRedis` is what may be.
 */
import { Fault } from '../../protocol/faults.ts';

export type RedisMode = 'single' | 'sentinel' | 'cluster';

export type RedisPlace = {
  readonly mode: RedisMode;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Number of the database; Redis Cluster has only 0. */
  readonly db: number;
  /** Sentinel's name of what it watches over. */
  readonly master?: string;
  readonly files: Readonly<Partial<Record<FileOption, string>>>;
  /** Of the sentinels themselves, where they want one. */
  readonly sentinelUser?: string;
  /** The name in the server's certificate, where it is not the host that is connected to. */
  readonly serverName?: string;
};

/** Options that name a file: a password, and PEM for TLS. Read again for each connection, so that they can be exchanged. */
export const FILE_OPTIONS = ['passwordFile', 'sentinelPasswordFile', 'ca', 'cert', 'key'] as const;
export type FileOption = (typeof FILE_OPTIONS)[number];

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const MAX_NODES = 64;
const MAX_DB = 65_535;
const FORM = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const OPTIONS: ReadonlySet<string> = new Set([...FILE_OPTIONS, 'db', 'sentinelUser', 'serverName']);

/** Throws Fault usage, which never holds the text: there may be a password in it. */
export function parseRedis(text: string): RedisPlace {
  const match = FORM.exec(text.trim());
  if (match === null)
    throw wrong('must be redis://host, redis+sentinel://host,host/master or redis+cluster://host,host');
  const [, scheme, kind, login, places = '', path = '', query = ''] = match;
  const names = places.split(',').filter((place) => place !== '');
  const mode: RedisMode = (kind as RedisMode | undefined) ?? (names.length > 1 ? 'cluster' : 'single');
  if (names.length === 0 || names.length > MAX_NODES) throw wrong(`names no place, or more than ${MAX_NODES}`);
  const options = optionsOf(query);
  const dbText = mode === 'single' && path !== '' ? path : options.get('db');
  if (mode === 'sentinel' && path === '') throw wrong('redis+sentinel:// needs the name of the master as its path');
  if (mode === 'cluster' && (path !== '' || (dbText ?? '0') !== '0')) throw wrong('Redis Cluster has database 0 alone');
  const [user, password] = loginOf(login);
  const sentinelUser = options.get('sentinelUser');
  const serverName = options.get('serverName');
  return {
    mode,
    nodes: names.map((name) => nodeOf(name, mode === 'sentinel' ? SENTINEL_PORT : REDIS_PORT)),
    tls: scheme === 'rediss',
    db: dbOf(dbText ?? '0'),
    files: Object.fromEntries(FILE_OPTIONS.flatMap((name) => entryOf(name, options.get(name)))),
    ...(user === '' ? {} : { username: user }),
    ...(password === '' ? {} : { password }),
    ...(mode === 'sentinel' ? { master: decoded(path) } : {}),
    ...(sentinelUser === undefined ? {} : { sentinelUser }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/** For people and logs: without user and password. */
export function shownRedis({ mode, nodes, tls, master }: RedisPlace): string {
  const scheme = `${tls ? 'rediss' : 'redis'}${mode === 'single' ? '' : `+${mode}`}`;
  const places = nodes.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`));
  return `${scheme}://${places.join(',')}${master === undefined ? '' : `/${master}`}`;
}

/** The setting as it may be printed. */
export function withoutPassword(text: string): string {
  return text.replace(/^(\w+(?:\+\w+)?:\/\/)[^@/?]*@/, '$1***@');
}

function nodeOf(text: string, defaultPort: number): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([0-9A-Za-z._-]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw wrong('a place must be host or host:port, an IPv6 address in brackets');
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) throw wrong('a port must be 1 to 65535');
  return { host: match[1] ?? match[2] ?? '', port };
}

function loginOf(login: string | undefined): readonly [user: string, password: string] {
  if (login === undefined) return ['', ''];
  const colon = login.indexOf(':');
  return colon < 0 ? [decoded(login), ''] : [decoded(login.slice(0, colon)), decoded(login.slice(colon + 1))];
}

function optionsOf(query: string): ReadonlyMap<string, string> {
  const options = new Map(new URLSearchParams(query));
  for (const name of options.keys()) {
    if (!OPTIONS.has(name)) throw wrong(`has the unknown option ${name}; known are ${[...OPTIONS].join(', ')}`);
  }
  return options;
}

function dbOf(text: string): number {
  const db = Number(text);
  if (!/^\d{1,5}$/.test(text) || db > MAX_DB) throw wrong('the number of the database must be 0 or more');
  return db;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('has a % that begins no character; write %25');
  }
}

function entryOf(name: string, value: string | undefined): readonly (readonly [string, string])[] {
  return value === undefined || value === '' ? [] : [[name, value]];
}

function wrong(what: string): Fault {
  return new Fault('usage', `cluster: ${what}`);
}
