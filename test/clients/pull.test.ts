/** Every client, by every way, from every kind of registry: each blob is hashed where it arrives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isShort, lacking, titled } from '../support/client-programs.ts';
import { Containerd } from '../support/containerd.ts';
import { type Image, type ImageSpec, makeImage } from '../support/image.ts';
import { Podman } from '../support/podman.ts';
import { pulledProblem, Skopeo } from '../support/skopeo.ts';
import { type Dress, Scene, type Way } from './scene.ts';

const MIB = 1024 * 1024;
const both = ['linux/amd64', 'linux/arm64'];
const CLIENTS = ['skopeo', 'podman', 'ctr'] as const;
type Client = (typeof CLIENTS)[number];

const IMAGES: Readonly<Record<string, ImageSpec>> = {
  'oci-gzip': { layers: [MIB, 3 * MIB] },
  'oci-index': { layers: [MIB, 2 * MIB], platforms: both },
  'oci-zstd': { layers: [MIB, 4 * MIB], compression: 'zstd' },
  'oci-zstd-index': { layers: [MIB], compression: 'zstd', platforms: both },
  docker: { layers: [MIB, 2 * MIB], form: 'docker' },
  'docker-list': { layers: [2 * MIB], form: 'docker', platforms: both },
  ...(isShort
    ? {}
    : { large: { layers: [MIB, 16 * MIB, 64 * MIB] }, 'large-zstd': { layers: [64 * MIB], compression: 'zstd' } }),
};
/** The kinds of image are shown once per client; the kinds of registry with one image. */
const ONE_IMAGE = 'oci-index';
const WAYS: readonly (readonly [Way, Dress])[] = [
  ['mirror', 'plain'],
  ['mirror', 'tls'],
  ['mirror', 'htpasswd'],
  ['mirror', 'bearer'],
  ['proxy', 'plain'],
  ['proxy', 'htpasswd'],
  ['proxy', 'bearer-by-name'],
  ['interception', 'tls'],
];

const lackRegistry = lacking('docker-registry');
const LACKS: Readonly<Record<Client, string | undefined>> = {
  skopeo: lackRegistry ?? lacking('skopeo'),
  podman: lackRegistry ?? lacking('podman'),
  ctr: lackRegistry ?? lacking('containerd', 'ctr'),
};

let scene: Scene;
let skopeo: Skopeo;
let podman: Podman;
let containerd: Containerd | undefined;
const images = new Map<string, Image>();

beforeAll(async () => {
  if (lackRegistry !== undefined) return;
  scene = await Scene.start();
  skopeo = new Skopeo(scene.lab.folder);
  podman = new Podman(scene.lab.folder);
  if (LACKS.ctr === undefined) containerd = await Containerd.start(scene.lab.folder);
});
afterAll(async () => {
  await podman?.close();
  await containerd?.close();
  await scene?.close();
});

/**
 * Pushed when it is first pulled: all of them at once are some hundred MiB. Each client has bytes of its own, so that none finds
 * the cache filled by another.
 */
async function published(client: Client, name: string): Promise<Image> {
  const known = images.get(`${client}/${name}`);
  if (known !== undefined) return known;
  const spec = IMAGES[name];
  if (spec === undefined) throw new Error(`no image ${name}`);
  const image = makeImage({ ...spec, seed: 1 + images.size });
  images.set(`${client}/${name}`, image);
  await scene.push(client, name, image);
  return image;
}

/** What is wrong with the pull; undefined when nothing is. */
async function problemOf(client: Client, way: Way, dress: Dress, name: string): Promise<string | undefined> {
  const image = await published(client, name);
  const reference = scene.reference(dress, `${client}:${name}`);
  switch (client) {
    case 'skopeo': {
      const { code, stderr, folder } = await skopeo.pull(reference, await scene.access(dress, way));
      return code === 0 ? pulledProblem(folder, image) : stderr;
    }
    case 'podman': {
      const { code, stderr, home } = await podman.pull(reference, await scene.access(dress, way));
      return code === 0 ? podman.problem(home, image) : stderr;
    }
    case 'ctr': {
      if (containerd === undefined) throw new Error('no containerd');
      const { code, stderr, namespace } = await containerd.pull(reference, await scene.ctrAccess(dress, way));
      return code === 0 ? containerd.problem(namespace, image) : stderr;
    }
  }
}

for (const client of CLIENTS)
  describe.skipIf(LACKS[client] !== undefined)(titled(client, LACKS[client]), () => {
    for (const name of Object.keys(IMAGES))
      test(`pulls ${name} by mirror`, async () => {
        expect(await problemOf(client, 'mirror', 'plain', name)).toBeUndefined();
      });
    for (const [way, dress] of WAYS)
      test(`pulls by ${way} from a registry that is ${dress}`, async () => {
        expect(await problemOf(client, way, dress, ONE_IMAGE)).toBeUndefined();
      });
  });

describe.skipIf(lackRegistry !== undefined)(titled('the registry', lackRegistry), () => {
  test('was asked for the bytes of each blob once, by whatever client, way and name', () => {
    const all = Object.values(scene.registries).flatMap((registry) => registry.reads());
    const blobs = all.filter((line) => line.startsWith('GET ') && line.includes('/blobs/'));
    const digests = blobs.map((line) => line.slice(line.lastIndexOf('/') + 1));
    expect(digests.length).toBeGreaterThan(0);
    expect(digests.filter((digest, at) => digests.indexOf(digest) !== at)).toEqual([]);
  });
});
