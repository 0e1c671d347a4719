/** `dfget preheat IMAGE|URL`: a supernode brings a content into its cache, or on to hosts, before anybody asks for it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { printSize } from '../base/units.ts';
import { type FlagTable, type FlagValues, flagHelp, parseFlags } from '../io/flags.ts';
import { EXIT, FAULTS, Fault, type FaultValue } from '../protocol/faults.ts';
import { parseImageReference, parseManifestUrl } from '../protocol/oci/image-reference.ts';
import { AGENT_FLAGS, DOWNLOAD_FLAGS, filterOf, headersOf, listOf, nodesOf } from './flags.ts';
import { DEFAULT_CONFIG } from './home.ts';
import { askJson, type Place } from './json-request.ts';
import { faultLine } from './report.ts';

export const FLAGS = {
  node: {
    kind: 'list',
    short: 'n',
    value: 'HOST[:PORT]',
    help: 'supernode (the first of the properties, else 127.0.0.1)',
  },
  wait: { kind: 'boolean', help: 'until it is over, with its progress' },
  type: { kind: 'text', value: 'file|image', help: 'what it is (an image, unless it is a URL that names no manifest)' },
  scope: { kind: 'text', value: 'supernode|hosts', help: 'where to (supernode)' },
  count: { kind: 'integer', value: 'N', help: 'to so many hosts (all)' },
  idc: { kind: 'text', value: 'NAME', help: 'only to hosts of this data centre' },
  host: { kind: 'list', value: 'ID|NAME,…', help: 'only to these hosts' },
  platform: { kind: 'text', value: 'OS/ARCH[/VARIANT]', help: 'of an image (all)' },
  authfile: { kind: 'text', value: 'FILE', help: 'logins of registries (~/.docker/config.json)' },
  header: DOWNLOAD_FLAGS.header,
  filter: DOWNLOAD_FLAGS.filter,
  digest: DOWNLOAD_FLAGS.digest,
  insecure: DOWNLOAD_FLAGS.insecure,
  tag: { kind: 'text', value: 'TEXT', help: 'to find it again' },
  json: { kind: 'boolean', help: 'answers as lines of JSON' },
  config: AGENT_FLAGS.config,
  help: AGENT_FLAGS.help,
} as const satisfies FlagTable;

type Flags = FlagValues<typeof FLAGS>;

/** What is read of a supernode's answer. */
type View = {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'stopped';
  readonly url: string;
  readonly done: number;
  readonly length: number | null;
  readonly layers: readonly { readonly state: string }[];
  readonly hosts: readonly {
    readonly name: string;
    readonly state: string;
    readonly done: number;
    readonly fault?: FaultValue;
  }[];
  readonly fault?: FaultValue;
};

const LOOK_MS = 250;
const SAY_MS = 5_000;

export async function preheat(args: readonly string[]): Promise<number> {
  const { values: flags, rest } = parseFlags(FLAGS, args);
  const [what, second] = rest;
  if (flags.help) {
    process.stdout.write(help());
    return EXIT.ok;
  }
  if (what === undefined || second !== undefined) throw new Fault('usage', 'dfget preheat wants one image or URL');
  const place: Place = { node: await nodeOf(flags) };
  const begun = (await askJson(place, 'POST', '/v1/preheats', requestOf(what, flags))) as View;
  if (!flags.wait) {
    process.stdout.write(flags.json ? `${JSON.stringify(begun)}\n` : `preheat ${begun.id} of ${begun.url} has begun\n`);
    return EXIT.ok;
  }
  const end = await follow(place, begun, flags.json);
  if (end.state === 'done') {
    if (!flags.json) process.stdout.write(`${doneLine(end)}\n`);
    return EXIT.ok;
  }
  const fault = end.fault ?? { code: 'cancelled' as const, message: 'the preheat was stopped' };
  for (const host of end.hosts)
    if (host.fault !== undefined) process.stderr.write(`dfget: ${host.name}: ${host.fault.message}\n`);
  process.stderr.write(`${faultLine(fault)}\n`);
  return FAULTS[fault.code].exit;
}

