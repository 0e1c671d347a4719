/**
 * Certificates by server name, ready for a handshake. Most clients open a connection per request, so the second
 * handshake for a name must cost nothing: a leaf is written once however many wait for it, kept until it nears its
 * end, and the map is bounded, because clients choose the names.
 */
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { systemClock } from '../../io/system-clock.ts';
import { Fault } from '../../protocol/faults.ts';
import type { Authority } from './authority.ts';
import { type KeyPair, keyPem, newKeyPair, writeLeaf } from './x509.ts';

const MAX_LEAVES = 1000;
const LEAF_VALID_MS = 7 * 86_400_000;
/** A leaf is renewed when less than this share of its life is left. */
const RENEWED_AT = 0.25;
const MAX_NAME_LENGTH = 253;
const HOST_NAME = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/;

export type LeafCacheOptions = {
  readonly maxLeaves?: number;
  readonly leafValidMs?: number;
  readonly clock?: Clock;
};

type Leaf = { readonly context: SecureContext; readonly renewAt: number };
type Keys = { readonly pair: KeyPair; readonly pem: string };

export class LeafCache {
  readonly #authority: Authority;
  readonly #leaves: LRUCache<string, Leaf>;
  readonly #writing = new SingleFlight<string, SecureContext>();
  readonly #validMs: number;
  readonly #clock: Clock;
  /** One key serves all leaves of this process: making it costs more than signing. */
  #keys: Promise<Keys> | undefined;

  constructor(authority: Authority, options: LeafCacheOptions = {}) {
    this.#authority = authority;
    this.#leaves = new LRUCache({ max: options.maxLeaves ?? MAX_LEAVES });
    this.#validMs = options.leafValidMs ?? LEAF_VALID_MS;
    this.#clock = options.clock ?? systemClock;
  }

  get size(): number {
    return this.#leaves.size;
  }

  /** `serverName` is a host name or an address, without a port. Fault usage when it is neither. */
  async secureContextFor(serverName: string): Promise<SecureContext> {
    const name = this.#authority.type === 'fixed' ? '' : canonicalName(serverName);
    const leaf = this.#leaves.get(name);
    if (leaf !== undefined && this.#clock.wall() < leaf.renewAt) return leaf.context;
    return this.#writing.do(name, () => this.#write(name));
  }

  async #write(name: string): Promise<SecureContext> {
    const authority = this.#authority;
    if (authority.type === 'fixed') {
      const { certificates, key } = authority.pair;
      return this.#keep(name, createSecureContext({ cert: certificates, key }), Number.POSITIVE_INFINITY);
    }
    const now = this.#clock.wall();
    if (now >= authority.expiresAt)
      throw new Fault(
        'usage',
        'the authority for intercepted hosts has expired; make another one with "dfdaemon gen-ca"',
      );
    const until = Math.min(now + this.#validMs, authority.expiresAt);
    this.#keys ??= newKeys();
    const { pair, pem } = await this.#keys;
    const leaf = await writeLeaf(authority.signer, name, pair.publicKey, [now, until]);
    const context = createSecureContext({ cert: `${leaf}${authority.chain}`, key: pem });
    return this.#keep(name, context, now + (until - now) * (1 - RENEWED_AT));
  }

  #keep(name: string, context: SecureContext, renewAt: number): SecureContext {
    this.#leaves.set(name, { context, renewAt });
    return context;
  }
}

async function newKeys(): Promise<Keys> {
  const pair = await newKeyPair();
  return { pair, pem: await keyPem(pair.privateKey) };
}

/** The same certificate for every way to write a name. */
function canonicalName(serverName: string): string {
  const name = serverName
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
    .replace(/\.$/, '');
  if (isIP(name) === 0 && (name.length > MAX_NAME_LENGTH || !HOST_NAME.test(name)))
    throw new Fault(
      'usage',
      `no certificate is made for ${JSON.stringify(serverName.slice(0, 80))}: it is no host name`,
    );
  return name;
}
