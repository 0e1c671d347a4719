import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blobUrl, manifestUrl, parseImageReference, parseManifestUrl, printImage } from './image-reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('an image reference', () => {
  test.each([
    ['alpine', 'https://registry-1.docker.io/v2/library/alpine/manifests/latest'],
    ['docker.io/alpine:3.20', 'https://registry-1.docker.io/v2/library/alpine/manifests/3.20'],
    ['owner/app', 'https://registry-1.docker.io/v2/owner/app/manifests/latest'],
    ['ghcr.io/owner/app:1.2', 'https://ghcr.io/v2/owner/app/manifests/1.2'],
    ['docker://ghcr.io/owner/app', 'https://ghcr.io/v2/owner/app/manifests/latest'],
    ['oci://ghcr.io/a/b/c', 'https://ghcr.io/v2/a/b/c/manifests/latest'],
    ['registry.test:5000/app', 'https://registry.test:5000/v2/app/manifests/latest'],
    ['localhost:5000/app:x', 'http://localhost:5000/v2/app/manifests/x'],
    ['127.0.0.1:5000/app', 'http://127.0.0.1:5000/v2/app/manifests/latest'],
    ['[::1]:5000/app', 'http://[::1]:5000/v2/app/manifests/latest'],
    ['https://localhost:5000/app', 'https://localhost:5000/v2/app/manifests/latest'],
    ['http://harbor/library/app:1', 'http://harbor/v2/library/app/manifests/1'],
    ['https://harbor.test/v2/team/app/manifests/1', 'https://harbor.test/v2/team/app/manifests/1'],
    [`app@${DIGEST}`, `https://registry-1.docker.io/v2/library/app/manifests/${DIGEST}`],
    [`registry.test/app:1@${DIGEST}`, `https://registry.test/v2/app/manifests/${DIGEST}`],
  ])('%s is the manifest %s', (text, url) => {
    const image = parseImageReference(text);
    expect(image && manifestUrl(image)).toBe(url);
  });

  test.each([
    '',
    'UPPER',
    'a//b',
    'a:b:c',
    'app@sha256:12',
    'registry.test/',
    'app:-x',
    'a b',
    `x${'/y'.repeat(1000)}`,
  ])('%s is none', (text) => {
    expect(parseImageReference(text)).toBeUndefined();
  });

  test('of more than a thousand characters is none', () => {
    expect(parseImageReference(`x${'/y'.repeat(1000)}`)).toBeUndefined();
  });

  test('is shown without its scheme, and names the URLs of its blobs', () => {
    const image = parseImageReference('registry.test/team/app:2');
    if (image === undefined) throw new Error('no image');
    expect(printImage(image)).toBe('registry.test/team/app:2');
    expect(blobUrl(image, DIGEST)).toBe(`https://registry.test/v2/team/app/blobs/${DIGEST}`);
  });

  test('never throws, and what it takes makes a URL on its registry', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.constantFrom(...'ab1.:/@-_'), { maxLength: 30 }).map((all) => all.join('')),
        ),
        (text) => {
          const image = parseImageReference(text);
          if (image !== undefined) expect(new URL(manifestUrl(image)).host).not.toBe('');
        },
      ),
    );
  });
});

test('only the URL of a manifest is one', () => {
  expect(parseManifestUrl('https://r.test/v2/app/blobs/x')).toBeUndefined();
  expect(parseManifestUrl('ftp://r.test/v2/app/manifests/x')).toBeUndefined();
  expect(parseManifestUrl(`https://r.test/v2/a/b/manifests/${DIGEST}`)).toMatchObject({
    repository: 'a/b',
    digest: DIGEST,
  });
});
