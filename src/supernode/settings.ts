/** The supernode's settings: names of the old system where it had them. Nothing is limited unless asked for. */
import { type LoadedSettings, loadSettings, type SettingsOf, setting } from '../io/config.ts';
import { type FlagTable, type FlagValues, parseFlags } from '../io/flags.ts';
import { thisUser } from '../io/this-host.ts';
import { DEFAULT_MARKS, type Marks } from '../store/watermarks.ts';

export const SHAPE = {
  listenPort: setting.port.default(8002),
  downloadPort: setting.port.default(8001),
  /** Address to listen on; `::` takes IPv4 too. */
  bindAddress: setting.text.default('::'),
  homeDir: setting.text.optional(),
  /** Where hosts reach this supernode. */
  advertiseIP: setting.text.optional(),
  maxBandwidth: setting.rate.optional(),
  systemReservedBandwidth: setting.rate.optional(),
  /** How long a source's refusal is remembered. */
  failAccessInterval: setting.duration.default(30_000),
  /** How long a content without any validator counts as fresh, and how long an idle swarm is remembered. */
  taskExpireTime: setting.duration.default(180_000),
  /** How long a content may be used after it went stale when its source cannot be reached; 0 = never. */
  staleIfError: setting.duration.default(0),
  /** Most bytes that the cache may take; absent = what the disk has. */
  cacheQuota: setting.size.optional(),
  /** With less than this free on the disk, contents that have rested for intervalThreshold make room. */
  youngGCThreshold: setting.size.default(DEFAULT_MARKS.youngBytes),
  /** With no more than this free, idle contents go at once, until youngGCThreshold is free; no new content takes the last of it. */
  fullGCThreshold: setting.size.default(DEFAULT_MARKS.fullBytes),
  intervalThreshold: setting.duration.default(DEFAULT_MARKS.restMs),
  /** How often the disk is looked at. */
  gcDiskInterval: setting.duration.default(15_000),
  /** How often tasks and swarms that nobody uses are looked for. */
  gcMetaInterval: setting.duration.default(30_000),
  /** Folders of this machine whose files hosts may download as file:///…; none by default. */
  fileRoots: setting.list.default([]),
  /** Ranges of one large content that are read from its source at once; absent = as suits the kind of source, 1 = never. */
  sourceConnections: setting.count.optional(),
  /** A source that sends no byte for so long has stalled. */
  sourceStallTime: setting.duration.default(30_000),
  /** For s3: sources. Credentials are no settings: they come from AWS_* in the environment or from a profile. */
  s3Endpoint: setting.text.optional(),
  s3Region: setting.text.optional(),
  s3PathStyle: setting.flag.optional(),
  s3Profile: setting.text.optional(),
  /** `s3://BUCKET/PREFIX` to which complete contents are written behind, and from which they are read before their source. */
  s3Store: setting.text.optional(),
  clusterSecretFile: setting.text.optional(),
  /** Redis that the supernodes of a cluster share; docs/cluster.md has the forms. Absent = this supernode is alone. */
  cluster: setting.text.optional(),
  /** Clusters that share one Redis differ in this. */
  clusterName: setting.text
    .regex(/^[0-9A-Za-z._-]{1,64}$/, 'must be of letters, digits, dot, dash and underscore')
    .default('default'),
  /** This one's share of the tasks is as large as its part of all weights. */
  clusterWeight: setting.weight.default(1),
  /** How long a supernode that is to end goes on for those who still read from it. */
  drainTimeout: setting.duration.default(30_000),
  idc: setting.text.optional(),
  location: setting.text.optional(),
  debug: setting.flag.default(false),
} as const;

export type Settings = SettingsOf<typeof SHAPE>;

