/**
 * A real registry in every dress, a supernode, one dfdaemon, and the ways on which clients reach the registries through
 * it. The names of the registries resolve nowhere, so that no client can get round dfdaemon.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { makeAuthority, readAuthority } from '../../src/dfdaemon/ca/authority.ts';
import { keyPem, newKeyPair, writeLeaf } from '../../src/dfdaemon/ca/x509.ts';
import type { CtrAccess } from '../support/containerd.ts';
import { type Dfdaemon, startDfdaemon } from '../support/dfdaemon.ts';
import { DockerRegistry, PASSWORD, USER } from '../support/docker-registry.ts';
import { type Image, pushImage } from '../support/image.ts';
import { Lab } from '../support/lab.ts';
import { TokenServer } from '../support/registry-tokens.ts';
import type { Access } from '../support/skopeo.ts';

export type Dress = 'plain' | 'tls' | 'htpasswd' | 'bearer' | 'bearer-by-name';
export type Way = 'mirror' | 'proxy' | 'interception';

const TOKENS_NAME = 'tokens.test';
const nameOf = (dress: Dress): string => `${dress}.test`;
const escaped = (name: string): string => name.replaceAll('.', String.raw`\.`);

export class Scene {
  readonly lab: Lab;
  readonly dfdaemon: Dfdaemon;
  readonly registries: Readonly<Record<Dress, DockerRegistry>>;
  readonly tokens: TokenServer;
  readonly #named: TokenServer;
  readonly #caFile: string;

  private constructor(parts: {
    lab: Lab;
    dfdaemon: Dfdaemon;
    registries: Readonly<Record<Dress, DockerRegistry>>;
    tokens: readonly [TokenServer, TokenServer];
    caFile: string;
  }) {
    this.lab = parts.lab;
    this.dfdaemon = parts.dfdaemon;
    this.registries = parts.registries;
    [this.tokens, this.#named] = parts.tokens;
    this.#caFile = parts.caFile;
  }

  static async start(): Promise<Scene> {
    const lab = new Lab();
    const users = { [USER]: PASSWORD };
    const tokens = [
      await TokenServer.start({ users }),
      await TokenServer.start({ users, realm: `http://${TOKENS_NAME}/token` }),
    ] as const;
    const { tls, caFile: registryCa } = await certificateFor(lab, '127.0.0.1');
    const storage = lab.path('storage');
    const folder = lab.folder;
    const registries = {
      plain: await DockerRegistry.start(folder, { storage }),
      tls: await DockerRegistry.start(folder, { storage, tls }),
      htpasswd: await DockerRegistry.start(folder, { storage, auth: 'htpasswd' }),
      bearer: await DockerRegistry.start(folder, { storage, auth: tokens[0] }),
      'bearer-by-name': await DockerRegistry.start(folder, { storage, auth: tokens[1] }),
    };
    const [cert, key] = [lab.path('ca.crt'), lab.path('ca.key')];
    const made = await lab.run('dfdaemon', ['gen-ca', '--cert-output', cert, '--key-output', key]).ended;
    if (made.code !== 0) throw new Error(made.stderr);
    const supernode = await lab.supernode();
    const dresses = Object.entries(registries) as [Dress, DockerRegistry][];
    const redirected = [
      ...dresses.map(([dress, { url }]) => [nameOf(dress), url]),
      [TOKENS_NAME, `http://${tokens[1].host}`],
    ];
    const dfdaemon = await startDfdaemon(lab, '127.0.0.2', supernode.node, {
      registries: dresses.map(([dress, { url }]) => ({
        host: nameOf(dress),
        remote: url,
        certs: dress === 'tls' ? [registryCa] : [],
      })),
      proxies: redirected.map(([name = '', url = '']) => ({
        regx: `^https?://${escaped(name)}[:/]`,
        redirect: url,
        direct: name === TOKENS_NAME,
      })),
      hijack_https: { cert, key, hosts: [{ regx: `^${escaped(nameOf('tls'))}:`, certs: [registryCa] }] },
    });
    return new Scene({ lab, dfdaemon, registries, tokens, caFile: cert });
  }

  push(repository: string, tag: string, image: Image): Promise<void> {
    return pushImage(this.registries.plain.url, repository, tag, image);
  }

  reference(dress: Dress, name: string): string {
    return `${nameOf(dress)}/${name}`;
  }

  /** For skopeo and podman. */
  async access(dress: Dress, way: Way): Promise<Access> {
    const credentials = hasAuth(dress) ? { credentials: `${USER}:${PASSWORD}` } : {};
    if (way === 'mirror') {
      const file = await this.#configured('podman', dress, 'etc/containers/registries.conf.d/99-dragonfly.conf');
      return { ...credentials, mirror: { conf: readFileSync(file, 'utf8'), host: this.dfdaemon.host } };
    }
    const proxy = this.dfdaemon.url;
    return way === 'proxy'
      ? { ...credentials, proxy, insecure: true }
      : { ...credentials, proxy, caFile: this.#caFile };
  }

  async ctrAccess(dress: Dress, way: Way): Promise<CtrAccess> {
    const credentials = hasAuth(dress) ? { credentials: `${USER}:${PASSWORD}` } : {};
    if (way === 'mirror')
      return { ...credentials, hostsDir: await this.#configured('containerd', dress, 'etc/containerd/certs.d') };
    const proxy = this.dfdaemon.url;
    return way === 'proxy'
      ? { ...credentials, proxy, plainHttp: true }
      : { ...credentials, proxy, caFile: this.#caFile };
  }

  /** What `dfdaemon configure` writes, in a root of its own. */
  async #configured(engine: string, dress: Dress, path: string): Promise<string> {
    const root = this.lab.path(`root-${engine}-${dress}`);
    const flags = ['--root', root, '--address', this.dfdaemon.host, '--registry', nameOf(dress)];
    const { code, stderr } = await this.lab.run('dfdaemon', ['configure', engine, ...flags]).ended;
    if (code !== 0) throw new Error(stderr);
    return `${root}/${path}`;
  }

  async close(): Promise<void> {
    const servers = [...Object.values(this.registries), this.tokens, this.#named];
    await Promise.all(servers.map((server) => server.close()));
    await this.lab.close();
  }
}

export function hasAuth(dress: Dress): boolean {
  return dress !== 'plain' && dress !== 'tls';
}

async function certificateFor(lab: Lab, name: string) {
  const pair = await makeAuthority();
  const authority = await readAuthority(pair, 'the test');
  if (authority.type !== 'signing') throw new Error('it signs');
  const keys = await newKeyPair();
  const until = Date.parse(new X509Certificate(pair.certificates).validTo);
  const cert = await writeLeaf(authority.signer, name, keys.publicKey, [Date.now(), until]);
  const caFile = lab.path('registry-ca.crt');
  writeFileSync(caFile, pair.certificates);
  return { tls: { cert, key: await keyPem(keys.privateKey) }, caFile };
}