async function follow(place: Place, begun: View, json: boolean): Promise<View> {
  const bar = process.stderr.isTTY && !json;
  let saidAt = performance.now();
  for (let view = begun; ; ) {
    if (json) process.stdout.write(`${JSON.stringify(view)}\n`);
    else if (bar) process.stderr.write(`\r\x1b[K${progressLine(view)}`);
    else if (performance.now() - saidAt >= SAY_MS) {
      saidAt = performance.now();
      process.stdout.write(`${progressLine(view)}\n`);
    }
    if (view.state !== 'waiting' && view.state !== 'running') {
      if (bar) process.stderr.write('\r\x1b[K');
      return view;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
    view = (await askJson(place, 'GET', `/v1/preheats/${begun.id}`)) as View;
  }
}

export function progressLine({ state, done, length, layers, hosts }: View): string {
  const of = length === null ? '' : ` of ${printSize(length)}`;
  const ready = layers.filter((layer) => layer.state === 'done').length;
  const parts = layers.length > 1 ? `, ${ready} of ${layers.length} layers` : '';
  const there = hosts.reduce((sum, host) => sum + host.done, 0);
  const onHosts =
    hosts.length === 0 || length === null || length === 0
      ? ''
      : `; on ${hosts.length} hosts ${Math.floor((100 * there) / (length * hosts.length))} %`;
  return `${state}: ${printSize(done)}${of}${parts}${onHosts}`;
}

export function doneLine({ url, length, layers, hosts }: View): string {
  const size = length === null ? '' : `: ${printSize(length)}`;
  const parts = layers.length > 1 ? ` in ${layers.length} layers` : '';
  const where = hosts.length === 0 ? 'in the cache' : `in the cache and on ${hosts.length} hosts`;
  return `${url} is ${where}${size}${parts}`;
}

/** The request as the API wants it; what the user did not say is left to the supernode. */
export function requestOf(what: string, flags: Flags): object {
  const { scope, count, idc, platform, digest, tag } = flags;
  const type = flags.type ?? (isFile(what) ? 'file' : 'image');
  const hosts = listOf(flags.host);
  const onHosts =
    scope === 'hosts' || (scope === undefined && (hosts.length > 0 || count !== undefined || idc !== undefined));
  const headers = Object.fromEntries(headersOf(flags.header));
  const login = type === 'image' ? loginFor(what, flags.authfile) : undefined;
  return {
    type,
    url: what,
    scope: onHosts ? 'hosts' : (scope ?? 'supernode'),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...login,
    ...(flags.filter === undefined ? {} : { filter: filterOf(flags.filter) }),
    ...(hosts.length === 0 ? {} : { hosts }),
    ...Object.fromEntries(
      Object.entries({ count, idc, platform, digest, tag }).filter(([, value]) => value !== undefined),
    ),
    ...(flags.insecure ? { insecure: true } : {}),
  };
}

function isFile(what: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(what) && !/^(docker|oci):/i.test(what) && parseManifestUrl(what) === undefined;
}

/** What `docker login` and `podman login` keep for the image's registry. */
function loginFor(what: string, authfile: string | undefined): { username: string; password: string } | undefined {
  const file = authfile ?? process.env.REGISTRY_AUTH_FILE ?? join(process.env.HOME ?? '', '.docker', 'config.json');
  if (!existsSync(file)) {
    if (authfile !== undefined) throw new Fault('usage', `there is no ${authfile}`);
    return undefined;
  }
  const registry = parseImageReference(what)?.registry;
  let auths: Record<string, { readonly auth?: unknown }> = {};
  try {
    auths = (JSON.parse(readFileSync(file, 'utf8')) as { auths?: typeof auths }).auths ?? {};
  } catch (cause) {
    throw new Fault('usage', `${file} is not JSON`, { cause });
  }
  const names =
    registry === 'registry-1.docker.io' ? ['https://index.docker.io/v1/', 'docker.io', registry] : [registry];
  const auth = names.map((name) => auths[name ?? '']?.auth).find((each) => typeof each === 'string');
  if (typeof auth !== 'string') return undefined;
  const [username = '', ...password] = Buffer.from(auth, 'base64').toString('utf8').split(':');
  return { username, password: password.join(':') };
}

async function nodeOf(flags: Flags): Promise<string> {
  const given = nodesOf(flags.node);
  if (given.length > 1) throw new Fault('usage', 'give one --node');
  if (given[0] !== undefined) return given[0];
  const file = flags.config ?? DEFAULT_CONFIG;
  if (flags.config === undefined && !existsSync(file)) return '127.0.0.1';
  const { readProperties } = await import('./properties.ts');
  return readProperties(file, flags.config !== undefined).nodes?.[0] ?? '127.0.0.1';
}

function help(): string {
  return `dfget preheat brings an image or a file to where it will be asked for.

  dfget preheat IMAGE|URL [--wait] [--node HOST] [flags]

${flagHelp(FLAGS)}
`;
}
