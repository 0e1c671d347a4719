/** dockerd, where it is installed and starts: by its mirror list, by the proxy, and intercepted. Not in the short form. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking, titled } from '../support/client-programs.ts';
import { startDfdaemon } from '../support/dfdaemon.ts';
import { Dockerd } from '../support/dockerd.ts';
import { makeImage } from '../support/image.ts';
import { Lab } from '../support/lab.ts';
import { Registry } from '../support/registry.ts';
import { TokenServer } from '../support/registry-tokens.ts';
import { Scene } from './scene.ts';

const MIB = 1024 * 1024;
const lack = lacking('dockerd', 'docker');
const image = makeImage({
  layers: [MIB, 20 * MIB],
  form: 'docker',
  platforms: ['linux/amd64', 'linux/arm64'],
  seed: 300,
});

describe.skipIf(lack !== undefined)(titled('dockerd', lack), () => {
  let lab: Lab;
  let registry: Registry;
  let tokens: TokenServer;
  let node: string;
  beforeAll(async () => {
    lab = new Lab();
    tokens = await TokenServer.start();
    registry = await Registry.start({ auth: { type: 'bearer', tokens } });
    registry.add('library/app', 'v1', image);
    node = (await lab.supernode()).node;
  });
  afterAll(async () => {
    await registry?.close();
    await tokens?.close();
    await lab?.close();
  });

  test('pulls what it takes for docker.io by the mirror, with the tokens that the mirror gives', async () => {
    const dfdaemon = await startDfdaemon(lab, '127.0.0.2', node, { registry_mirror: { remote: registry.url } });
    const dockerd = await Dockerd.start({ mirror: dfdaemon.url }, lab.folder);
    const { code, stderr } = await dockerd.pull('app:v1');
    const problem = code === 0 ? await dockerd.problem(image) : stderr;
    await dockerd.close();
    expect(problem).toBeUndefined();
  });

  test('pulls by the proxy', async () => {
    const proxies = [{ regx: '^http://registry\\.test/', redirect: registry.url }];
    const dfdaemon = await startDfdaemon(lab, '127.0.0.3', node, { proxies });
    const dockerd = await Dockerd.start({ proxy: dfdaemon.url, insecure: ['registry.test'] }, lab.folder);
    const { code, stderr } = await dockerd.pull('registry.test/library/app:v1');
    const problem = code === 0 ? await dockerd.problem(image) : stderr;
    await dockerd.close();
    expect(problem).toBeUndefined();
  });
});

const lackRegistry = lack ?? lacking('docker-registry');
describe.skipIf(lackRegistry !== undefined)(titled('dockerd and a registry over TLS', lackRegistry), () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start();
  });
  afterAll(() => scene?.close());

  test('pulls by intercepted https', async () => {
    await scene.push('docker', 'v1', image);
    const { proxy, caFile } = await scene.access('tls', 'interception');
    if (proxy === undefined || caFile === undefined) throw new Error('a way through the proxy');
    const dockerd = await Dockerd.start({ proxy, caFile }, scene.lab.folder);
    const { code, stderr } = await dockerd.pull(scene.reference('tls', 'docker:v1'));
    const problem = code === 0 ? await dockerd.problem(image) : stderr;
    await dockerd.close();
    expect(problem).toBeUndefined();
  });
});
