import { describe, expect, test } from 'vitest';
import { MEDIA_TYPES, parseImageManifest, parsePlatform, platformMatches, printPlatform } from './image-manifest.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const blob = (letter: string, size = 1) => ({ mediaType: 'x', digest: digest(letter), size });

describe('an image manifest', () => {
  test.each([MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest])(
    'of type %s names config and layers',
    (mediaType) => {
      const text = JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: blob('a'),
        layers: [blob('b', 7), blob('c')],
      });
      expect(parseImageManifest(text, undefined)).toEqual({
        type: 'image',
        config: blob('a'),
        layers: [blob('b', 7), blob('c')],
      });
    },
  );

  test.each([MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex])('of type %s is an index', (mediaType) => {
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
    const text = JSON.stringify({ schemaVersion: 2, manifests: [{ ...blob('a'), platform }, blob('b')] });
    expect(parseImageManifest(text, `${mediaType}; charset=utf-8`)).toEqual({
      type: 'index',
      manifests: [{ ...blob('a'), platform }, blob('b')],
    });
  });

  test.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['schema 1', '{"schemaVersion":1,"fsLayers":[]}'],
    ['no layers', '{"schemaVersion":2}'],
    ['a layer without a digest', '{"schemaVersion":2,"config":{},"layers":[]}'],
    [
      'a digest that can be forged',
      `{"schemaVersion":2,"config":{"digest":"md5:${'a'.repeat(32)}","size":1},"layers":[]}`,
    ],
    ['a negative size', `{"schemaVersion":2,"config":{"digest":"${digest('a')}","size":-1},"layers":[]}`],
  ])('is refused with %s', (_, text) => {
    expect(() => parseImageManifest(text, MEDIA_TYPES.ociManifest)).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
  });
});

describe('a platform', () => {
  test('is written os/architecture/variant', () => {
    expect(parsePlatform('linux/arm/v7')).toEqual({ os: 'linux', architecture: 'arm', variant: 'v7' });
    expect(parsePlatform('Linux/AMD64')).toEqual({ os: 'linux', architecture: 'amd64' });
    expect(parsePlatform('linux')).toBeUndefined();
    expect(printPlatform({ os: 'linux', architecture: 'arm', variant: 'v7' })).toBe('linux/arm/v7');
  });

  test('matches any variant when none is wanted, and arm64 is arm64/v8', () => {
    const arm = (variant?: string) => ({
      os: 'linux',
      architecture: 'arm',
      ...(variant === undefined ? {} : { variant }),
    });
    expect(platformMatches(arm(), arm('v7'))).toBe(true);
    expect(platformMatches(arm('v6'), arm('v7'))).toBe(false);
    expect(platformMatches(arm('v6'), arm())).toBe(false);
    const arm64 = { os: 'linux', architecture: 'arm64' };
    expect(platformMatches({ ...arm64, variant: 'v8' }, arm64)).toBe(true);
    expect(platformMatches(arm64, { os: 'windows', architecture: 'arm64' })).toBe(false);
  });
});
