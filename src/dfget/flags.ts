/**
 * The flags of dfget, with the names and meanings of v1, and what they make of a download. `--md5` is a digest like any
 * other here; `--dfdaemon` and `--callsystem` only say who asks.
 */
import { type FlagTable, type FlagValues, parseFlags } from '../io/flags.ts';
import { Fault } from '../protocol/faults.ts';
import { SOURCE_SCHEMES } from '../protocol/identity.ts';
import type { Digest, Pattern } from '../protocol/task.ts';

/** What the agent needs to know, whoever starts it. */
export const AGENT_FLAGS = {
  node: { kind: 'list', short: 'n', value: 'HOST[:PORT][=WEIGHT],…', help: 'supernodes; may be repeated (port 8002)' },
  home: { kind: 'text', value: 'DIR', help: 'home of the agent: socket, log, store (~/.dragonfly)' },
  idc: { kind: 'text', value: 'NAME', help: 'data centre of this host: a content crosses into it once' },
  location: { kind: 'text', value: 'ROW|RACK|…', help: 'place in it, widest first: near hosts are preferred' },
  ip: { kind: 'text', value: 'IP', help: 'address under which other hosts reach this one (found out)' },
  port: { kind: 'integer', value: 'PORT', help: 'port of the piece server (one that is free)' },
  totallimit: { kind: 'size', value: 'RATE', help: 'limit of this host in each direction (none)' },
  alivetime: {
    kind: 'duration',
    value: 'TIME',
    help: 'the agent ends when it has had nothing to do for so long (never)',
  },
  expiretime: { kind: 'duration', value: 'TIME', help: 'contents that nobody used for so long are dropped (never)' },
  cachequota: { kind: 'size', value: 'SIZE', help: 'most bytes that the store of this host may take (none)' },
  config: { kind: 'text', value: 'FILE', help: 'properties (/etc/dragonfly/dfget.yml)' },
  verbose: { kind: 'boolean', help: 'the agent that is started logs every step' },
  help: { kind: 'boolean', short: 'h', help: 'this text' },
} as const satisfies FlagTable;

export const DOWNLOAD_FLAGS = {
  url: {
    kind: 'list',
    short: 'u',
    value: 'URL',
    help: 'what to download: http, https, s3, hf or file; may be repeated',
  },
  output: { kind: 'list', short: 'o', value: 'FILE', help: 'where to (the last part of the URL, in this folder)' },
  'input-file': { kind: 'text', value: 'LIST', help: 'lines of URL OUTPUT [DIGEST] to download, - for standard input' },
  recursive: { kind: 'boolean', short: 'r', help: 'all files below the URL, into the folder --output' },
  include: { kind: 'list', value: 'GLOB', help: 'with --recursive: only these; may be repeated' },
  exclude: { kind: 'list', value: 'GLOB', help: 'with --recursive: not these; may be repeated' },
  digest: { kind: 'text', value: 'ALGO:HEX', help: 'digest of the whole: sha256, sha512, sha1 or md5' },
  md5: { kind: 'text', short: 'm', value: 'HEX', help: 'the same as --digest md5:HEX' },
  identifier: { kind: 'text', short: 'i', value: 'TEXT', help: 'tells contents of one URL apart' },
  filter: { kind: 'text', short: 'f', value: 'NAME&NAME', help: 'query parameters that do not name the content' },
  header: { kind: 'list', value: 'NAME:VALUE', help: 'sent to the source; may be repeated' },
  pattern: { kind: 'text', short: 'p', value: 'p2p|cdn|source', help: 'take and give, only take, or no P2P (p2p)' },
  notbs: { kind: 'boolean', help: 'never read the source from this host' },
  locallimit: { kind: 'size', short: 's', value: 'RATE', help: 'limit of this download (none)' },
  minrate: { kind: 'size', value: 'RATE', help: 'rate from which the time for the whole is derived' },
  timeout: { kind: 'duration', short: 'e', value: 'TIME', help: 'limit for the whole download' },
  clientqueue: { kind: 'integer', value: 'N', help: 'pieces that may wait for the disk' },
  copy: { kind: 'boolean', help: 'the output shares no blocks with the cache' },
  'no-sync': { kind: 'boolean', help: 'do not wait until the output has reached the disk itself' },
  insecure: { kind: 'boolean', help: 'do not verify the certificate of the source' },
  cacerts: { kind: 'list', value: 'FILE,…', help: 'PEM files with authorities to trust for the source' },
  's3-endpoint': { kind: 'text', value: 'URL', help: 'where s3://… is (AWS_ENDPOINT_URL, else Amazon)' },
  's3-region': { kind: 'text', value: 'REGION', help: 'region of the bucket (AWS_REGION)' },
  's3-path-style': { kind: 'boolean', help: 'the bucket is part of the path (default with an endpoint)' },
  's3-profile': { kind: 'text', value: 'NAME', help: 'profile with the credentials (AWS_PROFILE)' },
  's3-access-key-id': { kind: 'text', value: 'ID', help: 'key to sign with (AWS_ACCESS_KEY_ID)' },
  's3-secret-access-key': {
    kind: 'text',
    value: 'KEY',
    help: 'its secret, for all to see in ps; better AWS_SECRET_ACCESS_KEY',
  },
  's3-anonymous': { kind: 'boolean', help: 'read unsigned, although there are credentials' },
  callsystem: { kind: 'text', value: 'NAME', help: 'who asks, for logs and statistics' },
  dfdaemon: { kind: 'boolean', help: 'dfdaemon asks, for logs and statistics' },
  showbar: { kind: 'boolean', short: 'b', help: 'a progress bar although this is no terminal' },
  json: { kind: 'boolean', help: 'events as lines of JSON' },
  console: { kind: 'boolean', help: 'say on standard error what is done' },
  ...AGENT_FLAGS,
} as const satisfies FlagTable;

