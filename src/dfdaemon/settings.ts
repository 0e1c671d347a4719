/** dfdaemon's settings: the names of v1 where it had them. What v1 knew and nothing needs any more is taken, and said. */
import { z } from 'zod';
import { type LoadedSettings, loadSettings, type SettingsOf, setting } from '../io/config.ts';
import { type FlagTable, type FlagValues, parseFlags } from '../io/flags.ts';
import { Fault } from '../protocol/faults.ts';

/** In the environment a nested setting is written as JSON. */
function nested<Shape extends z.ZodType>(shape: Shape) {
  return z.preprocess((value) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      return value; // The shape says what it wants instead.
    }
  }, shape);
}

const expression = z.string().transform((text, context) => {
  try {
    return new RegExp(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
const hostExpression = z.string().transform((text, context) => {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
const origin = z
  .string()
  .transform((text) => (/^https?:\/\//i.test(text) ? text : `https://${text}`))
  .refine((text) => {
    const url = URL.parse(text);
    return url !== null && url.username === '' && (url.pathname === '/' || url.pathname === '') && url.search === '';
  }, 'must be https://host[:port] or http://host[:port]');
const pems = z.array(z.string()).default([]);

const MIRROR = z.strictObject({
  remote: origin.default('https://index.docker.io'),
  insecure: z.boolean().default(false),
  certs: pems,
  direct: z.boolean().default(false),
});

const REGISTRY = z.strictObject({
  /** As engines name it. */
  host: z.string().regex(/^[^/\s]+$/, 'must be host[:port]'),
  remote: origin.optional(),
  insecure: z.boolean().default(false),
  certs: pems,
  direct: z.boolean().default(false),
  credentials: z.enum(['client', 'none', 'own']).default('client'),
  username: z.string().optional(),
  /** In a file, so that it stands in no configuration and no process list. */
  password_file: z.string().optional(),
});

const PROXY = z.strictObject({
  regx: expression,
  use_dfget: z.boolean().optional(),
  use_https: z.boolean().default(false),
  direct: z.boolean().default(false),
  redirect: z.string().optional(),
});

const HIJACK = z.strictObject({
  /** Both absent = an authority that is made in the home at the first start. */
  cert: z.string().optional(),
  key: z.string().optional(),
  hosts: z
    .array(z.strictObject({ regx: hostExpression, insecure: z.boolean().default(false), certs: pems }))
    .default([]),
});

export const SHAPE = {
  port: setting.port.default(65_001),
  /** Address to listen on. */
  hostIp: setting.text.default('127.0.0.1'),
  registry_mirror: nested(MIRROR).default(() => MIRROR.parse({})),
  registries: nested(z.array(REGISTRY)).default([]),
  proxies: nested(z.array(PROXY)).default([]),
  hijack_https: nested(HIJACK).optional(),
  dfget_flags: setting.list.default([]),
  /** `host[:port][=weight]` */
  supernodes: setting.list.default(['127.0.0.1']),
  /** Of the host, each way. */
  ratelimit: setting.rate.optional(),
  workHome: setting.text.optional(),
  /** Where other hosts reach this one, and at which port. */
  localIP: setting.text.optional(),
  peerPort: setting.port.default(0),
  /** Data centre of this host, and its place in it: `row|rack|…`, widest first. */
  idc: setting.text.optional(),
  location: setting.text.optional(),
  /** Serve the port itself over TLS. */
  certpem: setting.text.optional(),
  keypem: setting.text.optional(),
  /** Addresses and networks that may ask; those of this machine always may. */
  clients: setting.list.default([]),
  target_hosts: nested(z.array(hostExpression)).default([]),
  target_ports: nested(z.array(z.coerce.number().int().min(1).max(65_535))).default([]),
  /** Addresses and networks that are allowed although they are link-local or for metadata. */
  target_addresses: setting.list.default([]),
  /** Nothing comes for so long = it stalls. */
  stall: setting.duration.default(30_000),
  /** No byte of a blob goes out before the digest of the whole is right. */
  proveFirst: setting.flag.default(false),
  /** The same for blobs up to so many bytes, for as long as their first byte is not held back for more than `proveWithin`. */
  proveUpTo: setting.size.default(16 * 1024 * 1024),
  proveWithin: setting.duration.default(1_000),
  /** Most bytes that the contents may take; absent = what the disk has. */
  cacheQuota: setting.size.optional(),
  /** Contents that nobody used for so long are dropped. */
  expire: setting.duration.default(72 * 3_600_000),
  verbose: setting.flag.default(false),
  // Of v1; without effect.
  dfpath: z.unknown().optional(),
  localrepo: z.unknown().optional(),
  maxprocs: z.unknown().optional(),
  streamMode: z.unknown().optional(),
  logConfig: z.unknown().optional(),
} as const;

export const WITHOUT_EFFECT = ['dfpath', 'localrepo', 'maxprocs', 'streamMode', 'logConfig'] as const;

export type Settings = SettingsOf<typeof SHAPE>;

export const FLAGS = {
  config: { kind: 'text', value: 'FILE', help: 'configuration file (default /etc/dragonfly/dfdaemon.yml)' },
  port: { kind: 'integer', value: 'PORT', help: 'port for engines (default 65001)' },
  hostIp: { kind: 'text', value: 'IP', help: 'address to listen on (default 127.0.0.1)' },
  registry: { kind: 'text', value: 'URL', help: 'registry behind the mirror (default https://index.docker.io)' },
  node: { kind: 'list', value: 'HOST[:PORT]', help: 'supernodes (default 127.0.0.1)' },
  ratelimit: { kind: 'text', value: 'RATE', help: 'limit of this host, each way (default none)' },
  workHome: { kind: 'text', value: 'DIR', help: 'contents, identity, log (default ~/.dragonfly, as dfget has it)' },
  localIP: { kind: 'text', value: 'IP', help: 'where other hosts reach this one' },
  peerPort: { kind: 'integer', value: 'PORT', help: 'port where other hosts get pieces (default one that is free)' },
  certpem: { kind: 'text', value: 'FILE', help: 'serve the port over TLS: certificate' },
  keypem: { kind: 'text', value: 'FILE', help: 'and its key' },
  verbose: { kind: 'boolean', help: 'log more' },
  help: { kind: 'boolean', short: 'h', help: 'this help' },
} as const satisfies FlagTable;

export const DEFAULT_FILE = '/etc/dragonfly/dfdaemon.yml';

export type CommandLine = { readonly values: FlagValues<typeof FLAGS>; readonly rest: readonly string[] };

export function readCommandLine(args: readonly string[]): CommandLine {
  return parseFlags(FLAGS, args);
}

/** Fault usage. */
export function readSettings({ values }: CommandLine, env: NodeJS.ProcessEnv): LoadedSettings<Settings> {
  const { config, port, hostIp, registry, node, ratelimit, workHome, localIP, peerPort, certpem, keypem } = values;
  const loaded = loadSettings({
    program: 'dfdaemon',
    shape: SHAPE,
    flags: {
      ...{ port, hostIp, ratelimit, workHome, localIP, peerPort, certpem, keypem },
      supernodes: node.length > 0 ? node : undefined,
      verbose: values.verbose ? true : undefined,
    },
    env,
    file: config ?? DEFAULT_FILE,
    explicitFile: config !== undefined,
  });
  if (registry === undefined) return loaded;
  const { values: settled } = loaded;
  const registry_mirror = { ...settled.registry_mirror, remote: registryOf(registry) };
  return { ...loaded, values: { ...settled, registry_mirror } };
}

function registryOf(text: string): string {
  const checked = origin.safeParse(text);
  if (checked.success) return checked.data;
  throw new Fault('usage', `--registry ${checked.error.issues[0]?.message ?? 'is wrong'}`);
}

/** As YAML would have it: expressions as their text. */
export function plainSettings(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(values, (_, value: unknown) => (value instanceof RegExp ? value.source : value)),
  ) as Record<string, unknown>;
}
