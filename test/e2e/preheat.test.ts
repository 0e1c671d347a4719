/** Contents that are brought before anybody asks for them: into the cache, and on to hosts. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PreheatView } from '../../src/supernode/preheat/preheat-request.ts';
import { programPath, runWell } from '../support/command.ts';
import { DockerRegistry, dockerRegistryPath, PASSWORD, USER } from '../support/docker-registry.ts';
import { download } from '../support/download.ts';
import { freePort } from '../support/free-port.ts';
import { type Image, makeImage, pushImage } from '../support/image.ts';
import { Lab, type Supernode } from '../support/lab.ts';
import { Registry } from '../support/registry.ts';
import { TokenServer } from '../support/registry-tokens.ts';
import { Sample } from '../support/sample.ts';

const MIB = 1024 * 1024;
const LOOK_MS = 50;

let lab: Lab;
const closing: { close(): Promise<void> }[] = [];
beforeEach(() => {
  lab = new Lab();
});
afterEach(async () => {
  await lab.close();
  await Promise.all(closing.splice(0).map((each) => each.close()));
});

async function api(supernode: Supernode, method: string, path: string, body?: object) {
  const request =
    body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`http://${supernode.node}${path}`, { method, ...request });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as unknown };
}

async function preheated(supernode: Supernode, body: object): Promise<PreheatView> {
  const begun = await api(supernode, 'POST', '/v1/preheats', body);
  expect(begun.status).toBe(201);
  const { id } = begun.body as PreheatView;
  for (;;) {
    const view = (await api(supernode, 'GET', `/v1/preheats/${id}`)).body as PreheatView;
    if (view.state !== 'waiting' && view.state !== 'running') return view;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

async function freePorts(ip: string): Promise<{ port: number; downloadPort: number }> {
  return { port: await freePort(ip), downloadPort: await freePort(ip) };
}

function blobsOf(image: Image): readonly string[] {
  return [...image.blobs.keys()];
}

async function registryWith(options: Parameters<typeof Registry.start>[0] = {}): Promise<Registry> {
  const registry = await Registry.start(options);
  closing.push(registry);
  return registry;
}

describe('a file', () => {
  it('is in the cache, and on the chosen hosts, which never saw its credentials', async () => {
    const source = await lab.source();
    const sample = new Sample(9 * MIB, 1);
    const authorization = 'Bearer very-secret';
    const url = source.serve('file.bin', sample, { authorization });
    const supernode = await lab.supernode();
    const [one, two] = await Promise.all(['127.0.0.2', '127.0.0.3'].map((ip) => lab.agent(ip, supernode.node)));
    if (one === undefined || two === undefined) throw new Error('no agents');
    const view = await preheated(supernode, {
      type: 'file',
      url,
      headers: { Authorization: authorization },
      scope: 'hosts',
      tag: 'nightly',
    });
    expect(view).toMatchObject({ state: 'done', length: sample.length, done: sample.length });
    expect(view.hosts.map(({ state, done }) => [state, done])).toEqual([
      ['done', sample.length],
      ['done', sample.length],
    ]);
    expect(source.count('file.bin')).toMatchObject({ gets: 1, bodyBytes: sample.length });
    expect(JSON.stringify(view)).not.toContain('very-secret');
    for (const agent of [one, two]) expect(lab.logOf(agent)).not.toContain('very-secret');
    const listed = await api(supernode, 'GET', '/preheats?tag=nightly');
    expect(listed.body).toMatchObject({ preheats: [{ id: view.id, ID: view.id, status: 'SUCCESS' }] });

    const outcome = await download(lab, one, url, lab.path('out'), '--header', `Authorization: ${authorization}`);
    expect(outcome).toMatchObject({ code: 0, result: { fromDisk: sample.length } });
    expect(await lab.sha256(lab.path('out'))).toBe(sample.digest());
  });

  it('that does not exist says so, with the layer’s and the preheat’s fault', async () => {
    const source = await lab.source();
    const supernode = await lab.supernode();
    const view = await preheated(supernode, { type: 'file', url: `${source.url}/nothing` });
    expect(view).toMatchObject({
      state: 'failed',
      fault: { code: 'source-refused', sourceStatus: 404 },
      layers: [{ state: 'failed' }],
    });
    expect((await api(supernode, 'DELETE', `/v1/preheats/${view.id}`)).status).toBe(204);
    expect((await api(supernode, 'GET', `/v1/preheats/${view.id}`)).status).toBe(404);
  });

  it('is refused with the field’s name when the request is wrong', async () => {
    const supernode = await lab.supernode();
    for (const [body, text] of [
      [{ type: 'tape', url: 'http://x/y' }, 'type'],
      [{ type: 'file' }, 'url'],
      [{ type: 'file', url: 'ftp://x/y' }, 'ftp'],
      [{ type: 'image', url: 'No Image' }, 'image'],
      [{ type: 'image', url: 'app', platform: 'linux' }, 'platform'],
      [{ type: 'image', url: 'app', platfrom: 'linux/arm64' }, 'platfrom'],
      [{ type: 'file', url: 'http://x/y', headers: { A: 'b\r\nc' } }, 'header'],
    ] as const) {
      const answer = await api(supernode, 'POST', '/v1/preheats', body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'usage', message: expect.stringContaining(text) } });
    }
    const nobody = await preheated(supernode, { type: 'file', url: 'http://127.0.0.1:9/x', scope: 'hosts' });
    expect(nobody).toMatchObject({ state: 'failed', fault: { code: 'not-found' } });
  });
});

describe('an image', () => {
  it.each(['oci', 'docker'] as const)(
    'of form %s comes with an index: one platform, layers once, cheap when repeated',
    async (form) => {
      const registry = await registryWith();
      const image = makeImage({ layers: [MIB, 3 * MIB], platforms: ['linux/amd64', 'linux/arm64'], form });
      registry.add('team/app', 'v1', image);
      registry.add('team/other', 'v1', image);
      const supernode = await lab.supernode();
      const name = `${registry.host}/team/app:v1`;
      const view = await preheated(supernode, { type: 'image', url: name, platform: 'linux/arm64' });
      expect(view).toMatchObject({ state: 'done', platform: 'linux/arm64' });
      expect(view.layers).toHaveLength(3);
      const read = blobsOf(image).filter((digest) => registry.count(digest).gets > 0);
      expect(read).toHaveLength(3);
      const again = await preheated(supernode, { type: 'image', url: name, platform: 'linux/arm64' });
      expect(again).toMatchObject({ state: 'done', done: view.done });
      const shared = await preheated(supernode, { type: 'image', url: `${registry.host}/team/other:v1` });
      expect(shared).toMatchObject({ state: 'done' });
      expect(blobsOf(image).map((digest) => registry.count(digest).gets)).toEqual(blobsOf(image).map(() => 1));
      const none = await preheated(supernode, { type: 'image', url: name, platform: 'plan9/mips' });
      expect(none).toMatchObject({ state: 'failed', fault: { code: 'not-found' } });
      expect(none.fault?.message).toContain('linux/amd64, linux/arm64');
    },
  );

  it('of a registry with tokens costs one token, by name and password or by dfget with a login', async () => {
    const tokens = await TokenServer.start({ users: { ann: 'secret' } });
    closing.push(tokens);
    const registry = await registryWith({ auth: { type: 'bearer', tokens } });
    const image = makeImage({ layers: [MIB, MIB, MIB] });
    registry.add('private', 'v1', image);
    const supernode = await lab.supernode();
    const url = `http://${registry.host}/v2/private/manifests/v1`;
    expect(await preheated(supernode, { type: 'image', url })).toMatchObject({
      state: 'failed',
      fault: { code: 'source-refused' },
    });
    const view = await preheated(supernode, { type: 'image', url, username: 'ann', password: 'secret' });
    expect(view).toMatchObject({ state: 'done' });
    expect(tokens.given).toHaveLength(1);
    const auth = Buffer.from('ann:secret').toString('base64');
    writeFileSync(lab.path('auth.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const args = ['preheat', `${registry.host}/private:v1`, '--wait', '--node', supernode.node];
    const done = await lab.run('dfget', [...args, '--authfile', lab.path('auth.json')]).ended;
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(/private:v1 is in the cache: 3\S* MiB in 4 layers/);
  });

  it('of a registry with Basic authorization', async () => {
    const registry = await registryWith({ auth: { type: 'basic', user: 'ann', password: 'secret' } });
    registry.add('private', 'v1', makeImage({ layers: [MIB] }));
    const supernode = await lab.supernode();
    const headers = { Authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` };
    const body = { type: 'image', url: `${registry.host}/private:v1`, headers };
    expect(await preheated(supernode, body)).toMatchObject({ state: 'done' });
  });
});

describe.runIf(dockerRegistryPath !== undefined)('the real docker-registry', () => {
  async function started(
    auth?: 'htpasswd' | TokenServer,
  ): Promise<{ registry: DockerRegistry; image: Image; name: string }> {
    const storage = lab.path('storage');
    const open = await DockerRegistry.start(lab.folder, { storage });
    closing.push(open);
    const image = makeImage({ layers: [2 * MIB, 5 * MIB, 100] });
    await pushImage(open.url, 'team/app', 'v1', image);
    const registry = auth === undefined ? open : await DockerRegistry.start(lab.folder, { storage, auth });
    if (registry !== open) closing.push(registry);
    return { registry, image, name: `${registry.host}/team/app:v1` };
  }

  /** The manifests stay; the bytes of configurations and layers are gone from the registry's disk. */
  function loseBlobs(image: Image): void {
    for (const digest of blobsOf(image)) {
      const hex = digest.slice('sha256:'.length);
      const folder = lab.path('storage', 'docker', 'registry', 'v2', 'blobs', 'sha256', hex.slice(0, 2), hex);
      rmSync(folder, { recursive: true });
    }
  }

  it('may lose its blobs after a preheat: hosts get them all the same', async () => {
    const { registry, image, name } = await started();
    const supernode = await lab.supernode();
    const agent = await lab.agent('127.0.0.2', supernode.node);
    const preheat = lab.run('dfget', ['preheat', name, '--wait', '--scope', 'hosts', '--node', supernode.node]);
    expect(await preheat.ended).toMatchObject({ code: 0, stderr: '' });
    loseBlobs(image);
    const other = await lab.agent('127.0.0.3', supernode.node);
    for (const [digest, { bytes }] of image.blobs) {
      const url = `${registry.url}/v2/team/app/blobs/${digest}`;
      for (const host of [agent, other]) {
        const outcome = await download(lab, host, url, lab.path('blob'), '--digest', digest, '--notbs');
        expect(outcome).toMatchObject({ code: 0, stderr: '' });
        const { fromDisk } = outcome.result ?? {};
        // What is small enough travels inside the answer and is not kept.
        if (bytes.length > 64 * 1024) expect(fromDisk).toBe(host === agent ? bytes.length : 0);
        expect(`sha256:${await lab.sha256(lab.path('blob'))}`).toBe(digest);
      }
    }
  });

  it('with htpasswd, and with tokens of which one is enough', async () => {
    const supernode = await lab.supernode();
    const login = { type: 'image', username: USER, password: PASSWORD };
    const basic = await started('htpasswd');
    expect(await preheated(supernode, { ...login, url: basic.name })).toMatchObject({ state: 'done' });
    const wrong = await preheated(supernode, { ...login, url: basic.name, password: 'wrong' });
    expect(wrong).toMatchObject({ state: 'failed', fault: { code: 'source-refused', sourceStatus: 401 } });

    const tokens = await TokenServer.start({ users: { [USER]: PASSWORD } });
    closing.push(tokens);
    const bearer = await started(tokens);
    // The blobs are in the cache by their digests already; another supernode knows nothing of them.
    const other = await lab.supernode({ ...supernode, home: lab.path('other'), ...(await freePorts(supernode.ip)) });
    expect(await preheated(other, { ...login, url: bearer.name })).toMatchObject({ state: 'done' });
    expect(tokens.given).toHaveLength(1);
  });

  it.runIf(programPath('skopeo') !== undefined)('may lose its blobs: skopeo pulls through dfdaemon', async () => {
    const { registry, image, name } = await started();
    const supernode = await lab.supernode();
    const done = await lab.run('dfget', ['preheat', name, '--wait', '--node', supernode.node]).ended;
    expect(done).toMatchObject({ code: 0, stderr: '' });
    loseBlobs(image);
    const port = await freePort('127.0.0.1');
    mkdirSync(lab.path('daemon'));
    const flags = ['--port', String(port), '--workHome', lab.path('daemon'), '--localIP', '127.0.0.4'];
    const daemon = lab.run('dfdaemon', [...flags, '--registry', registry.url, '--node', supernode.node]);
    await daemon.until((said) => said.includes('"ready"'));
    const from = `docker://127.0.0.1:${port}/team/app:v1`;
    const to = `oci:${lab.path('pulled')}:v1`;
    await runWell('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', from, to]);
    for (const digest of blobsOf(image)) {
      const file = lab.path('pulled', 'blobs', 'sha256', digest.slice('sha256:'.length));
      expect(`sha256:${await lab.sha256(file)}`).toBe(digest);
    }
  });
});
