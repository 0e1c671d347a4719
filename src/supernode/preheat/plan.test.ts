import { describe, expect, test } from 'vitest';
import type { ImageManifest } from '../../protocol/oci/image-manifest.ts';
import { blobsOf, manifestsFor } from './plan.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const blob = (letter: string, size = 1) => ({ digest: digest(letter), size, mediaType: '' });
const on = (letter: string, os: string, architecture: string, variant?: string) => ({
  ...blob(letter),
  platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
});

describe('an index', () => {
  const index = {
    type: 'index',
    manifests: [
      on('a', 'linux', 'amd64'),
      on('b', 'linux', 'arm', 'v6'),
      on('c', 'linux', 'arm', 'v7'),
      on('d', 'unknown', 'unknown'),
      on('a', 'linux', 'amd64'),
    ],
  } as const;

  test('has all platforms but what is no image, each manifest once', () => {
    expect(manifestsFor(index, undefined)).toEqual([digest('a'), digest('b'), digest('c')]);
  });

  test('has those of the wanted platform', () => {
    expect(manifestsFor(index, { os: 'linux', architecture: 'arm' })).toEqual([digest('b'), digest('c')]);
    expect(manifestsFor(index, { os: 'linux', architecture: 'arm', variant: 'v7' })).toEqual([digest('c')]);
  });

  test('without the wanted platform names those it has', () => {
    expect(() => manifestsFor(index, { os: 'linux', architecture: 's390x' })).toThrow(
      'the image has no linux/s390x; it has linux/amd64, linux/arm/v6, linux/arm/v7, linux/amd64',
    );
  });
});

test('blobs of several manifests are wanted once each, the largest first', () => {
  const image = (config: string, ...layers: ReturnType<typeof blob>[]): ImageManifest => ({
    type: 'image',
    config: blob(config),
    layers,
  });
  const wanted = blobsOf([
    image('a', blob('c', 5), blob('d', 9), blob('c', 5)),
    image('b', blob('d', 9), blob('e', 7)),
    { type: 'index', manifests: [] },
  ]);
  expect(wanted.map((each) => each.digest)).toEqual(['d', 'e', 'c', 'a', 'b'].map(digest));
});
