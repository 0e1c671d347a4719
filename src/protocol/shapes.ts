/** Checks of the values that messages share: specs, facts, manifests, hosts, faults. They throw Fault 'bad-message'. */
import { amount, base64, broken, fields, flag, list, MAX_PIECES, optionalText, text, whole } from './check.ts';
import { isFaultCode } from './faults.ts';
import { canonicalEndpoint, parseDigest, parseSourceUrl } from './identity.ts';
import { parseContentId, parseHostId, parseTaskId } from './ids.ts';
import { parseShape } from './piece.ts';

const MAX_URL_CHARS = 16 * 1024;
const MAX_HEADERS = 128;
const MAX_HEADER_CHARS = 16 * 1024;
const MAX_FILTERS = 64;
const MAX_CACERTS = 32;
const MAX_CACERT_CHARS = 64 * 1024;
const MAX_BITFIELD_CHARS = Math.ceil(MAX_PIECES / 8 / 3) * 4;
/** Digests of as many pieces as a frame of the default limit can carry. */
const MAX_DIGESTS_CHARS = 8 * 1024 * 1024;
const MAX_SIGNATURE_CHARS = 8 * 1024;
/** It is appended to a URL as it stands. */
const SIGNATURE = /^[\x21-\x22\x24-\x7e]+$/;
const REGION = /^[a-z0-9-]{1,63}$/;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const ADDRESS = /^[0-9A-Za-z.:%_-]{1,255}$/;

export function checkContent(value: unknown): void {
  if (typeof value !== 'string' || value.length > 97 || parseContentId(value) === undefined) broken('content id');
}

export function checkTask(value: unknown): void {
  if (typeof value !== 'string' || parseTaskId(value) === undefined) broken('task id');
}

export function checkHostId(value: unknown): void {
  if (typeof value !== 'string' || parseHostId(value) === undefined) broken('host id');
}

export function checkShape(value: unknown): void {
  if (parseShape(value) === undefined) broken('shape');
}

export function checkHeld(value: unknown): void {
  if (value !== 'all') base64(value, 'held', MAX_BITFIELD_CHARS);
}

export function checkDigest(value: unknown): void {
  const digest = text(value, 'digest', 200);
  if (parseDigest(digest) !== digest) broken('digest');
}

export function checkWindow(value: unknown): void {
  const window = fields(value, 'window');
  whole(window.from, 'window.from', MAX_PIECES);
  whole(window.count, 'window.count', MAX_PIECES);
}

export function checkFault(value: unknown): void {
  const fault = fields(value, 'fault');
  if (!isFaultCode(fault.code)) broken('fault.code');
  text(fault.message, 'fault.message', 4096);
  if (fault.sourceStatus !== undefined) whole(fault.sourceStatus, 'fault.sourceStatus', 999);
  if (fault.retryAfterMs !== undefined) amount(fault.retryAfterMs, 'fault.retryAfterMs');
}

export function checkFacts(value: unknown): void {
  const facts = fields(value, 'facts');
  optionalText(facts.etag, 'facts.etag', 1024);
  optionalText(facts.lastModified, 'facts.lastModified', 256);
  optionalText(facts.contentType, 'facts.contentType', 1024);
  flag(facts.ranges, 'facts.ranges');
}

export function checkManifest(value: unknown): void {
  const manifest = fields(value, 'manifest');
  checkContent(manifest.content);
  checkShape(manifest.shape);
  checkFacts(manifest.facts);
  base64(manifest.digests, 'manifest.digests', MAX_DIGESTS_CHARS);
  if (manifest.digest !== undefined) checkDigest(manifest.digest);
  text(manifest.signature, 'manifest.signature', 256);
}

export function checkAddress(value: unknown): void {
  const address = fields(value, 'address');
  checkHostId(address.id);
  if (typeof address.ip !== 'string' || !ADDRESS.test(address.ip)) broken('address.ip');
  whole(address.port, 'address.port', 65535);
}

export function checkHost(value: unknown): void {
  checkAddress(value);
  const host = fields(value, 'host');
  text(host.name, 'host.name', 255);
  text(host.version, 'host.version', 64);
  flag(host.uploads, 'host.uploads');
  const site = fields(host.site, 'host.site');
  text(site.idc, 'site.idc', 255);
  text(site.location, 'site.location', 1024);
  text(site.machine, 'site.machine', 255);
  if (host.upBytesPerSecond !== undefined) amount(host.upBytesPerSecond, 'host.upBytesPerSecond');
  if (host.downBytesPerSecond !== undefined) amount(host.downBytesPerSecond, 'host.downBytesPerSecond');
}

/** Also true of a header that the source is to be asked with: a token and no line break (it could smuggle a request). */
export function isHeader(name: string, value: string): boolean {
  return HEADER_NAME.test(name) && value.length <= MAX_HEADER_CHARS && HEADER_VALUE.test(value);
}

export function checkSpec(value: unknown): void {
  const spec = fields(value, 'spec');
  parseSpecUrl(text(spec.url, 'spec.url', MAX_URL_CHARS));
  for (const item of list(spec.headers, 'spec.headers', MAX_HEADERS)) {
    const [name, content] = list(item, 'spec.headers', 2);
    if (typeof name !== 'string' || typeof content !== 'string' || !isHeader(name, content)) broken('spec.headers');
  }
  for (const name of list(spec.filter, 'spec.filter', MAX_FILTERS)) text(name, 'spec.filter', 256);
  if (spec.digest !== undefined) checkDigest(spec.digest);
  optionalText(spec.identifier, 'spec.identifier', 1024);
  if (spec.insecure !== undefined) flag(spec.insecure, 'spec.insecure');
  if (spec.cacerts !== undefined) {
    for (const pem of list(spec.cacerts, 'spec.cacerts', MAX_CACERTS)) text(pem, 'spec.cacerts', MAX_CACERT_CHARS);
  }
  optionalText(spec.callSystem, 'spec.callSystem', 256);
  if (spec.s3 !== undefined) checkS3Place(spec.s3);
  optionalText(spec.signature, 'spec.signature', MAX_SIGNATURE_CHARS);
  if (typeof spec.signature === 'string' && !SIGNATURE.test(spec.signature)) broken('spec.signature');
}

function checkS3Place(value: unknown): void {
  const place = fields(value, 'spec.s3');
  if (place.endpoint !== undefined) {
    try {
      canonicalEndpoint(text(place.endpoint, 'spec.s3.endpoint', 1024));
    } catch {
      broken('spec.s3.endpoint');
    }
  }
  if (place.region !== undefined && !isRegion(place.region)) broken('spec.s3.region');
  if (place.pathStyle !== undefined) flag(place.pathStyle, 'spec.s3.pathStyle');
  if (place.anonymous !== undefined) flag(place.anonymous, 'spec.s3.anonymous');
}

/** A region becomes part of a host name. */
export function isRegion(value: unknown): value is string {
  return typeof value === 'string' && REGION.test(value);
}

function parseSpecUrl(url: string): void {
  try {
    parseSourceUrl(url);
  } catch {
    // The reason is for a user at a command line; here it is one more broken field.
    broken('spec.url');
  }
}
