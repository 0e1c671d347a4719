/**
 * Container images made from a description: real tar layers with a file each, compressed, in OCI or Docker form, for one
 * platform or several. The same description gives the same bytes, and no layer can be compressed further.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';

const TAR_BLOCK_BYTES = 512;

export type Compression = 'gzip' | 'zstd' | 'none';
export type Form = 'oci' | 'docker';

export type ImageSpec = {
  /** Bytes of the file in each layer. */
  readonly layers: readonly number[];
  readonly compression?: Compression;
  readonly form?: Form;
  /** More than one makes an index; each platform has layers of its own. */
  readonly platforms?: readonly string[];
  readonly seed?: number;
};

export type Blob = { readonly digest: string; readonly mediaType: string; readonly bytes: Buffer };
/** A file of a layer as it lies on disk when the image is unpacked. */
export type LayerFile = { readonly name: string; readonly sha256: string; readonly platform: string };

export type Image = {
  /** What a tag points to: a manifest or an index. */
  readonly root: Blob;
  /** By digest: manifests below an index, and the root itself. */
  readonly manifests: ReadonlyMap<string, Blob>;
  /** By digest: configurations and layers. */
  readonly blobs: ReadonlyMap<string, Blob>;
  readonly files: readonly LayerFile[];
};

const TYPES = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: {
      none: 'application/vnd.oci.image.layer.v1.tar',
      gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
      zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
    },
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: {
      none: 'application/vnd.docker.image.rootfs.diff.tar',
      gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      zstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
    },
  },
} as const;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Bytes that no compressor makes smaller; the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  const key = createHash('sha256').update(`noise ${seed}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A tar archive of one plain file. */
export function tarOf(name: string, contents: Buffer): Buffer {
  const head = Buffer.alloc(TAR_BLOCK_BYTES);
  head.write(name, 0, 100);
  head.write('0000644\0', 100);
  for (const at of [108, 116]) head.write('0000000\0', at);
  head.write(`${contents.length.toString(8).padStart(11, '0')}\0`, 124);
  head.write('00000000000\0', 136);
  head.write('        0', 148);
  head.write('ustar\0', 257);
  head.write('00', 263);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = (TAR_BLOCK_BYTES - (contents.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
  return Buffer.concat([head, contents, Buffer.alloc(padding + 2 * TAR_BLOCK_BYTES)]);
}

function compress(tar: Buffer, compression: Compression): Buffer {
  // Noise stays as long as it is: no time is lost on looking for repetitions.
  if (compression === 'gzip') return gzipSync(tar, { level: constants.Z_NO_COMPRESSION });
  return compression === 'zstd' ? zstdCompressSync(tar) : tar;
}

export function makeImage(spec: ImageSpec): Image {
  const { form = 'oci', platforms = ['linux/amd64'] } = spec;
  const parts = platforms.map((platform, index) => platformImage(spec, platform, index));
  const manifests = parts.map(({ manifest }) => manifest);
  const descriptors = manifests.map((manifest, index) => {
    const [os, architecture] = (platforms[index] ?? '').split('/');
    return { ...descriptor(manifest), platform: { architecture, os } };
  });
  const index = json(TYPES[form].index, {
    schemaVersion: 2,
    mediaType: TYPES[form].index,
    manifests: descriptors,
  });
  const root = platforms.length > 1 ? index : manifests[0];
  if (root === undefined) throw new Error('an image has a platform');
  return {
    root,
    manifests: byDigest([...manifests, root]),
    blobs: byDigest(parts.flatMap(({ blobs }) => blobs)),
    files: parts.flatMap(({ files }) => files),
  };
}

function platformImage(spec: ImageSpec, platform: string, index: number) {
  const { layers, form = 'oci', compression = 'gzip', seed = 1 } = spec;
  const types = TYPES[form];
  const [os, architecture] = platform.split('/');
  const made = layers.map((length, layer) => {
    const contents = noise(length, seed * 1000 + index * 100 + layer);
    const name = `layer-${index}-${layer}.bin`;
    const tar = tarOf(name, contents);
    const bytes = compress(tar, compression);
    return {
      blob: { digest: `sha256:${sha256(bytes)}`, mediaType: types.layer[compression], bytes },
      diffId: `sha256:${sha256(tar)}`,
      file: { name, sha256: sha256(contents), platform },
    };
  });
  const config = json(types.config, {
    architecture,
    os,
    config: { Cmd: ['/none'] },
    rootfs: { type: 'layers', diff_ids: made.map(({ diffId }) => diffId) },
    history: made.map(() => ({ created_by: 'the image of a test' })),
  });
  const blobs = [config, ...made.map(({ blob }) => blob)];
  const manifest = json(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(config),
    layers: made.map(({ blob }) => descriptor(blob)),
  });
  return { manifest, blobs, files: made.map(({ file }) => file) };
}

function json(mediaType: string, value: object): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { digest: `sha256:${sha256(bytes)}`, mediaType, bytes };
}

function descriptor({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}

function byDigest(blobs: readonly Blob[]): Map<string, Blob> {
  return new Map(blobs.map((blob) => [blob.digest, blob]));
}

/** An OCI layout, which skopeo reads as `oci:FOLDER:TAG`. */
export function writeLayout(folder: string, image: Image, tag: string): void {
  const files = join(folder, 'blobs', 'sha256');
  mkdirSync(files, { recursive: true });
  for (const { digest, bytes } of [...image.manifests.values(), ...image.blobs.values()])
    writeFileSync(join(files, digest.slice('sha256:'.length)), bytes);
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const root = { ...descriptor(image.root), annotations: { 'org.opencontainers.image.ref.name': tag } };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [root] }));
}

/** By the distribution API, as any client would: blobs first, the root last. */
export async function pushImage(registryUrl: string, repository: string, tag: string, image: Image): Promise<void> {
  const base = `${registryUrl}/v2/${repository}`;
  for (const { digest, bytes } of image.blobs.values()) {
    const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    await opened.arrayBuffer();
    const place = new URL(opened.headers.get('location') ?? '', base);
    place.searchParams.set('digest', digest);
    await put(place.href, bytes, 'application/octet-stream');
  }
  for (const { digest, mediaType, bytes } of image.manifests.values())
    await put(`${base}/manifests/${digest}`, bytes, mediaType);
  await put(`${base}/manifests/${tag}`, image.root.bytes, image.root.mediaType);
}

async function put(url: string, bytes: Buffer, mediaType: string): Promise<void> {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: Uint8Array.from(bytes),
  });
  if (response.status !== 201) throw new Error(`PUT ${url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}
