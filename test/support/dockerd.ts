/** dockerd with everything of its own below a folder, without networks, so that it starts in a container too. */
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath, type Result, run, runWell, Service } from './command.ts';
import { type Image, sha256 } from './image.ts';
import { proxyEnv } from './skopeo.ts';

export const dockerdPath = programPath('docker') === undefined ? undefined : programPath('dockerd');

export type DockerdOptions = {
  readonly mirror?: string;
  readonly proxy?: string;
  readonly caFile?: string;
  /** Registries that are asked by plain HTTP. */
  readonly insecure?: readonly string[];
};

export class Dockerd {
  readonly folder: string;
  readonly #service: Service;

  private constructor(folder: string, service: Service) {
    this.folder = folder;
    this.#service = service;
  }

  /** Fails with what dockerd said where it cannot run. */
  static async start(options: DockerdOptions = {}, parent = tmpdir()): Promise<Dockerd> {
    const folder = mkdtempSync(join(parent, 'dkd-'));
    const config = join(folder, 'daemon.json');
    writeFileSync(
      config,
      JSON.stringify({
        'data-root': join(folder, 'root'),
        'exec-root': join(folder, 'exec'),
        pidfile: join(folder, 'pid'),
        hosts: [`unix://${folder}/d.sock`],
        bridge: 'none',
        iptables: false,
        'storage-driver': 'vfs',
        ...(options.mirror === undefined ? {} : { 'registry-mirrors': [options.mirror] }),
        ...(options.insecure === undefined ? {} : { 'insecure-registries': options.insecure }),
      }),
    );
    const service = new Service('dockerd', ['--config-file', config], { env: proxyEnv(options) });
    const dockerd = new Dockerd(folder, service);
    await service.ready(async () => (await dockerd.docker(['version'])).code === 0, 60_000);
    return dockerd;
  }

  docker(args: readonly string[]): Promise<Result> {
    const env = { HOME: this.folder, DOCKER_CONFIG: join(this.folder, 'config') };
    return run('docker', ['--host', `unix://${this.folder}/d.sock`, ...args], { env });
  }

  pull(reference: string): Promise<Result> {
    return this.docker(['pull', '--quiet', reference]);
  }

  /** What is wrong with the one image that it holds, by the files that were unpacked; undefined when nothing is. */
  async problem(image: Image, platform = 'linux/amd64'): Promise<string | undefined> {
    const layers = join(this.folder, 'root', 'vfs', 'dir');
    const paths = readdirSync(layers).flatMap((layer) =>
      readdirSync(join(layers, layer)).map((name) => [name, join(layers, layer, name)] as const),
    );
    const held = new Map(
      paths.filter(([, path]) => statSync(path).isFile()).map(([name, path]) => [name, sha256(readFileSync(path))]),
    );
    const wrong = image.files.find((file) => file.platform === platform && held.get(file.name) !== file.sha256);
    if (wrong !== undefined) return `${wrong.name} is missing or wrong`;
    const host = ['--host', `unix://${this.folder}/d.sock`];
    const id = (await runWell('docker', [...host, 'images', '--no-trunc', '--quiet'])).trim();
    return image.blobs.has(id) ? undefined : `the image is ${id}`;
  }

  close(): Promise<void> {
    return this.#service.stop();
  }
}
