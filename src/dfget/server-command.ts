/**
 * `dfget server`: the agent in the foreground, until a signal or `dfget stop` ends it. A flag wins over the properties;
 * SIGHUP reads the properties' totalLimit again.
 */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseFlags } from '../io/flags.ts';
import type { AgentSettings } from '../peer/settings.ts';
import { EXIT, Fault } from '../protocol/faults.ts';
import { socketPathOf } from './agent-request.ts';
import { AGENT_FLAGS, type AgentFlags, nodesOf } from './flags.ts';
import { DEFAULT_CONFIG, homeOf } from './home.ts';
import type { Properties } from './properties.ts';
import { version } from './version.ts';

/** The protocol's limit. */
const MAX_SITE_LENGTH = 255;
const DEFAULT_NODES = ['127.0.0.1'];

export async function server(args: readonly string[]): Promise<number> {
  if (parseFlags(AGENT_FLAGS, args).values.help) {
    process.stdout.write((await import('./help.ts')).help());
    return EXIT.ok;
  }
  const settings = await agentSettings(args);
  const { runAgent } = await import('../peer/server.ts');
  await runAgent(settings);
  return EXIT.ok;
}

/** Fault usage. */
export async function agentSettings(args: readonly string[]): Promise<AgentSettings> {
  const { values: flags, rest } = parseFlags(AGENT_FLAGS, args);
  if (rest.length > 0) throw new Fault('usage', `dfget server takes no ${JSON.stringify(rest[0])}`);
  const home = await homeOf(flags);
  socketPathOf(home);
  return settingsOf(flags, home, await propertiesOf(flags));
}

/** Parsing YAML is left out where there is none. */
async function propertiesOf({ config }: Pick<AgentFlags, 'config'>): Promise<Partial<Properties>> {
  if (config === undefined && !existsSync(DEFAULT_CONFIG)) return {};
  const { readProperties } = await import('./properties.ts');
  return readProperties(config ?? DEFAULT_CONFIG, config !== undefined);
}

function settingsOf(flags: AgentFlags, home: string, properties: Partial<Properties>): AgentSettings {
  if (flags.ip !== undefined && isIP(flags.ip) === 0)
    throw new Fault('usage', `--ip wants an IP address, not ${JSON.stringify(flags.ip)}`);
  if (flags.port !== undefined && flags.port > 65_535) throw new Fault('usage', `--port ${flags.port} is above 65535`);
  const nodes = nodesOf(flags.node.length > 0 ? flags.node : (properties.nodes ?? DEFAULT_NODES));
  const totalLimit = flags.totallimit || properties.totalLimit;
  const { localLimit, minRate, clientQueueSize } = properties;
  return {
    home,
    nodes,
    version: version(),
    site: siteOf(flags, properties),
    ...(flags.ip === undefined ? {} : { ip: flags.ip }),
    ...(flags.port === undefined ? {} : { port: flags.port }),
    ...(totalLimit ? { totalLimit } : {}),
    ...(localLimit === undefined ? {} : { localLimit }),
    ...(minRate === undefined ? {} : { minRate }),
    ...(clientQueueSize ? { clientQueue: clientQueueSize } : {}),
    ...(flags.alivetime === undefined ? {} : { aliveMs: flags.alivetime }),
    ...defined('expireMs', flags.expiretime ?? properties.expireTime),
    marks: {
      ...defined('maxBytes', flags.cachequota || properties.cacheQuota),
      ...defined('youngBytes', properties.youngGCThreshold),
      ...defined('fullBytes', properties.fullGCThreshold),
      ...defined('restMs', properties.intervalThreshold),
    },
    verbose: flags.verbose,
    reloadLimit: async () => flags.totallimit || (await propertiesOf(flags)).totalLimit,
  };
}

function siteOf(flags: AgentFlags, properties: Partial<Properties>): NonNullable<AgentSettings['site']> {
  const site = { idc: flags.idc ?? properties.idc ?? '', location: flags.location ?? properties.location ?? '' };
  for (const [name, value] of Object.entries(site))
    if (value.length > MAX_SITE_LENGTH)
      throw new Fault('usage', `--${name} has more than ${MAX_SITE_LENGTH} characters`);
  return site;
}

function defined<Name extends string>(name: Name, value: number | undefined): { readonly [_ in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [_ in Name]: number });
}
