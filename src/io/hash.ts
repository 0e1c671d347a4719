/**
 * Digests and signatures. A piece is hashed in one call as soon as it is whole (a third cheaper than by updates); a whole
 * content is hashed as its bytes come.
 */
import { createHash, createHmac, type Hash, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { Digest, Manifest } from '../protocol/task.ts';

export const SHA256_BYTES = 32;

export type DigestAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { md5: 32, sha1: 40, sha256: 64, sha512: 128 };

export function sha256(data: Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** That many random bytes, as hex. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** CRC-32 as of zlib, unsigned, going on from `before`; guards against torn writes and mishaps, not against forgery. */
export function crc32(data: Uint8Array, before = 0): number {
  return zlibCrc32(data, before);
}

/** The id of the task that `preimage` describes: its sha256 in hex. */
export function taskIdOf(preimage: string): TaskId {
  const id = parseTaskId(sha256Hex(preimage));
  if (id === undefined) throw new Error('sha256 gave no task id');
  return id;
}

/** The algorithm of a well-formed digest; undefined when it is not `algorithm:hex` in lower case. */
export function digestAlgorithmOf(digest: Digest): DigestAlgorithm | undefined {
  const colon = digest.indexOf(':');
  const name = digest.slice(0, colon);
  if (!Object.hasOwn(HEX_LENGTH, name)) return undefined;
  const algorithm = name as DigestAlgorithm;
  const hex = digest.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm] && /^[0-9a-f]+$/.test(hex) ? algorithm : undefined;
}

/** Hashes a content in the order of its bytes. */
export class DigestBuilder {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm) {
    this.algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(data: Uint8Array): this {
    this.#hash.update(data);
    return this;
  }

  /** `algorithm:hex`. Once only. */
  digest(): Digest {
    return `${this.algorithm}:${this.#hash.digest('hex')}`;
  }
}

/** Hashes a piece that is read in slices; `digest` may be asked once. */
export class PieceHash {
  readonly #hash = createHash('sha256');

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  matches(digest: Uint8Array): boolean {
    return sameBytes(this.#hash.digest(), digest);
  }
}

export type UnsignedManifest = Omit<Manifest, 'signature'>;

/** Signs with the cluster's secret: HMAC-SHA256 in base64 over all other fields. */
export function signManifest(secret: Uint8Array, unsigned: UnsignedManifest): Manifest {
  return { ...unsigned, signature: hmac(secret, unsigned).toString('base64') };
}

/** True when the manifest was signed with this secret and nothing was changed since. Takes constant time. */
export function verifyManifest(secret: Uint8Array, manifest: Manifest): boolean {
  const claimed = Buffer.from(manifest.signature, 'base64');
  const right = hmac(secret, manifest);
  return claimed.length === right.length && timingSafeEqual(claimed, right);
}

/** HMAC-SHA256 in base64 of a text for which `purpose` stands: what was signed for one purpose proves nothing for another. */
export function signText(secret: Uint8Array, purpose: string, text: string): string {
  return createHmac('sha256', secret).update(`${purpose}\n`).update(text).digest('base64');
}

/** Takes constant time. */
export function verifyText(secret: Uint8Array, purpose: string, text: string, signature: string): boolean {
  const claimed = Buffer.from(signature, 'base64');
  const right = Buffer.from(signText(secret, purpose, text), 'base64');
  return claimed.length === right.length && timingSafeEqual(claimed, right);
}

/** An array, because the order of an object's fields is not part of what it says. The first item is the form's name. */
function hmac(secret: Uint8Array, manifest: UnsignedManifest): Buffer {
  const { content, shape, facts, digests, digest } = manifest;
  const signed = [
    'dragonfly-manifest-1',
    content,
    shape.length,
    shape.pieceSize,
    facts.etag ?? null,
    facts.lastModified ?? null,
    facts.contentType ?? null,
    facts.ranges,
    digests,
    digest ?? null,
  ];
  return createHmac('sha256', secret).update(JSON.stringify(signed)).digest();
}
