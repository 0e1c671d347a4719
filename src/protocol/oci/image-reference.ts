/**
 * The names of container images, as people write them: `alpine`, `ghcr.io/owner/app:1.2`, `host:5000/app@sha256:…`, or the
 * URL of a manifest. Pure text: nothing is asked here.
 */
import { parseDigest } from '../identity.ts';
import type { Digest } from '../task.ts';

export type ImageReference = {
  readonly scheme: 'http' | 'https';
  /** `host[:port]` where the registry answers. */
  readonly registry: string;
  /** Without the registry, `library/` included. */
  readonly repository: string;
  /** Given or `latest`; a digest goes before it. */
  readonly tag: string;
  readonly digest?: Digest;
};

const HUB = 'registry-1.docker.io';
const HUB_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry.hub.docker.com', HUB]);
const MAX_CHARS = 1024;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const SCHEME = /^(https?|docker|oci):\/\//i;
const MANIFEST_PATH = /^\/v2\/(.+)\/manifests\/([^/]+)$/;

/** Undefined for what is no image's name. Loopback registries speak http unless the text says https, as engines have it. */
export function parseImageReference(text: string): ImageReference | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme === 'http' || scheme === 'https') {
    const fromUrl = parseManifestUrl(text);
    if (fromUrl !== undefined) return fromUrl;
  }
  const bare = text.replace(SCHEME, '');
  const at = bare.indexOf('@');
  const digest = at < 0 ? undefined : parseDigest(bare.slice(at + 1));
  if (at >= 0 && digest === undefined) return undefined;
  const name = at < 0 ? bare : bare.slice(0, at);
  const colon = name.lastIndexOf(':');
  const tagged = colon > name.lastIndexOf('/');
  const path = tagged ? name.slice(0, colon) : name;
  const { registry, repository } = splitRegistry(path, scheme === 'http' || scheme === 'https');
  return made({
    scheme: scheme === 'http' || (scheme !== 'https' && isLoopback(registry)) ? 'http' : 'https',
    registry,
    repository,
    tag: tagged ? name.slice(colon + 1) : 'latest',
    ...(digest === undefined ? {} : { digest }),
  });
}

/** `https://host/v2/<name>/manifests/<tag or digest>`; undefined for any other URL. */
export function parseManifestUrl(text: string): ImageReference | undefined {
  const url = URL.parse(text);
  const match = url === null ? null : MANIFEST_PATH.exec(url.pathname);
  if (url === null || match === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const [, repository = '', reference = ''] = match;
  const digest = parseDigest(reference);
  return made({
    scheme: url.protocol === 'http:' ? 'http' : 'https',
    registry: url.host,
    repository,
    tag: digest === undefined ? reference : 'latest',
    ...(digest === undefined ? {} : { digest }),
  });
}

export function manifestUrl(image: ImageReference, reference: string = image.digest ?? image.tag): string {
  return `${image.scheme}://${image.registry}/v2/${image.repository}/manifests/${reference}`;
}

export function blobUrl(image: ImageReference, digest: Digest): string {
  return `${image.scheme}://${image.registry}/v2/${image.repository}/blobs/${digest}`;
}

/** As people write it, for logs and progress. */
export function printImage({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** The first part is a registry when it could not be a folder: it has a dot or a port, or it is localhost. */
function splitRegistry(path: string, named: boolean): { registry: string; repository: string } {
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const isRegistry = first !== '' && (named || /[.:]/.test(first) || first === 'localhost');
  if (isRegistry && !HUB_NAMES.has(first)) return { registry: first, repository: path.slice(slash + 1) };
  const repository = isRegistry ? path.slice(slash + 1) : path;
  return { registry: HUB, repository: repository.includes('/') ? repository : `library/${repository}` };
}

function isLoopback(registry: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(registry);
}

function made(image: ImageReference): ImageReference | undefined {
  const right = REGISTRY.test(image.registry) && REPOSITORY.test(image.repository) && TAG.test(image.tag);
  return right ? image : undefined;
}
