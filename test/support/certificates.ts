/** Certificates for tests of TLS on both sides: one authority, and as many leaves of it as are wanted, as PEM files. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export type CertificateFiles = { readonly cert: string; readonly key: string };

export class TestAuthority {
  /** Path of the authority's own certificate. */
  readonly ca: string;
  readonly #folder: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(folder: string, ca: string, certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#folder = folder;
    this.ca = ca;
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async make(folder: string, name = 'authority'): Promise<TestAuthority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      ...term(),
      signingAlgorithm: EC,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    const ca = join(folder, `${name}.pem`);
    writeFileSync(ca, `${certificate.toString('pem')}\n`);
    return new TestAuthority(folder, ca, certificate, keys);
  }

  /** Good for both ends of a connection; `name` is a host name or an address. */
  async leaf(name: string): Promise<CertificateFiles> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: 'O=test',
      issuer: this.#certificate.subject,
      ...term(),
      signingAlgorithm: EC,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: isIP(name) === 0 ? 'dns' : 'ip', value: name }]),
      ],
    });
    const files = { cert: join(this.#folder, `${name}.cert`), key: join(this.#folder, `${name}.key`) };
    writeFileSync(files.cert, `${certificate.toString('pem')}\n`);
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    writeFileSync(files.key, x509.PemConverter.encode(pkcs8, x509.PemConverter.PrivateKeyTag));
    return files;
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
}

function term(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
}
