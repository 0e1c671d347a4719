/** podman with a storage of its own. It unpacks what it pulls, so the files of the layers are what is hashed. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath, type Result, run, runWell } from './command.ts';
import { type Image, sha256 } from './image.ts';
import { type Access, authFile, insecurely, proxyEnv } from './skopeo.ts';

export const podmanPath = programPath('podman');

export class Podman {
  readonly #folder: string;
  readonly #homes: string[] = [];

  constructor(folder: string) {
    this.#folder = mkdtempSync(join(folder, 'p-'));
    writeFileSync(join(this.#folder, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  }

  /** Into a storage of its own, so that nothing is there already. */
  async pull(reference: string, access: Access = {}): Promise<Result & { readonly home: string }> {
    const home = mkdtempSync(join(this.#folder, 'h-'));
    this.#homes.push(home);
    mkdirSync(join(home, 'registries.conf.d'));
    writeFileSync(join(home, 'registries.conf'), access.mirror?.conf ?? '');
    const env = {
      HOME: home,
      CONTAINERS_REGISTRIES_CONF: join(home, 'registries.conf'),
      ...proxyEnv(access),
    };
    const flags = [
      ...insecurely('--tls-verify', access),
      ...['--signature-policy', join(this.#folder, 'policy.json')],
      ...['--authfile', authFile(home, access)],
      ...(access.credentials === undefined ? [] : ['--creds', access.credentials]),
    ];
    return { ...(await run('podman', [...storage(home), 'pull', ...flags, reference], { env })), home };
  }

  /** What is wrong with the image as it was unpacked for this machine; undefined when nothing is. */
  async problem(home: string, image: Image, platform = 'linux/amd64'): Promise<string | undefined> {
    const list = [...storage(home), 'images', '--format', '{{.Digest}}'];
    const digest = (await runWell('podman', list)).trim();
    if (!image.manifests.has(digest)) return `its digest is ${digest}`;
    const held = files(home);
    const wrong = image.files.find((file) => file.platform === platform && held.get(file.name) !== file.sha256);
    return wrong === undefined ? undefined : `${wrong.name} is missing or wrong`;
  }

  /** Removes its images; what podman mounted is gone with them. */
  async close(): Promise<void> {
    for (const home of this.#homes) await run('podman', [...storage(home), 'system', 'reset', '--force']);
  }
}

function storage(home: string): string[] {
  const places = ['--root', join(home, 'root'), '--runroot', join(home, 'r')];
  return [...places, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
}

/** sha256 of what was unpacked, by the file's name. */
function files(home: string): Map<string, string> {
  const layers = join(home, 'root', 'vfs', 'dir');
  const paths = readdirSync(layers).flatMap((layer) =>
    readdirSync(join(layers, layer)).map((name) => [name, join(layers, layer, name)] as const),
  );
  return new Map(
    paths.filter(([, path]) => statSync(path).isFile()).map(([name, path]) => [name, sha256(readFileSync(path))]),
  );
}
