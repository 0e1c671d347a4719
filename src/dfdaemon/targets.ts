/**
 * Where dfdaemon may connect to for its clients. A name is judged by its text before it is resolved and by every address
 * that it resolves to, at the moment of connecting: a name that changes its address gains nothing.
 */

import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { LRUCache } from 'lru-cache';
import { Fault } from '../protocol/faults.ts';

export type TargetSettings = {
  /** Expressions on the host's name; empty = every host. */
  readonly hosts: readonly RegExp[];
  /** Empty = every port. */
  readonly ports: readonly number[];
  /** Addresses or networks that are allowed although they are link-local, metadata or of this machine. */
  readonly addresses: readonly string[];
  /** Of this process: it never connects to itself. */
  readonly own: { port: number; readonly addresses: readonly string[] };
};

/** Where the client is: who comes from elsewhere must not reach what listens on this machine's loopback alone. */
export type Origin = 'loopback' | 'elsewhere';

const NETWORK = /^(.+)\/(\d{1,3})$/;
/** Link-local, cloud metadata, "this network", multicast. */
const NEVER = [
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::254',
  '100.100.100.200',
  '192.0.0.192',
  '0.0.0.0/8',
  '::',
  '224.0.0.0/3',
  'ff00::/8',
];
const MAX_REMEMBERED = 1_000;
const REMEMBER_MS = 5_000;
const LOOPBACK = ['127.0.0.0/8', '::1'];

export class Targets {
  readonly #settings: TargetSettings;
  readonly #never = addressList(NEVER);
  readonly #loopback = addressList(LOOPBACK);
  readonly #allowed: BlockList;
  /** Names that were found to be allowed a moment ago; a connection of ours is judged anew all the same. */
  readonly #right = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: REMEMBER_MS });

  constructor(settings: TargetSettings) {
    this.#settings = settings;
    this.#allowed = addressList(settings.addresses);
  }

  /** Throws Fault usage for a host or port that is not on the list. `host` as in a URL. */
  checkName(host: string, port: number): void {
    const { hosts, ports } = this.#settings;
    const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
    if (hosts.length > 0 && !hosts.some((pattern) => pattern.test(name)))
      throw new Fault('usage', `the host ${name} is not on the list of targets`);
    if (ports.length > 0 && !ports.includes(port))
      throw new Fault('usage', `port ${port} is not on the list of targets`);
  }

  /** Throws Fault usage. */
  checkAddress(address: string, port: number, origin: Origin): void {
    const { own } = this.#settings;
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const local = this.#loopback.check(address, family);
    if (port === own.port && (local || own.addresses.includes(address)))
      throw new Fault('usage', 'dfdaemon does not proxy to itself');
    if (this.#allowed.check(address, family)) return;
    if (this.#never.check(address, family) || (local && origin === 'elsewhere'))
      throw new Fault('usage', `the address ${address} is not allowed as a target`);
  }

  /** For connections: every address is checked before it is used. */
  lookupFor(port: number, origin: Origin): LookupFunction {
    return (hostname, options, callback) => {
      lookup(hostname, { ...options, all: true }, (error, found) => {
        if (error !== null) return callback(error, '', 0);
        try {
          for (const { address } of found) this.checkAddress(address, port, origin);
        } catch (refusal) {
          return callback(refusal as NodeJS.ErrnoException, '', 0);
        }
        if (options.all === true) return callback(null, found);
        callback(null, found[0]?.address ?? '', found[0]?.family ?? 0);
      });
    };
  }

  /** The checks that a connection would make, before others connect in our place. Faults: usage, source-unreachable. */
  async check(url: URL, origin: Origin): Promise<void> {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = portOf(url);
    this.checkName(host, port);
    if (isIP(host) !== 0) {
      this.checkAddress(host, port, origin);
      return;
    }
    const key = `${host}:${port} ${origin}`;
    if (this.#right.has(key)) return;
    await new Promise<void>((resolve, reject) => {
      this.lookupFor(port, origin)(host, { all: true }, (error) => {
        // A name that is unknown here may be known to the supernode; nobody of this host connects to it.
        if (error instanceof Fault) reject(error);
        else resolve();
      });
    });
    this.#right.set(key, true);
  }
}

export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

/** Addresses and networks (`10.0.0.0/8`). Fault usage for what is neither. */
export function addressList(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [, base = text, bits] = NETWORK.exec(text) ?? [];
    const version = isIP(base);
    const family = version === 6 ? 'ipv6' : 'ipv4';
    const most = version === 6 ? 128 : 32;
    if (version === 0 || Number(bits ?? 0) > most) throw new Fault('usage', `${text} is no address and no network`);
    if (bits === undefined) list.addAddress(base, family);
    else list.addSubnet(base, Number(bits), family);
  }
  return list;
}
