/**
 * Whose certificates intercepted clients are shown: an authority, generated or the operator's own, that signs a leaf per
 * name; or, as in v1, one ready certificate that is shown for every name. What is wrong with a pair of files is said when
 * it is loaded, because a client would only say that the handshake failed.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { makeFolder, readSmall } from '../../io/disk.ts';
import { systemClock } from '../../io/system-clock.ts';
import { hostName } from '../../io/this-host.ts';
import { saveAtomically } from '../../io/whole-file.ts';
import { Fault } from '../../protocol/faults.ts';
import { keyPem, newKeyPair, type Signer, signerOf, writeAuthority } from './x509.ts';

export const AUTHORITY_DAYS = 3650;
const DAY_MS = 86_400_000;
const OWNER_ONLY_FOLDER = 0o700;
export const KEY_MODE = 0o600;
/** Whoever shall trust it must be able to read it. */
export const CERTIFICATE_MODE = 0o644;

/** PEM texts. Certificates that lead from the first one to a root may follow it. */
export type Pair = { readonly certificates: string; readonly key: string };

export type Authority =
  | {
      readonly type: 'signing';
      readonly signer: Signer;
      /** What a client is sent after the leaf, the authority's own certificate first. */
      readonly chain: string;
      /** Milliseconds since 1970. */
      readonly expiresAt: number;
    }
  | { readonly type: 'fixed'; readonly pair: Pair; readonly expiresAt: number };

/** A new authority with an EC key. */
export async function makeAuthority(
  options: { commonName?: string; validMs?: number; now?: number } = {},
): Promise<Pair> {
  const { commonName = `dfdaemon on ${hostName()}`, validMs = AUTHORITY_DAYS * DAY_MS, now = Date.now() } = options;
  const keys = await newKeyPair();
  // An X.509 common name holds 64 characters.
  const certificates = await writeAuthority(commonName.slice(0, 64), keys, now, validMs);
  return { certificates, key: await keyPem(keys.privateKey) };
}

/** Fault usage, with `where` in its text, for what is no certificate, no key, no pair, expired, or not yet valid. */
export async function readAuthority(pair: Pair, where: string, clock: Clock = systemClock): Promise<Authority> {
  const certificate = attempt(() => new X509Certificate(pair.certificates), `${where}: no certificate in PEM form`);
  const key: KeyObject = attempt(
    () => createPrivateKey(pair.key),
    `${where}: no private key in PEM form, or encrypted`,
  );
  if (!certificate.checkPrivateKey(key)) throw new Fault('usage', `${where}: the key is not that of the certificate`);
  const expiresAt = Date.parse(certificate.validTo);
  if (expiresAt <= clock.wall())
    throw new Fault('usage', `${where}: the certificate expired on ${certificate.validTo}`);
  if (Date.parse(certificate.validFrom) > clock.wall())
    throw new Fault('usage', `${where}: the certificate is valid from ${certificate.validFrom} on`);
  if (!certificate.ca) {
    attempt(() => createSecureContext({ cert: pair.certificates, key: pair.key }), `${where}: not fit for TLS`);
    return { type: 'fixed', pair, expiresAt };
  }
  const signer = await signerOf(certificate.toString(), key);
  return { type: 'signing', signer, chain: pair.certificates, expiresAt };
}

function attempt<T>(work: () => T, message: string): T {
  try {
    return work();
  } catch (error) {
    throw new Fault('usage', message, { cause: error });
  }
}

/** The operator's own pair of files. */
export async function loadAuthority(certFile: string, keyFile: string, clock?: Clock): Promise<Authority> {
  const [certificates, key] = await Promise.all([textOf(certFile), textOf(keyFile)]);
  return readAuthority({ certificates, key }, `${certFile} and ${keyFile}`, clock);
}

async function textOf(file: string): Promise<string> {
  const bytes = await readSmall(file);
  if (bytes === undefined) throw new Fault('usage', `there is no ${file}; "dfdaemon gen-ca" makes an authority`);
  return bytes.toString('utf8');
}

export type GeneratedAuthority = { readonly authority: Authority; readonly certFile: string };

/** The authority of a home, made at the first call. The folder belongs to one process at a time. */
export async function openAuthority(folder: string, clock: Clock = systemClock): Promise<GeneratedAuthority> {
  const [certFile, keyFile] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
  const held = await Promise.all([readSmall(certFile), readSmall(keyFile)]);
  if (held.includes(undefined)) {
    await makeFolder(folder, OWNER_ONLY_FOLDER);
    await saveAuthority(await makeAuthority({ now: clock.wall() }), certFile, keyFile);
  }
  return { authority: await loadAuthority(certFile, keyFile, clock), certFile };
}

/** The certificate comes last: while it is missing there is no authority yet, whatever was interrupted. */
export async function saveAuthority(pair: Pair, certFile: string, keyFile: string): Promise<void> {
  await saveAtomically(keyFile, pair.key, KEY_MODE);
  await saveAtomically(certFile, pair.certificates, CERTIFICATE_MODE);
}
