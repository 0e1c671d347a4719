/** skopeo, which copies an image without unpacking it: what arrives can be hashed blob by blob. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath, type Result, run } from './command.ts';
import { type Image, sha256 } from './image.ts';

export const skopeoPath = programPath('skopeo');

export type Access = {
  /** HTTP and HTTPS proxy, `http://host:port`. */
  readonly proxy?: string;
  /** A file with the authorities to trust. */
  readonly caFile?: string;
  /** The text of a registries.conf that names a mirror, and the mirror's `host:port`. */
  readonly mirror?: { readonly conf: string; readonly host: string };
  /** `user:password`. */
  readonly credentials?: string;
  /** Plain HTTP, or certificates that are not verified. */
  readonly insecure?: boolean;
  /** So often it begins anew after an error that may pass. */
  readonly retries?: number;
};

export class Skopeo {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = mkdtempSync(join(folder, 'skopeo-'));
  }

  /** Copies `registry/name:tag` with all its platforms into a folder of its own. */
  async pull(reference: string, access: Access = {}, limitMs?: number): Promise<Result & { readonly folder: string }> {
    const folder = mkdtempSync(join(this.#folder, 'pulled-'));
    const flags = [
      ...insecurely('--src-tls-verify', access),
      ...['--all', '--retry-times', String(access.retries ?? 0)],
      ...credentials('--src-creds', access),
    ];
    return { ...(await this.#copy(flags, `docker://${reference}`, `dir:${folder}`, access, limitMs)), folder };
  }

  /** `layout` is a folder with an OCI layout, as image.ts writes it. */
  push(layout: string, tag: string, reference: string, access: Access = {}): Promise<Result> {
    const flags = [
      ...insecurely('--dest-tls-verify', access),
      '--all',
      '--preserve-digests',
      ...credentials('--dest-creds', access),
    ];
    return this.#copy(flags, `oci:${layout}:${tag}`, `docker://${reference}`, access);
  }

  #copy(flags: readonly string[], from: string, to: string, access: Access, limitMs?: number): Promise<Result> {
    const home = mkdtempSync(join(this.#folder, 'home-'));
    const configuration = join(home, 'registries.conf');
    writeFileSync(configuration, access.mirror?.conf ?? '');
    mkdirSync(join(home, 'registries.conf.d'));
    const env = { HOME: home, XDG_RUNTIME_DIR: home, REGISTRY_AUTH_FILE: authFile(home, access), ...proxyEnv(access) };
    const main = ['--insecure-policy', '--registries-conf', configuration, '--registries.d', home, '--tmpdir', home];
    const options = { env, ...(limitMs === undefined ? {} : { limitMs }) };
    return run('skopeo', [...main, 'copy', ...flags, from, to], options);
  }
}

export function proxyEnv({ proxy, caFile }: Pick<Access, 'proxy' | 'caFile'>): NodeJS.ProcessEnv {
  return {
    ...(proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy }),
    ...(caFile === undefined ? {} : { SSL_CERT_FILE: caFile }),
  };
}

/** Credentials go to a mirror only from a file that names the mirror. */
export function authFile(home: string, { credentials: pair, mirror }: Access): string {
  const path = join(home, 'auth.json');
  const auth = pair === undefined ? undefined : Buffer.from(pair).toString('base64');
  const hosts = mirror === undefined ? [] : [mirror.host];
  writeFileSync(path, JSON.stringify({ auths: auth ? Object.fromEntries(hosts.map((host) => [host, { auth }])) : {} }));
  return path;
}

/** Said only where it is wanted: saying "verify" would go before what registries.conf says of a mirror. */
export function insecurely(flag: string, access: Access): string[] {
  return access.insecure ? [`${flag}=false`] : [];
}

function credentials(flag: string, access: Access): string[] {
  return access.credentials === undefined ? [] : [flag, access.credentials];
}

/** What is wrong with a folder that should hold all of the image; undefined when nothing is. */
export function pulledProblem(folder: string, image: Image): string | undefined {
  const names = readdirSync(folder).filter((name) => name !== 'version');
  const held = new Map(names.map((name) => [name, `sha256:${sha256(readFileSync(join(folder, name)))}`]));
  for (const digest of image.blobs.keys())
    if (held.get(digest.slice('sha256:'.length)) !== digest) return `${digest} is missing or wrong`;
  if (held.get('manifest.json') !== image.root.digest) return `manifest.json is not ${image.root.digest}`;
  for (const digest of image.manifests.keys())
    if (digest !== image.root.digest && held.get(`${digest.slice('sha256:'.length)}.manifest.json`) !== digest)
      return `the manifest ${digest} is missing or wrong`;
  return undefined;
}
