/**
 * containerd with everything of its own below a folder, and ctr. A pull fetches into the content store without unpacking,
 * each into its own namespace; contents are not shared between namespaces, so each is a pull from the start. With its CRI
 * plugin it pulls as for Kubernetes (cri.ts), into the namespace `k8s.io`.
 */

import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath, type Result, run, runWell, Service } from './command.ts';
import { CriImages } from './cri.ts';
import { hashFile } from './hash-file.ts';
import type { Image } from './image.ts';
import { type Access, proxyEnv } from './skopeo.ts';

export const containerdPath = programPath('containerd') === undefined ? undefined : programPath('ctr');

export type CtrAccess = Omit<Access, 'mirror'> & {
  /** A folder with `<registry>/hosts.toml`. */
  readonly hostsDir?: string;
  readonly plainHttp?: boolean;
};

const CRI = 'io.containerd.grpc.v1.cri';
/** Where everything goes that is pulled by CRI. */
export const CRI_NAMESPACE = 'k8s.io';

export class Containerd {
  readonly folder: string;
  readonly #service: Service;
  #pulls = 0;

  private constructor(folder: string, service: Service) {
    this.folder = folder;
    this.#service = service;
  }

  /** `cri`: with the CRI plugin, and these lines of config.toml for it. */
  static async start(parent = tmpdir(), options: { readonly cri?: string } = {}): Promise<Containerd> {
    // Short, because of the sockets below it.
    const folder = mkdtempSync(join(parent, 'ctd-'));
    const config = join(folder, 'config.toml');
    writeFileSync(
      config,
      `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = [${options.cri === undefined ? `"${CRI}", ` : ''}"io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${folder}/c.sock"
[ttrpc]
  address = "${folder}/t.sock"
[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "isolated"
${options.cri === undefined ? '' : criLines(folder, options.cri)}`,
    );
    const service = new Service('containerd', ['--config', config, '--log-level', 'warn']);
    const containerd = new Containerd(folder, service);
    await service.ready(async () => (await containerd.ctr('none', ['version'])).code === 0);
    // The plugin begins to answer a little later.
    if (options.cri !== undefined)
      await service.ready(async () => (await containerd.cri((images) => images.status('none.test/a:b'))) === undefined);
    return containerd;
  }

  /** Speaks to its CRI plugin. */
  async cri<T>(work: (images: CriImages) => Promise<T>): Promise<T> {
    const images = new CriImages(join(this.folder, 'c.sock'));
    try {
      return await work(images);
    } finally {
      images.close();
    }
  }

  ctr(namespace: string, args: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Result> {
    return run('ctr', ['--address', join(this.folder, 'c.sock'), '--namespace', namespace, ...args], options);
  }

  /** Fetches `registry/name:tag`, every platform of it. */
  async pull(reference: string, access: CtrAccess = {}, limitMs?: number): Promise<Result & { namespace: string }> {
    const namespace = `pull${++this.#pulls}`;
    const args = ['content', 'fetch', '--all-platforms', ...flagsOf(access), reference];
    const options = { env: proxyEnv(access), ...(limitMs === undefined ? {} : { limitMs }) };
    return { ...(await this.ctr(namespace, args, options)), namespace };
  }

  /** Pushes what an earlier pull fetched under `reference`. */
  push(namespace: string, reference: string, local: string, access: CtrAccess = {}): Promise<Result> {
    const args = ['images', 'push', ...flagsOf(access), reference, local];
    return this.ctr(namespace, args, { env: proxyEnv(access) });
  }

  /** What is wrong with the contents of a namespace that should hold all of the image; undefined when nothing is. */
  async problem(namespace: string, image: Image): Promise<string | undefined> {
    const socket = join(this.folder, 'c.sock');
    const list = await runWell('ctr', ['--address', socket, '--namespace', namespace, 'content', 'ls', '--quiet']);
    const held = new Set(list.split('\n'));
    for (const digest of [...image.manifests.keys(), ...image.blobs.keys()]) {
      if (!held.has(digest)) return `${digest} is missing`;
      const hex = digest.slice('sha256:'.length);
      const file = join(this.folder, 'root', 'io.containerd.content.v1.content', 'blobs', 'sha256', hex);
      if (!existsSync(file)) return `${digest} has no file`;
      if ((await hashFile(file)) !== hex) return `${digest} is wrong`;
    }
    return undefined;
  }

  close(): Promise<void> {
    return this.#service.stop();
  }
}

function flagsOf({ hostsDir, plainHttp, insecure, credentials }: CtrAccess): string[] {
  return [
    ...(hostsDir === undefined ? [] : ['--hosts-dir', hostsDir]),
    ...(plainHttp ? ['--plain-http'] : []),
    ...(insecure ? ['--skip-verify'] : []),
    ...(credentials === undefined ? [] : ['--user', credentials]),
  ];
}

/** No network and no pod is made; layers are unpacked into plain folders, which works on every file system. */
function criLines(folder: string, more: string): string {
  return `[plugins."${CRI}"]
  [plugins."${CRI}".cni]
    bin_dir = "${folder}/cni-bin"
    conf_dir = "${folder}/cni"
  [plugins."${CRI}".containerd]
    snapshotter = "native"
${more}
`;
}
