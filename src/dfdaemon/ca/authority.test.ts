import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { genCa } from '../gen-ca-command.ts';
import { loadAuthority, makeAuthority, openAuthority, readAuthority } from './authority.ts';
import { LeafCache } from './leaf-cache.ts';
import { signerOf, writeLeaf } from './x509.ts';

const DAY_MS = 86_400_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragonfly-ca-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('an authority', () => {
  test('is made with an EC key and signs itself', async () => {
    const pair = await makeAuthority({ commonName: 'ours' });
    const certificate = new X509Certificate(pair.certificates);
    expect(certificate.ca).toBe(true);
    expect(certificate.subject).toBe('O=dragonfly\nCN=ours');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(createPrivateKey(pair.key).asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  });

  test('of a home is made once, with a key for its owner alone', async () => {
    const first = await openAuthority(at('ca'));
    const text = await readFile(first.certFile, 'utf8');
    await openAuthority(at('ca'));
    expect(await readFile(first.certFile, 'utf8')).toBe(text);
    expect([mode(at('ca/ca.key')), mode(at('ca/ca.crt')), mode(at('ca'))]).toEqual(['600', '644', '700']);
  });

  test('of a home is made anew when its making was interrupted', async () => {
    await openAuthority(at('ca'));
    rmSync(at('ca/ca.crt'));
    expect((await openAuthority(at('ca'))).authority.type).toBe('signing');
  });

  test('may have a key of any common kind', async () => {
    const kinds: KeyObject[] = [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      generateKeyPairSync('ed25519').privateKey,
    ];
    const { certificates } = await makeAuthority();
    const leafKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const spki = Uint8Array.from(leafKey.export({ type: 'spki', format: 'der' }));
    const publicKey = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, true, []);
    for (const key of kinds) {
      const signer = await signerOf(certificates, key);
      const leaf = await writeLeaf(signer, 'a.test', publicKey, [Date.now(), Date.now() + DAY_MS]);
      const certificate = new X509Certificate(leaf);
      expect(certificate.verify(createPublicKey(key))).toBe(true);
    }
  });

  test('sends the certificates that lead to its root with every leaf', async () => {
    const [pair, root] = [await makeAuthority(), await makeAuthority()];
    const chained = { certificates: `${pair.certificates}${root.certificates}`, key: pair.key };
    const authority = await readAuthority(chained, 'the test');
    expect(authority).toMatchObject({ type: 'signing', chain: chained.certificates });
    await new LeafCache(authority).secureContextFor('a.test');
  });

  test('that cannot be used is refused with its files and the reason', async () => {
    const [pair, other] = [await makeAuthority({ validMs: DAY_MS }), await makeAuthority()];
    const read = (certificates: string, key: string, clock = new ManualClock(Date.now())) =>
      readAuthority({ certificates, key }, 'ca.crt and ca.key', clock);
    await expect(read('none', pair.key)).rejects.toThrow('ca.crt and ca.key: no certificate');
    await expect(read(pair.certificates, 'none')).rejects.toThrow('no private key');
    await expect(read(pair.certificates, other.key)).rejects.toThrow('the key is not that of the certificate');
    const late = new ManualClock(Date.now() + 2 * DAY_MS);
    await expect(read(pair.certificates, pair.key, late)).rejects.toThrow('expired on');
    const early = new ManualClock(Date.now() - 2 * DAY_MS);
    await expect(read(pair.certificates, pair.key, early)).rejects.toThrow('valid from');
    await expect(loadAuthority(at('no.crt'), at('no.key'))).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('gen-ca', () => {
  const files = () => ['--cert-output', at('ca.crt'), '--key-output', at('ca.key')];

  test('writes a pair that can be loaded, the key for its owner alone', async () => {
    expect(await genCa([...files(), '--common-name', 'ours', '--expire-duration', '24h'])).toBe(0);
    const authority = await loadAuthority(at('ca.crt'), at('ca.key'));
    expect(authority.type).toBe('signing');
    expect(Math.abs(authority.expiresAt - Date.now() - DAY_MS)).toBeLessThan(60_000);
    expect(mode(at('ca.key'))).toBe('600');
  });

  test('leaves what is there alone unless it is told to replace it', async () => {
    writeFileSync(at('ca.key'), 'precious', { mode: 0o644 });
    await expect(genCa(files())).rejects.toMatchObject({ code: 'usage' });
    expect(await readFile(at('ca.key'), 'utf8')).toBe('precious');
    // What a wider file of that name, or one beside it, was does not matter to the new key's mode.
    writeFileSync(at('ca.key.new'), 'old', { mode: 0o666 });
    expect(await genCa([...files(), '--overwrite'])).toBe(0);
    expect(mode(at('ca.key'))).toBe('600');
  });

  test('refuses what makes no sense', async () => {
    for (const args of [
      ['--expire-duration', '1s'],
      ['--expire-duration', '2000000h'],
      ['--common-name', 'x'.repeat(65)],
      ['surplus'],
      ['--key-output', at('ca.crt')],
    ])
      await expect(genCa([...files(), ...args])).rejects.toMatchObject({ code: 'usage' });
    await expect(genCa(['--cert-output', at('no/ca.crt'), '--key-output', at('no/ca.key')])).rejects.toMatchObject({
      code: 'local-io',
    });
  });
});
