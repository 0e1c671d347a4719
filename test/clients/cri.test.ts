/**
 * containerd as Kubernetes uses it: its CRI plugin, told of dfdaemon by what `dfdaemon configure containerd` writes. PullImage
 * needs neither a pod nor a network; the layers are fetched, checked and unpacked.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking, titled } from '../support/client-programs.ts';
import { Containerd, CRI_NAMESPACE } from '../support/containerd.ts';
import { type Dfdaemon, startDfdaemon } from '../support/dfdaemon.ts';
import { DockerRegistry, PASSWORD, USER } from '../support/docker-registry.ts';
import { type Image, makeImage, pushImage } from '../support/image.ts';
import { Lab, type Supernode } from '../support/lab.ts';

const MIB = 1024 * 1024;
/** The first is proved before it goes out, the second is streamed. */
const LAYERS = [MIB, 20 * MIB];
const NAMES = { plain: 'plain.test', htpasswd: 'private.test' } as const;
const FOLDER = '/etc/containerd/certs.d';
const lack = lacking('docker-registry', 'containerd', 'ctr');

describe.skipIf(lack !== undefined)(titled('containerd by CRI', lack), () => {
  let lab: Lab;
  let supernode: Supernode;
  let dfdaemon: Dfdaemon;
  let plain: DockerRegistry;
  let closed: DockerRegistry;
  let containerd: Containerd;
  let seed = 500;

  beforeAll(async () => {
    lab = new Lab();
    const storage = lab.path('storage');
    plain = await DockerRegistry.start(lab.folder, { storage });
    closed = await DockerRegistry.start(lab.folder, { storage, auth: 'htpasswd' });
    supernode = await lab.supernode();
    dfdaemon = await startDfdaemon(lab, '127.0.0.2', supernode.node, {
      registries: [
        { host: NAMES.plain, remote: plain.url },
        { host: NAMES.htpasswd, remote: closed.url },
      ],
    });
    containerd = await Containerd.start(lab.folder, { cri: await configured() });
  });
  afterAll(async () => {
    await containerd?.close();
    await plain?.close();
    await closed?.close();
    await lab?.close();
  });

  /** Lets dfdaemon write hosts.toml and its part of config.toml below a root, and gives that part for this root. */
  async function configured(): Promise<string> {
    const root = lab.path('root');
    const config = `${root}/etc/containerd/config.toml`;
    const head = 'version = 2\n';
    mkdirSync(`${root}/etc/containerd`, { recursive: true });
    writeFileSync(config, head);
    const registries = Object.values(NAMES).flatMap((name) => ['--registry', name]);
    const flags = ['--root', root, '--address', dfdaemon.host, ...registries];
    const { code, stderr } = await lab.run('dfdaemon', ['configure', 'containerd', ...flags]).ended;
    if (code !== 0) throw new Error(stderr);
    const text = readFileSync(config, 'utf8');
    expect(text).toContain(`config_path = "${FOLDER}"`);
    return text.replace(head, '').replace(`"${FOLDER}"`, `"${root}${FOLDER}"`);
  }

  async function published(tag: string): Promise<Image> {
    const image = makeImage({ layers: LAYERS, seed: ++seed });
    await pushImage(plain.url, 'team/app', tag, image);
    return image;
  }

  async function counts(): Promise<{ readonly p2p: number; readonly bySource: number }> {
    const answer = await fetch(`${dfdaemon.url}/status`);
    return (await answer.json()) as { p2p: number; bySource: number };
  }

  /** Blobs whose bytes a registry gave, by digest, as often as it did. */
  const blobReads = (registry: DockerRegistry): readonly string[] =>
    registry
      .reads()
      .filter((line) => /^GET .*\/blobs\//.test(line))
      .map((line) => line.slice(line.lastIndexOf('/') + 1));

  /** Pulls, and looks at what arrived and how. Gives the bytes that came straight from the registry. */
  async function pullWell(name: string, image: Image, credentials?: Parameters<typeof pull>[1]): Promise<number> {
    const before = await counts();
    const { code, said, imageRef } = await pull(name, credentials);
    expect({ code, said }).toEqual({ code: 0, said: '' });
    expect(imageRef).toMatch(/^sha256:/);
    expect(await containerd.cri((images) => images.status(name))).toBe(imageRef);
    expect(await containerd.problem(CRI_NAMESPACE, image)).toBeUndefined();
    const after = await counts();
    expect(after.p2p - before.p2p).toBe(image.blobs.size);
    return after.bySource - before.bySource;
  }

  const pull = (name: string, credentials?: { username: string; password: string }) =>
    containerd.cri((images) => images.pull(name, credentials));

  test('pulls by the mirror, and every blob travels P2P and is read once', async () => {
    const image = await published('open');
    expect(await pullWell(`${NAMES.plain}/team/app:open`, image)).toBe(0);
    expect([...blobReads(plain)].sort()).toEqual([...image.blobs.keys()].sort());
  });

  test('pulls with the credentials of the request where the registry wants them, and not without', async () => {
    const image = await published('private');
    const name = `${NAMES.htpasswd}/team/app:private`;
    const refused = await pull(name);
    expect(refused.code).not.toBe(0);
    expect(refused.said).toMatch(/401|unauthorized|authorization|no basic auth/i);
    expect(blobReads(closed)).toEqual([]);
    expect(await pullWell(name, image, { username: USER, password: PASSWORD })).toBe(0);
    expect([...blobReads(closed)].sort()).toEqual([...image.blobs.keys()].sort());
  });

  // The last one: nothing is left of the supernode.
  test('pulls when the supernode is dead', async () => {
    const image = await published('alone');
    await supernode.running.kill();
    await pullWell(`${NAMES.plain}/team/app:alone`, image);
  });
});
