import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { contentIdOf } from '../protocol/ids.ts';
import {
  crc32,
  DigestBuilder,
  digestAlgorithmOf,
  PieceHash,
  sha256,
  sha256Hex,
  signManifest,
  taskIdOf,
  type UnsignedManifest,
  verifyManifest,
} from './hash.ts';

const ABC = Buffer.from('abc');
const ABC_SHA256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

test('the known digests of "abc" come out', () => {
  expect(sha256(ABC).toString('hex')).toBe(ABC_SHA256);
  expect(sha256Hex('abc')).toBe(ABC_SHA256);
  expect(taskIdOf('abc')).toBe(ABC_SHA256);
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  const digest = (algorithm: 'md5' | 'sha1') => new DigestBuilder(algorithm).update(ABC).digest();
  expect(digest('md5')).toBe('md5:900150983cd24fb0d6963f7d28e17f72');
  expect(digest('sha1')).toBe('sha1:a9993e364706816aba3e25717850c26c9cd0d89d');
});

test('a digest built in parts is that of the whole', () => {
  for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
    const parts = new DigestBuilder(algorithm).update(Buffer.from('a')).update(Buffer.from('bc'));
    expect(parts.digest()).toBe(`${algorithm}:${createHash(algorithm).update(ABC).digest('hex')}`);
  }
});

test('a piece hash matches its digest and no other', () => {
  const hashOf = (text: string) => {
    const hash = new PieceHash();
    hash.update(Buffer.from(text));
    return hash;
  };
  expect(hashOf('abc').matches(sha256(ABC))).toBe(true);
  expect(hashOf('abd').matches(sha256(ABC))).toBe(false);
});

test('only well-formed digests have an algorithm', () => {
  expect(digestAlgorithmOf(`sha256:${ABC_SHA256}`)).toBe('sha256');
  expect(digestAlgorithmOf('md5:900150983cd24fb0d6963f7d28e17f72')).toBe('md5');
  for (const bad of [
    '',
    'sha256',
    `sha256:${ABC_SHA256.slice(1)}`,
    `sha256:${ABC_SHA256.toUpperCase()}`,
    'crc:00',
    ':',
  ]) {
    expect(digestAlgorithmOf(bad)).toBeUndefined();
  }
});

describe('a signed manifest', () => {
  const secret = Buffer.from('the secret of the cluster');
  const unsigned: UnsignedManifest = {
    content: contentIdOf(taskIdOf('abc'), '1'),
    shape: { length: 3, pieceSize: 131072 },
    facts: { ranges: true, etag: '"e"' },
    digests: sha256(ABC).toString('base64'),
  };

  test('is proved by the secret it was signed with, in whatever order its fields come', () => {
    const signed = signManifest(secret, unsigned);
    expect(verifyManifest(secret, signed)).toBe(true);
    const { facts, ...rest } = signed;
    expect(verifyManifest(secret, { facts: { etag: '"e"', ranges: facts.ranges }, ...rest })).toBe(true);
    expect(verifyManifest(Buffer.from('another'), signed)).toBe(false);
  });

  test('is refused when any field was changed', () => {
    const signed = signManifest(secret, unsigned);
    const changes: Partial<typeof signed>[] = [
      { content: contentIdOf(taskIdOf('abc'), '2') },
      { shape: { length: 4, pieceSize: 131072 } },
      { shape: { length: 3, pieceSize: 262144 } },
      { facts: { ranges: false, etag: '"e"' } },
      { facts: { ranges: true } },
      { facts: { ranges: true, lastModified: '"e"' } },
      { facts: { ranges: true, etag: '"e"', contentType: 'x' } },
      { digests: sha256(Buffer.from('x')).toString('base64') },
      { digest: `sha256:${ABC_SHA256}` },
      { signature: '' },
      { signature: signed.signature.slice(4) },
    ];
    for (const change of changes) expect(verifyManifest(secret, { ...signed, ...change })).toBe(false);
  });
});
