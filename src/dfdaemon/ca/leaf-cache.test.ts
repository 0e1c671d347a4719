import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type SecureContext, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { type Authority, makeAuthority, type Pair, readAuthority } from './authority.ts';
import { LeafCache } from './leaf-cache.ts';

const DAY_MS = 86_400_000;
let pair: Pair;
let authority: Authority;
beforeAll(async () => {
  pair = await makeAuthority();
  authority = await readAuthority(pair, 'the test');
});

/** What a client that trusts `ca` alone makes of a server with this context: the leaf, or the handshake's error. */
async function handshake(context: SecureContext, serverName: string, ca: string): Promise<X509Certificate> {
  const server = createServer({ SNICallback: (_name, done) => done(null, context) }).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, ca, servername: serverName });
  try {
    await once(socket, 'secureConnect');
    const peer = socket.getPeerX509Certificate();
    if (peer === undefined) throw new Error('no certificate');
    return peer;
  } finally {
    socket.destroy();
    server.close();
  }
}

async function leafOf(cache: LeafCache, name: string): Promise<X509Certificate> {
  return handshake(await cache.secureContextFor(name), name, pair.certificates);
}

describe('a leaf', () => {
  test('is accepted for its name by a client that trusts the authority, and for no other name', async () => {
    const cache = new LeafCache(authority);
    const leaf = await leafOf(cache, 'registry.test');
    expect(leaf.subjectAltName).toBe('DNS:registry.test');
    expect(leaf.ca).toBe(false);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    const context = await cache.secureContextFor('registry.test');
    await expect(handshake(context, 'other.test', pair.certificates)).rejects.toThrow(/altnames|does not match/);
  });

  test('is not accepted by a client that trusts another authority', async () => {
    const stranger = await makeAuthority();
    const context = await new LeafCache(authority).secureContextFor('registry.test');
    await expect(handshake(context, 'registry.test', stranger.certificates)).rejects.toThrow(/certificate/);
  });

  test('is backdated and never outlives its authority', async () => {
    const short = await makeAuthority({ validMs: 2 * DAY_MS });
    const cache = new LeafCache(await readAuthority(short, 'the test'));
    const leaf = await handshake(await cache.secureContextFor('a.test'), 'a.test', short.certificates);
    expect(Date.parse(leaf.validFrom)).toBeLessThan(Date.now() - 60_000);
    expect(Date.parse(leaf.validTo)).toBeLessThanOrEqual(Date.parse(new X509Certificate(short.certificates).validTo));
  });

  test('has the address itself as its name where a client connects to an address', async () => {
    for (const [given, shown] of [
      ['127.0.0.9', 'IP Address:127.0.0.9'],
      ['[::1]', 'IP Address:0:0:0:0:0:0:0:1'],
    ] as const) {
      const context = await new LeafCache(authority).secureContextFor(given);
      expect((await handshake(context, 'any.test', pair.certificates).catch(certificateOf)).subjectAltName).toBe(shown);
    }
  });

  test('serves a name of 253 characters', async () => {
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    expect((await leafOf(new LeafCache(authority), long)).subjectAltName).toBe(`DNS:${long}`);
  });
});

/** The certificate in the error of a client that did not like its names. */
function certificateOf(error: { cert?: { raw: Buffer } }): X509Certificate {
  if (error.cert === undefined) throw error;
  return new X509Certificate(error.cert.raw);
}

describe('the cache', () => {
  test('writes one leaf however many wait for it, and one for all spellings of a name', async () => {
    const cache = new LeafCache(authority);
    const names = ['registry.test', 'Registry.TEST', 'registry.test.', 'registry.test'];
    const contexts = await Promise.all(names.map((name) => cache.secureContextFor(name)));
    expect(new Set(contexts).size).toBe(1);
    expect(await cache.secureContextFor('REGISTRY.test')).toBe(contexts[0]);
    expect(cache.size).toBe(1);
  });

  test('renews a leaf when a quarter of its life is left', async () => {
    const clock = new ManualClock(Date.now());
    const cache = new LeafCache(authority, { clock, leafValidMs: 4 * DAY_MS });
    const first = await cache.secureContextFor('a.test');
    clock.advance(3 * DAY_MS - 1);
    expect(await cache.secureContextFor('a.test')).toBe(first);
    clock.advance(1);
    expect(await cache.secureContextFor('a.test')).not.toBe(first);
  });

  test('forgets the name that was not asked for the longest', async () => {
    const cache = new LeafCache(authority, { maxLeaves: 2 });
    const first = await cache.secureContextFor('a.test');
    await cache.secureContextFor('b.test');
    await cache.secureContextFor('a.test');
    await cache.secureContextFor('c.test');
    expect(cache.size).toBe(2);
    expect(await cache.secureContextFor('a.test')).toBe(first);
  });

  test('says no to what is no host name, and to an authority that has expired', async () => {
    const clock = new ManualClock(Date.now());
    const cache = new LeafCache(authority, { clock });
    for (const name of ['', '-a.test', 'a..test', 'a b', '*.test', 'a/b', 'x'.repeat(64), 'é.test'])
      await expect(cache.secureContextFor(name)).rejects.toMatchObject({ code: 'usage' });
    clock.advance(3650 * DAY_MS);
    await expect(cache.secureContextFor('a.test')).rejects.toThrow(/expired/);
  });

  test('shows a certificate that is no authority for every name', async () => {
    const leafPair = await fixedPair('*.internal.test');
    const cache = new LeafCache(leafPair.authority);
    const context = await cache.secureContextFor('a.internal.test');
    expect(await cache.secureContextFor('whatever name')).toBe(context);
    const shown = await handshake(context, 'a.internal.test', leafPair.ca);
    expect(shown.subjectAltName).toBe('DNS:*.internal.test');
  });
});

async function fixedPair(name: string): Promise<{ authority: Authority; ca: string }> {
  const { keyPem, newKeyPair, writeLeaf } = await import('./x509.ts');
  if (authority.type !== 'signing') throw new Error('the test wants a signing authority');
  const keys = await newKeyPair();
  const leaf = await writeLeaf(authority.signer, name, keys.publicKey, [Date.now(), Date.now() + DAY_MS]);
  const fixed = { certificates: leaf, key: await keyPem(keys.privateKey) };
  return { authority: await readAuthority(fixed, 'the test'), ca: pair.certificates };
}
