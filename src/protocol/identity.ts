/**
 * What identifies a task. `taskIdentity` makes the canonical text whose sha256 is the task's id: two requests share one
 * download exactly when their texts are equal. A digest that cannot be forged names the bytes wherever they come from;
 * else the canonical URL does, with everything else that changes which bytes are meant.
 */
import { Fault } from './faults.ts';
import type { Digest, TaskSpec } from './task.ts';

/** Every kind of source has its file in source/; a file: URL names a file of the supernode, hence no host. */
export const SOURCE_SCHEMES = ['http:', 'https:', 's3:', 'hf:', 'file:'] as const;

const DIGEST_HEX: Readonly<Record<string, number>> = { md5: 32, sha1: 40, sha256: 64, sha512: 128 };
/** md5 and sha1 can be forged: they only salt the identity. */
const UNFORGEABLE = new Set(['sha256', 'sha512']);

/** `algorithm:hex` in any case; undefined when it is not one that we can check. */
export function parseDigest(text: string): Digest | undefined {
  const lower = text.toLowerCase();
  const colon = lower.indexOf(':');
  const hex = lower.slice(colon + 1);
  const algorithm = lower.slice(0, Math.max(0, colon));
  if (!Object.hasOwn(DIGEST_HEX, algorithm) || hex.length !== DIGEST_HEX[algorithm]) return undefined;
  return /^[0-9a-f]+$/.test(hex) ? lower : undefined;
}

/** A digest that cannot be forged: it names the bytes wherever they come from. */
export function namesBytes(digest: Digest | undefined): boolean {
  return digest !== undefined && UNFORGEABLE.has(digest.slice(0, digest.indexOf(':')));
}

/** Throws Fault 'usage' with a line for the user. The text itself may hold a password and is not repeated. */
export function parseSourceUrl(text: string, schemes: readonly string[] = SOURCE_SCHEMES): URL {
  if (text.trim() === '') throw new Fault('usage', 'the URL is empty');
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    const hint = /^[a-z][a-z0-9+.-]*:/i.test(text) ? '' : '; it must begin with http:// or https://';
    throw new Fault('usage', `the URL is not valid${hint}`, { cause });
  }
  if (!schemes.includes(url.protocol)) {
    const known = schemes.map((scheme) => scheme.slice(0, -1)).join(', ');
    throw new Fault('usage', `cannot read from ${url.protocol.slice(0, -1)}: URLs; the URL must be one of ${known}`);
  }
  if (url.protocol === 'file:') {
    if (url.hostname !== '') throw new Fault('usage', 'a file URL is of the form file:///path');
  } else if (url.hostname === '') throw new Fault('usage', 'the URL names no host');
  return url;
}

/** Lower-case scheme and host, no default port, userinfo, fragment or filtered parameter; the rest in its order. */
export function canonicalUrl(text: string, filter: readonly string[]): string {
  const url = parseSourceUrl(text);
  const dropped = new Set(filter);
  const kept = url.search
    .slice(1)
    .split('&')
    .filter((parameter) => parameter !== '' && !dropped.has(parameterName(parameter)));
  return `${url.protocol}//${url.host}${url.pathname}${kept.length === 0 ? '' : `?${kept.join('&')}`}`;
}

/** Pure text; the caller hashes it. */
export function taskIdentity(spec: TaskSpec): string {
  const digest = spec.digest === undefined ? undefined : parseDigest(spec.digest);
  if (namesBytes(digest)) {
    return JSON.stringify(['dragonfly-1', 'digest', digest]);
  }
  const range = spec.headers
    .filter(([name]) => name.toLowerCase() === 'range')
    .map(([, value]) => value.replaceAll(/\s/g, '').toLowerCase())
    .join(',');
  const url = canonicalUrl(spec.url, spec.filter);
  const endpoint = spec.s3?.endpoint === undefined ? [] : [canonicalEndpoint(spec.s3.endpoint)];
  return JSON.stringify(['dragonfly-1', 'url', url, digest ?? '', spec.identifier ?? '', range, ...endpoint]);
}

/** Two places may have a bucket of one name, so the place takes part in the identity. Throws Fault 'usage'. */
export function canonicalEndpoint(text: string): string {
  const url = URL.parse(text);
  const odd = url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '';
  if (odd || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Fault('usage', 'an S3 endpoint is of the form https://HOST[:PORT][/PATH]');
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function parameterName(parameter: string): string {
  const equals = parameter.indexOf('=');
  const name = (equals < 0 ? parameter : parameter.slice(0, equals)).replaceAll('+', ' ');
  try {
    return decodeURIComponent(name);
  } catch {
    // Not UTF-8 when decoded: such a name only ever matches itself.
    return name;
  }
}
