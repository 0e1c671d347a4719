/** Images pushed through the proxy into a real registry: what lies there afterwards has the digests that were pushed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking, titled } from '../support/client-programs.ts';
import { Containerd } from '../support/containerd.ts';
import { type Image, makeImage, sha256, writeLayout } from '../support/image.ts';
import { Skopeo } from '../support/skopeo.ts';
import { Scene } from './scene.ts';

const MIB = 1024 * 1024;
const lackRegistry = lacking('docker-registry');
const lackSkopeo = lackRegistry ?? lacking('skopeo');
const lackCtr = lackRegistry ?? lacking('containerd', 'ctr');

let scene: Scene;
let containerd: Containerd | undefined;
beforeAll(async () => {
  if (lackRegistry !== undefined) return;
  scene = await Scene.start();
  if (lackCtr === undefined) containerd = await Containerd.start(scene.lab.folder);
});
afterAll(async () => {
  await containerd?.close();
  await scene?.close();
});

/** Every manifest and blob, hashed as the registry gives it out itself. */
async function expectInRegistry(repository: string, tag: string, image: Image): Promise<void> {
  const base = `${scene.registries.plain.url}/v2/${repository}`;
  const read = async (path: string) => {
    // Without them this registry rewrites what it holds into the form of another age.
    const accept = [...image.manifests.values()].map(({ mediaType }) => mediaType).join(', ');
    const response = await fetch(`${base}/${path}`, { headers: { accept } });
    return `sha256:${sha256(Buffer.from(await response.arrayBuffer()))}`;
  };
  expect(await read(`manifests/${tag}`)).toBe(image.root.digest);
  for (const digest of image.manifests.keys()) expect(await read(`manifests/${digest}`)).toBe(digest);
  for (const digest of image.blobs.keys()) expect(await read(`blobs/${digest}`)).toBe(digest);
}

describe.skipIf(lackSkopeo !== undefined)(titled('skopeo', lackSkopeo), () => {
  test.each(['plain', 'htpasswd', 'bearer-by-name'] as const)(
    'pushes by the proxy to a registry that is %s',
    async (dress) => {
      const image = makeImage({
        layers: [MIB, 9 * MIB],
        platforms: ['linux/amd64', 'linux/arm64'],
        seed: 90 + dress.length,
      });
      const layout = scene.lab.path(`layout-${dress}`);
      writeLayout(layout, image, 'v1');
      const skopeo = new Skopeo(scene.lab.folder);
      const pushed = await skopeo.push(
        layout,
        'v1',
        scene.reference(dress, `skopeo-${dress}:v1`),
        await scene.access(dress, 'proxy'),
      );
      expect(pushed).toMatchObject({ code: 0, stderr: expect.any(String) });
      await expectInRegistry(`skopeo-${dress}`, 'v1', image);
    },
  );
});

describe.skipIf(lackCtr !== undefined)(titled('ctr', lackCtr), () => {
  test.each(['plain', 'htpasswd'] as const)('pushes by the proxy to a registry that is %s', async (dress) => {
    const image = makeImage({ layers: [MIB, 9 * MIB], seed: 190 + dress.length });
    await scene.push('given', dress, image);
    const access = await scene.ctrAccess(dress, 'proxy');
    const given = scene.reference('plain', `given:${dress}`);
    if (containerd === undefined) throw new Error('no containerd');
    const { namespace } = await containerd.pull(given, await scene.ctrAccess('plain', 'proxy'));
    const pushed = await containerd.push(namespace, scene.reference(dress, `ctr-${dress}:v1`), given, access);
    expect(pushed).toMatchObject({ code: 0, stderr: expect.any(String) });
    await expectInRegistry(`ctr-${dress}`, 'v1', image);
  });
});