export const FLAGS = {
  config: { kind: 'text', value: 'FILE', help: 'configuration file (default /etc/dragonfly/supernode.yml)' },
  port: { kind: 'integer', value: 'PORT', help: 'port of API and sessions (default 8002)' },
  'download-port': { kind: 'integer', value: 'PORT', help: 'port of the piece server (default 8001)' },
  bind: { kind: 'text', value: 'IP', help: 'address to listen on (default all)' },
  'home-dir': { kind: 'text', value: 'DIR', help: 'where contents and secret are kept' },
  'advertise-ip': {
    kind: 'text',
    value: 'IP',
    help: 'where hosts reach this supernode (default --bind, or the first address)',
  },
  'max-bandwidth': { kind: 'text', value: 'RATE', help: 'limit of all that is read and sent (default none)' },
  'system-bandwidth': { kind: 'text', value: 'RATE', help: 'part of --max-bandwidth left to others' },
  'fail-access-interval': {
    kind: 'text',
    value: 'TIME',
    help: "how long a source's refusal is remembered (default 30s)",
  },
  'task-expire-time': { kind: 'text', value: 'TIME', help: 'how long an unused task stays in memory (default 3m)' },
  'cache-quota': {
    kind: 'text',
    value: 'SIZE',
    help: 'most bytes that the cache may take (default what the disk has)',
  },
  'stale-if-error': {
    kind: 'text',
    value: 'TIME',
    help: 'use a stale content for so long when its source is down (default never)',
  },
  'file-roots': { kind: 'text', value: 'DIR,…', help: 'folders whose files hosts may download as file:///… (none)' },
  'source-connections': {
    kind: 'integer',
    value: 'N',
    help: 'ranges of one large content read at once (default 1, of s3 and hf 4)',
  },
  's3-endpoint': { kind: 'text', value: 'URL', help: 'where s3://… is, if not Amazon' },
  's3-region': { kind: 'text', value: 'REGION', help: 'region of s3://…' },
  's3-path-style': { kind: 'boolean', help: 'buckets of s3://… are part of the path (default with --s3-endpoint)' },
  's3-profile': { kind: 'text', value: 'NAME', help: 'profile with the credentials for s3://…' },
  cluster: { kind: 'text', value: 'URL', help: 'redis://… that the supernodes of a cluster share (default none)' },
  'cluster-name': {
    kind: 'text',
    value: 'NAME',
    help: 'clusters that share one Redis differ in this (default "default")',
  },
  'drain-timeout': {
    kind: 'text',
    value: 'TIME',
    help: 'how long it goes on for its readers when it is to end (default 30s)',
  },
  s3: { kind: 'text', value: 'URL', help: 's3://BUCKET/PREFIX that keeps complete contents for all supernodes (none)' },
  'cluster-secret-file': { kind: 'text', value: 'FILE', help: 'secret that all supernodes of a cluster share' },
  debug: { kind: 'boolean', short: 'D', help: 'log more' },
  help: { kind: 'boolean', short: 'h', help: 'this help' },
} as const satisfies FlagTable;

export const DEFAULT_FILE = '/etc/dragonfly/supernode.yml';

export type CommandLine = { readonly values: FlagValues<typeof FLAGS>; readonly rest: readonly string[] };

export function readCommandLine(args: readonly string[]): CommandLine {
  return parseFlags(FLAGS, args);
}

/** Fault usage. */
export function readSettings({ values }: CommandLine, env: NodeJS.ProcessEnv): LoadedSettings<Settings> {
  return loadSettings({
    program: 'supernode',
    shape: SHAPE,
    flags: {
      listenPort: values.port,
      downloadPort: values['download-port'],
      bindAddress: values.bind,
      homeDir: values['home-dir'],
      advertiseIP: values['advertise-ip'],
      maxBandwidth: values['max-bandwidth'],
      systemReservedBandwidth: values['system-bandwidth'],
      failAccessInterval: values['fail-access-interval'],
      taskExpireTime: values['task-expire-time'],
      cacheQuota: values['cache-quota'],
      staleIfError: values['stale-if-error'],
      fileRoots: values['file-roots'],
      sourceConnections: values['source-connections'],
      s3Endpoint: values['s3-endpoint'],
      s3Region: values['s3-region'],
      s3PathStyle: values['s3-path-style'] ? true : undefined,
      s3Profile: values['s3-profile'],
      cluster: values.cluster,
      clusterName: values['cluster-name'],
      drainTimeout: values['drain-timeout'],
      s3Store: values.s3,
      clusterSecretFile: values['cluster-secret-file'],
      debug: values.debug ? true : undefined,
    },
    env,
    file: values.config ?? DEFAULT_FILE,
    explicitFile: values.config !== undefined,
  });
}

/** What the settings say of the room that the cache may take. */
export function marksOf(settings: Settings): Partial<Marks> {
  const { youngGCThreshold, fullGCThreshold, intervalThreshold, cacheQuota } = settings;
  return {
    youngBytes: youngGCThreshold,
    fullBytes: fullGCThreshold,
    restMs: intervalThreshold,
    ...(cacheQuota === undefined ? {} : { maxBytes: cacheQuota }),
  };
}

/** A service's folder for root, else one of the user's own. */
export function defaultHome(): string {
  return thisUser().root ? '/var/lib/dragonfly/supernode' : `${thisUser().home}/.dragonfly-supernode`;
}
