import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDistributionPath } from './distribution-path.ts';

const SHA256 = `sha256:${'a'.repeat(64)}`;

test.each([
  [`/v2/library/app/blobs/${SHA256}`, { kind: 'blob', repository: 'library/app', digest: SHA256 }],
  [`/v2/app/blobs/sha256%3A${'A'.repeat(64)}`, { kind: 'blob', repository: 'app', digest: SHA256 }],
  [`/v2/blobs/blobs/${SHA256}`, { kind: 'blob', repository: 'blobs', digest: SHA256 }],
  [`/v2/app/blobs/md5:${'a'.repeat(32)}`, { kind: 'other', repository: 'app' }],
  ['/v2/app/blobs/sha256:short', { kind: 'other', repository: 'app' }],
  ['/v2/a/b/c/manifests/v1.2', { kind: 'manifest', repository: 'a/b/c', reference: 'v1.2' }],
  [`/v2/app/manifests/${SHA256}`, { kind: 'manifest', repository: 'app', reference: SHA256 }],
  ['/v2/app/blobs/uploads/', { kind: 'other', repository: 'app' }],
  ['/v2/app/tags/list', { kind: 'other', repository: 'app' }],
  [`/v2/app/referrers/${SHA256}`, { kind: 'other', repository: 'app' }],
  ['/v2/', { kind: 'other' }],
  ['/v2/_catalog', { kind: 'other' }],
  ['/%E0%A4%A/blobs/x', { kind: 'other' }],
])('%s', (path, parsed) => {
  expect(parseDistributionPath(path)).toEqual(parsed);
});

test('any text is parsed, and only a blob with a digest that names bytes is a blob', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (repository, digest) => {
      const parsed = parseDistributionPath(`/v2/${repository}/blobs/${digest}`);
      if (parsed.kind === 'blob') expect(parsed.digest).toMatch(/^sha(256|512):[0-9a-f]+$/);
    }),
  );
});
