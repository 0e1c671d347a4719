/**
 * The one place that writes certificates. The library is loaded when the first one is wanted: most runs of dfdaemon
 * intercept nothing. Every field that a browser or Go's verifier looks at is set here: names only in the alternative
 * names, key identifiers on both sides, a start that lies in the past because clocks differ.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { JsonGeneralNames, X509CertificateCreateParams } from '@peculiar/x509';
import { Fault } from '../../protocol/faults.ts';

/** How far the clock of a client may be behind ours. */
const BACKDATED_MS = 3_600_000;
const SERIAL_BYTES = 16;
const NEW_KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export type KeyPair = { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };

async function library() {
  // The library asks for its metadata shim at import, so the order of the two matters.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export async function newKeyPair(): Promise<KeyPair> {
  return crypto.subtle.generateKey(NEW_KEY, true, ['sign', 'verify']);
}

export async function keyPem(key: CryptoKey): Promise<string> {
  const { PemConverter } = await library();
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)}\n`;
}

type Algorithm = { readonly key: Parameters<SubtleCrypto['importKey']>[2]; readonly sign: object };

const CURVES: Readonly<Record<string, readonly [curve: string, hash: string]>> = {
  prime256v1: ['P-256', 'SHA-256'],
  secp384r1: ['P-384', 'SHA-384'],
  secp521r1: ['P-521', 'SHA-512'],
};

function algorithmOf(key: KeyObject): Algorithm {
  const [namedCurve = '', hash = ''] = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
  if (key.asymmetricKeyType === 'ec' && namedCurve !== '')
    return { key: { name: 'ECDSA', namedCurve }, sign: { name: 'ECDSA', hash } };
  if (key.asymmetricKeyType === 'rsa') {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    return { key: rsa, sign: rsa };
  }
  if (key.asymmetricKeyType === 'ed25519') return { key: { name: 'Ed25519' }, sign: { name: 'Ed25519' } };
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
  throw new Fault('usage', `an authority's key must be EC (P-256, P-384, P-521), RSA or Ed25519, not ${kind}`);
}

/** Who signs: the key of an authority in the form that the library wants, and its certificate. */
export type Signer = { readonly certificate: string; readonly keys: KeyPair; readonly algorithm: object };

/** Fault usage for a key of a kind that cannot sign here. */
export async function signerOf(certificate: string, key: KeyObject): Promise<Signer> {
  const { key: algorithm, sign } = algorithmOf(key);
  const [pkcs8, spki] = [
    createPrivateKey({ key: key.export({ type: 'pkcs8', format: 'pem' }) }).export({ type: 'pkcs8', format: 'der' }),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
  ];
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('pkcs8', Uint8Array.from(pkcs8), algorithm, false, ['sign']),
    crypto.subtle.importKey('spki', Uint8Array.from(spki), algorithm, true, ['verify']),
  ]);
  return { certificate, keys: { privateKey, publicKey }, algorithm: sign };
}

/** Random and positive, as verifiers want it: the first bit is off. */
function serial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** A certificate authority that signs itself and nothing but leaves; PEM. */
export async function writeAuthority(commonName: string, keys: KeyPair, now: number, validMs: number): Promise<string> {
  const x509 = await library();
  const { KeyUsageFlags } = x509;
  const name: X509CertificateCreateParams['subject'] = [{ O: ['dragonfly'] }, { CN: [commonName] }];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + validMs),
    signingAlgorithm: NEW_KEY,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** A certificate for one host name or address, signed by `signer`; PEM. `until` is milliseconds since 1970. */
export async function writeLeaf(
  signer: Signer,
  serverName: string,
  publicKey: CryptoKey,
  [now, until]: readonly [now: number, until: number],
): Promise<string> {
  const x509 = await library();
  const authority = new x509.X509Certificate(signer.certificate);
  const names: JsonGeneralNames = [{ type: isIP(serverName) === 0 ? 'dns' : 'ip', value: serverName }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    // A name over 64 characters does not fit a subject; the alternative name is what counts.
    subject: [{ O: ['dragonfly'] }],
    issuer: authority.subjectName,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(until),
    signingAlgorithm: signer.algorithm as Algorithm['sign'] & { name: string },
    publicKey,
    signingKey: signer.keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(authority),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}
