/**
 * Image manifests and indexes, OCI and Docker schema 2: the parts that say which blobs an image has. Bytes of a manifest
 * are never made anew from this; a registry's manifest is what its digest names.
 */
import { Fault } from '../faults.ts';
import { parseDigest } from '../identity.ts';
import type { Digest } from '../task.ts';

export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** For the Accept header of a manifest request. */
export const MANIFEST_TYPES: readonly string[] = Object.values(MEDIA_TYPES);

export type Descriptor = { readonly digest: Digest; readonly size: number; readonly mediaType: string };

export type Platform = { readonly os: string; readonly architecture: string; readonly variant?: string };

export type ImageManifest =
  | { readonly type: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly type: 'index'; readonly manifests: readonly (Descriptor & { readonly platform?: Platform })[] };

const MAX_LAYERS = 4096;
const MAX_MANIFESTS = 4096;

/** `mediaType` is the answer's Content-Type; what the text itself says goes before it. Fault bad-message. */
export function parseImageManifest(text: string, mediaType: string | undefined): ImageManifest {
  const value = record(parseJson(text), 'a manifest');
  const kind = typeof value.mediaType === 'string' ? value.mediaType : (mediaType ?? '').replace(/;.*/s, '').trim();
  if (value.schemaVersion === 1) throw broken('has schema 1, which has no digests of its layers; push the image anew');
  if (kind === MEDIA_TYPES.ociIndex || kind === MEDIA_TYPES.dockerIndex || Array.isArray(value.manifests)) {
    const manifests = items(value.manifests, 'manifests', MAX_MANIFESTS).map((item) => {
      const platform = platformOf(record(item, 'a manifest of the index').platform);
      return { ...descriptor(item), ...(platform === undefined ? {} : { platform }) };
    });
    return { type: 'index', manifests };
  }
  if (!Array.isArray(value.layers)) throw broken(`is of the unknown type ${JSON.stringify(kind.slice(0, 100))}`);
  return {
    type: 'image',
    config: descriptor(value.config),
    layers: items(value.layers, 'layers', MAX_LAYERS).map(descriptor),
  };
}

/** `linux/arm64` or `linux/arm/v7`; undefined for what is neither. */
export function parsePlatform(text: string): Platform | undefined {
  const match = /^([a-z0-9_.-]{1,64})\/([a-z0-9_.-]{1,64})(?:\/([a-z0-9_.-]{1,64}))?$/.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [, os = '', architecture = '', variant] = match;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

export function printPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** A wanted platform without a variant takes any; `arm64` and `arm64/v8` are the same machine. */
export function platformMatches(wanted: Platform, has: Platform): boolean {
  if (wanted.os !== has.os || wanted.architecture !== has.architecture) return false;
  const plain = (platform: Platform) =>
    platform.architecture === 'arm64' && platform.variant === 'v8' ? undefined : platform.variant;
  return plain(wanted) === undefined || plain(wanted) === plain(has);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault('bad-message', 'the image manifest is not JSON', { cause });
  }
}

function descriptor(value: unknown): Descriptor {
  const { digest, size, mediaType } = record(value, 'a descriptor');
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined;
  if (parsed === undefined || !/^sha(256|512):/.test(parsed)) throw broken('has a blob without a digest');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw broken('has a blob without a size');
  return { digest: parsed, size, mediaType: typeof mediaType === 'string' ? mediaType : '' };
}

function platformOf(value: unknown): Platform | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { os, architecture, variant } = value as Record<string, unknown>;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(`has ${what} that is no object`);
  return value as Record<string, unknown>;
}

function items(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) throw broken(`has no list of at most ${max} ${what}`);
  return value;
}

function broken(what: string): Fault {
  return new Fault('bad-message', `the image manifest ${what}`);
}