export type AgentFlags = FlagValues<typeof AGENT_FLAGS>;
export type DownloadFlags = FlagValues<typeof DOWNLOAD_FLAGS>;

const RENAMED: Readonly<Record<string, string>> = { '--exceed': '--timeout' };

export function parseDownloadFlags(args: readonly string[]): DownloadFlags {
  const old = args.map((arg) => arg.replace(/=.*/s, '')).find((arg) => Object.hasOwn(RENAMED, arg));
  if (old !== undefined) throw new Fault('usage', `${old} is called ${RENAMED[old]} now`);
  const { values, rest } = parseFlags(DOWNLOAD_FLAGS, args);
  if (rest.length > 0)
    throw new Fault('usage', `${JSON.stringify(rest[0])} belongs to no flag; a URL comes after --url`);
  return values;
}

export function urlOf(url: string | undefined): URL {
  if (url === undefined || url === '') throw new Fault('usage', 'give the URL to download with --url');
  const parsed = URL.parse(url);
  if (parsed === null) throw new Fault('usage', `--url ${JSON.stringify(withoutSecrets(url))} is not an absolute URL`);
  if (!SOURCE_SCHEMES.some((scheme) => scheme === parsed.protocol)) {
    const known = SOURCE_SCHEMES.map((scheme) => scheme.slice(0, -1)).join(', ');
    throw new Fault('usage', `--url has the scheme ${parsed.protocol.slice(0, -1)}; supported are ${known}`);
  }
  return parsed;
}

function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/[?#].*/s, '');
}

const DIGEST_DIGITS: Readonly<Record<string, number>> = { md5: 32, sha1: 40, sha256: 64, sha512: 128 };

export function digestOf({ digest, md5 }: Pick<DownloadFlags, 'digest' | 'md5'>): Digest | undefined {
  if (digest !== undefined && md5 !== undefined) throw new Fault('usage', 'give --digest or --md5, not both');
  const text = (digest ?? (md5 === undefined ? undefined : `md5:${md5}`))?.trim().toLowerCase();
  if (text === undefined) return undefined;
  const [algorithm = '', hex = ''] = text.split(':', 2);
  const digits = Object.hasOwn(DIGEST_DIGITS, algorithm) ? DIGEST_DIGITS[algorithm] : undefined;
  if (digits === undefined)
    throw new Fault('usage', `--digest wants ${Object.keys(DIGEST_DIGITS).join(', ')} and a colon before the digits`);
  if (hex.length !== digits || !/^[0-9a-f]+$/.test(hex) || text !== `${algorithm}:${hex}`)
    throw new Fault(
      'usage',
      `${md5 === undefined ? '--digest' : '--md5'} wants ${digits} hexadecimal digits for ${algorithm}`,
    );
  return text;
}

const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/;
const PRINTABLE = /^[\t -~\u0080-\uffff]*$/;

/** The value is never part of an error: it may be a secret. */
export function headersOf(lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line, index) => {
    const match = HEADER.exec(line);
    if (match === null || !PRINTABLE.test(line))
      throw new Fault('usage', `the ${index + 1}. --header is not of the form NAME: VALUE`);
    return [match[1] ?? '', (match[2] ?? '').trimEnd()] as const;
  });
}

export function patternOf(text = 'p2p'): Pattern {
  if (text === 'p2p' || text === 'cdn' || text === 'source') return text;
  throw new Fault('usage', `--pattern wants p2p, cdn or source, not ${JSON.stringify(text)}`);
}

export function filterOf(text = ''): string[] {
  return text.split('&').filter((name) => name !== '');
}

const NODE = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:=/[\]]+))(?::(\d{1,5}))?(?:=(\d{1,4}))?$/;

/** Checks `host[:port][=weight]` (IPv6 in brackets), separated by commas or repeated. */
export function nodesOf(flags: readonly string[]): string[] {
  const nodes = flags.flatMap((text) => text.split(',')).map((text) => text.trim());
  for (const node of nodes) {
    const match = NODE.exec(node);
    const port = Number(match?.[3] ?? 8002);
    if (match === null || port < 1 || port > 65_535 || match[4] === '0')
      throw new Fault(
        'usage',
        `--node wants HOST[:PORT][=WEIGHT], an IPv6 address in brackets, not ${JSON.stringify(node)}`,
      );
  }
  return nodes;
}

export function listOf(values: readonly string[]): string[] {
  return values.flatMap((text) => text.split(',')).filter((text) => text !== '');
}
