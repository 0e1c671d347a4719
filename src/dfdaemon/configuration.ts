/** What the settings mean: files read, registries by name, rules. Faults usage name the setting. */
import { join } from 'node:path';
import { readSmall } from '../io/disk.ts';
import { thisUser } from '../io/this-host.ts';
import { Fault } from '../protocol/faults.ts';
import type { CredentialPolicy, Trust, Upstream, UpstreamTable } from './registry/upstreams.ts';
import type { Rule } from './rules.ts';
import type { Settings } from './settings.ts';
import type { HijackedHost } from './tunnels.ts';

const HUB = 'https://registry-1.docker.io';
/** What people call Docker's registry; only the last one of these answers. */
const HUB_ORIGINS = new Set(['https://index.docker.io', 'https://docker.io', HUB]);

export async function upstreamTable({ registry_mirror, registries }: Settings): Promise<UpstreamTable> {
  const named = new Map<string, Upstream>();
  for (const one of registries) {
    const origin = originOf(one.remote ?? `https://${one.host}`);
    const trust = await trustOf(one, 'registries');
    named.set(one.host.toLowerCase(), { origin, trust, credentials: await policyOf(one), direct: one.direct });
  }
  const { remote, direct } = registry_mirror;
  const origin = originOf(remote);
  const known = [...named.values()].find((upstream) => upstream.origin === origin);
  const trust = await trustOf(registry_mirror, 'registry_mirror');
  const plain = trust.cacerts.length === 0 && !trust.insecure && !direct;
  const standard: Upstream = { origin, trust, credentials: { type: 'client' }, direct };
  return { standard: known !== undefined && plain ? known : standard, named };
}

/** In v1 a rule meant dfget unless it said `direct`. */
export function rulesOf({ proxies }: Settings): Rule[] {
  return proxies.map(({ regx, use_dfget, use_https, direct, redirect }) => ({
    pattern: regx,
    p2p: use_dfget ?? !direct,
    useHttps: use_https,
    ...(redirect === undefined || redirect === '' ? {} : { redirect }),
  }));
}

export async function hijackedHosts({ hijack_https }: Settings): Promise<HijackedHost[]> {
  const hosts = hijack_https?.hosts ?? [];
  return Promise.all(hosts.map(async (host) => ({ pattern: host.regx, trust: await trustOf(host, 'hijack_https') })));
}

/** The agent's home, which dfget uses too. */
export function homeFolder({ workHome }: Settings): string {
  return workHome ?? join(thisUser().home, '.dragonfly');
}

/** A file's text. Fault usage when it is not there. */
export async function textOf(file: string, of: string): Promise<string> {
  const bytes = await readSmall(file);
  if (bytes === undefined) throw new Fault('usage', `${of}: there is no file ${file}`);
  return bytes.toString('utf8');
}

async function trustOf(from: { insecure: boolean; certs: readonly string[] }, of: string): Promise<Trust> {
  const cacerts = await Promise.all(from.certs.map((file) => textOf(file, `${of}: certs`)));
  return { insecure: from.insecure, cacerts };
}

async function policyOf({ host, credentials, username, password_file }: Settings['registries'][number]) {
  if (credentials !== 'own') return { type: credentials } satisfies CredentialPolicy;
  if (username === undefined || password_file === undefined)
    throw new Fault('usage', `registries: ${host} has credentials: own and needs username and password_file`);
  const password = (await textOf(password_file, 'registries: password_file')).replace(/\r?\n$/, '');
  return { type: 'own', username, password } satisfies CredentialPolicy;
}

function originOf(text: string): string {
  const { origin } = new URL(text);
  return HUB_ORIGINS.has(origin) ? HUB : origin;
}
