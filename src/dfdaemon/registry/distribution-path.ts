/**
 * The paths of the distribution API, parsed once into what they mean. A path that is none of those below is `other`: it
 * passes through, whatever it is.
 */
import { parseDigest } from '../../protocol/identity.ts';
import type { Digest } from '../../protocol/task.ts';

export type DistributionPath =
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'other'; readonly repository?: string };

const BLOB = /^\/v2\/(.+)\/blobs\/([^/]+)$/;
const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
const OTHER = /^\/v2\/(.+)\/(?:tags|blobs\/uploads|referrers|manifests|blobs)(?:\/|$)/;
/** Only these name the bytes beyond doubt. */
const UNFORGEABLE = /^sha(?:256|512):/;

/** `path` is the URL's path, without the query. */
export function parseDistributionPath(path: string): DistributionPath {
  const [, repository, text] = BLOB.exec(path) ?? [];
  const digest = text === undefined ? undefined : parseDigest(decoded(text));
  if (repository !== undefined && digest !== undefined && UNFORGEABLE.test(digest))
    return { kind: 'blob', repository, digest };
  const [, of, reference] = MANIFEST.exec(path) ?? [];
  if (of !== undefined && reference !== undefined)
    return { kind: 'manifest', repository: of, reference: decoded(reference) };
  const [, named] = OTHER.exec(path) ?? [];
  return named === undefined ? { kind: 'other' } : { kind: 'other', repository: named };
}

/** The scope that a token for reading a repository has. */
export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

/** Some clients write the digest's colon as %3A. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // It is no digest, then; the registry says what it is.
  }
}
