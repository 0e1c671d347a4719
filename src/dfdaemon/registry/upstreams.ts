/**
 * Which registry a request to the mirror is for. Engines say it in four ways: containerd by `?ns=` or a header of
 * hosts.toml, podman and its kin by a registry's name in the path, dockerd not at all. What the engine says goes before
 * what the configuration says; a name that the configuration has brings its scheme, authorities and credentials along.
 */
/** Whose credentials go to a registry: the client's own, none, or those of the configuration. */
export type CredentialPolicy =
  | { readonly type: 'client' }
  | { readonly type: 'none' }
  | { readonly type: 'own'; readonly username: string; readonly password: string };

/** How a server is trusted: its certificates checked against the system's authorities and these, or not at all. */
export type Trust = { readonly insecure: boolean; readonly cacerts: readonly string[] };

export type Upstream = {
  /** `https://host[:port]` */
  readonly origin: string;
  readonly trust: Trust;
  readonly credentials: CredentialPolicy;
  /** Its blobs do not travel P2P. */
  readonly direct: boolean;
};

export type UpstreamTable = {
  /** Where requests go that name no registry. */
  readonly standard: Upstream;
  /** By the name under which engines know them: `host[:port]`, lower case. */
  readonly named: ReadonlyMap<string, Upstream>;
};

export type MirrorTarget = {
  readonly upstream: Upstream;
  /** Path and query for the upstream. */
  readonly path: string;
  /** What stood before the path of the upstream and has to stand before paths in its answers. */
  readonly prefix: string;
  /** A registry's name inside the path, after /v2/, that was taken out of it. */
  readonly inner: string;
};

const HUB = 'https://registry-1.docker.io';
const HUB_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?$/i;
const PREFIXED = /^\/([^/]+)(\/v2(?:\/.*)?)$/;
const INSIDE = /^\/v2\/([^/]+)(\/.+)$/;

/** Undefined when what names the registry is no registry's name. `header` is X-Dragonfly-Registry. */
export function mirrorTarget(
  target: string,
  header: string | undefined,
  table: UpstreamTable,
): MirrorTarget | undefined {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const { namespace, query } = splitNamespace(mark < 0 ? '' : target.slice(mark + 1));
  const [, host, rest] = PREFIXED.exec(path) ?? [];
  const prefixed = host !== undefined && rest !== undefined && looksLikeRegistry(host, table);
  const bare = prefixed ? rest : path;
  const [, innerHost, innerRest] = INSIDE.exec(bare) ?? [];
  const isInner = innerHost !== undefined && looksLikeRegistry(innerHost, table);
  const asked = firstNonEmpty(header, namespace, prefixed ? host : undefined);
  const upstream = upstreamOf(asked ?? (isInner ? innerHost : undefined), table);
  if (upstream === undefined) return undefined;
  const takesInner = isInner && (asked === undefined || sameUpstream(upstream, innerHost, table));
  const way = takesInner ? `/v2${innerRest}` : bare;
  return {
    upstream,
    path: query === '' ? way : `${way}?${query}`,
    prefix: prefixed ? `/${host}` : '',
    inner: takesInner ? innerHost : '',
  };
}

/** By name or URL; undefined name = the standard one. A registry that nobody configured is asked by https. */
export function upstreamOf(name: string | undefined, table: UpstreamTable): Upstream | undefined {
  if (name === undefined) return table.standard;
  const url = /^https?:\/\//i.test(name) ? URL.parse(name) : null;
  const host = (url?.host ?? name).toLowerCase();
  if (!HOST.test(host)) return undefined;
  const known = table.named.get(host);
  if (known !== undefined) return known;
  const origin = url?.origin ?? (HUB_NAMES.has(host) ? HUB : `${isLoopback(host) ? 'http' : 'https'}://${host}`);
  if (origin === table.standard.origin) return table.standard;
  return { origin, trust: { insecure: false, cacerts: [] }, credentials: { type: 'client' }, direct: false };
}

/** As image names have it: a first part with a dot or a port, or localhost, is a registry and no folder. */
function looksLikeRegistry(part: string, table: UpstreamTable): boolean {
  const host = part.toLowerCase();
  return HOST.test(host) && (/[.:]/.test(host) || host === 'localhost' || table.named.has(host));
}

function sameUpstream(upstream: Upstream, host: string, table: UpstreamTable): boolean {
  return upstreamOf(host, table)?.origin === upstream.origin;
}

/** containerd's `ns` is for the mirror; the registry never sees it. */
function splitNamespace(query: string): { readonly namespace: string | undefined; readonly query: string } {
  if (query === '') return { namespace: undefined, query };
  let namespace: string | undefined;
  const kept = query.split('&').filter((parameter) => {
    if (!parameter.startsWith('ns=')) return true;
    namespace ??= decodeURIComponentSafe(parameter.slice(3));
    return false;
  });
  return { namespace, query: kept.join('&') };
}

function decodeURIComponentSafe(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // No registry has such a name; it is refused further on.
  }
}

function firstNonEmpty(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find((text) => text !== undefined && text !== '');
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
}
