/**
 * PURE. What a preheat of an image has to bring: from an index the manifests of the wanted platforms, from manifests the
 * blobs, each once however many images or platforms share it.
 */
import { Fault } from '../../protocol/faults.ts';
import {
  type Descriptor,
  type ImageManifest,
  type Platform,
  platformMatches,
  printPlatform,
} from '../../protocol/oci/image-manifest.ts';
import type { Digest } from '../../protocol/task.ts';

type Index = Extract<ImageManifest, { type: 'index' }>;

/** The manifests of an index to read next. Without a wanted platform all of them, but for what is no image. Fault not-found. */
export function manifestsFor(index: Index, platform: Platform | undefined): readonly Digest[] {
  const images = index.manifests.filter(({ platform: has }) => has === undefined || has.os !== 'unknown');
  if (platform === undefined) return unique(images.map(({ digest }) => digest));
  const matching = images.filter(({ platform: has }) => has !== undefined && platformMatches(platform, has));
  if (matching.length > 0) return unique(matching.map(({ digest }) => digest));
  const known = images.flatMap(({ platform: has }) => (has === undefined ? [] : [printPlatform(has)]));
  throw new Fault(
    'not-found',
    `the image has no ${printPlatform(platform)}; it has ${known.join(', ') || 'no platforms'}`,
  );
}

/** Configuration and layers of all manifests, the largest first: it is what the end waits for. */
export function blobsOf(manifests: readonly ImageManifest[]): readonly Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const manifest of manifests) {
    if (manifest.type === 'index') continue;
    for (const blob of [manifest.config, ...manifest.layers]) if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob);
  }
  return [...blobs.values()].sort((a, b) => b.size - a.size || (a.digest < b.digest ? -1 : 1));
}

function unique(digests: readonly Digest[]): readonly Digest[] {
  return [...new Set(digests)];
}
