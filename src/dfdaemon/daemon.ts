/**
 * dfdaemon from start to end: the host's engine with its agent's socket, and in front of it the port for engines. One
 * engine per home: where an agent runs already, dfdaemon does not start.
 */
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Log } from '../io/log.ts';
import { systemClock } from '../io/system-clock.ts';
import { ownAddresses } from '../io/this-host.ts';
import { type Agent, startAgent } from '../peer/server.ts';
import { Fault } from '../protocol/faults.ts';
import { Access } from './access.ts';
import { loadAuthority, openAuthority } from './ca/authority.ts';
import { LeafCache } from './ca/leaf-cache.ts';
import { hijackedHosts, homeFolder, rulesOf, textOf, upstreamTable } from './configuration.ts';
import { Desk } from './desk.ts';
import { type DfgetFlags, parseDfgetFlags } from './dfget-flags.ts';
import { Front, type OwnPage } from './front.ts';
import { MirrorTokens } from './mirror-tokens.ts';
import { OwnCredentials } from './registry/own-credentials.ts';
import type { Settings } from './settings.ts';
import { Shelf } from './shelf.ts';
import { Suspects } from './suspects.ts';
import { Tally } from './tally.ts';
import { addressList, Targets } from './targets.ts';
import { TokenDesk } from './token-desk.ts';
import { Tunnels } from './tunnels.ts';
import { UpstreamClient } from './upstream-client.ts';

export type Daemon = {
  readonly port: number;
  readonly home: string;
  /** Resolves when it has ended. */
  readonly stopped: Promise<void>;
  stop(): Promise<void>;
};

export type DaemonParts = { readonly log: Log; readonly version: string };

const LOOPBACK = ['127.0.0.0/8', '::1'];
/** Answers that run may end in this time. */
const GRACE_MS = 5_000;

/** Faults: usage, port-in-use, local-io (also when an agent runs in this home), store-version. */
export async function startDaemon(settings: Settings, { log, version }: DaemonParts): Promise<Daemon> {
  const clock = systemClock;
  const home = homeFolder(settings);
  const flags = parseDfgetFlags(settings.dfget_flags);
  const [table, hijacked, tls] = await Promise.all([upstreamTable(settings), hijackedHosts(settings), tlsOf(settings)]);
  const clients = addressList([...LOOPBACK, ...settings.clients]);
  const own = { port: settings.port, addresses: ownAddresses() };
  const { target_hosts: hosts, target_ports: ports, target_addresses: addresses } = settings;
  const targets = new Targets({ hosts, ports, addresses, own });
  await refuseSecondAgent(home);
  // All that can be wrong in the settings is found before anything runs.
  const certificates = await interception(settings, home);
  const agent = await startAgent(agentSettings(settings, flags, { home, version }));
  const tally = new Tally();
  const client = new UpstreamClient(targets);
  const credentials = new OwnCredentials(client, clock);
  const tokens = new TokenDesk(client, clock);
  const shelf = new Shelf(agent.engine);
  const suspects = new Suspects(clock, settings.proveFirst);
  const { filter } = flags;
  const request = requestOf(flags);
  const desk = new Desk({
    ...{ table, targets, tokens, tally },
    mirrorTokens: new MirrorTokens({ table, client, tokens, clock }),
    rules: rulesOf(settings),
    access: new Access(credentials, clock),
    passing: { client, own: credentials },
    p2p: {
      ...{ shelf, suspects, own: credentials, clock, log, tally, request, filter },
      stallMs: settings.stall,
      proof: { upToBytes: settings.proveUpTo, withinMs: settings.proveWithin },
    },
    name: `dfdaemon-${crypto.randomUUID().slice(0, 8)}`,
  });
  const front = new Front({
    ...{ desk, log, clients },
    tunnels: new Tunnels({ targets, log, tally, hijacked, ...certificates }),
    own: ownPages(() => statusOf({ agent, tally, shelf, tokens }, { version, home })),
    ...(tls === undefined ? {} : { tls }),
  });
  let stopping: Promise<void> | undefined;
  const end = async () => {
    await front.close(GRACE_MS);
    shelf.close();
    client.close();
    await agent.stop();
  };
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  try {
    own.port = await front.listen(settings.hostIp, settings.port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: own.port, home, stop, stopped: agent.stopped.then(stop) };
}

/** What `dfget_flags` say of every download. */
function requestOf({ pattern, notbs, locallimit, minrate }: DfgetFlags) {
  return {
    ...{ pattern, nodes: [], noBackToSource: notbs },
    ...(locallimit === undefined ? {} : { localLimit: locallimit }),
    ...(minrate === undefined ? {} : { minRate: minrate }),
  };
}

function agentSettings(settings: Settings, flags: DfgetFlags, { home, version }: { home: string; version: string }) {
  const ip = settings.localIP ?? flags.ip;
  const totalLimit = settings.ratelimit ?? flags.totallimit;
  return {
    ...{ home, version },
    nodes: flags.node.length > 0 ? flags.node : settings.supernodes,
    site: { idc: settings.idc ?? '', location: settings.location ?? '' },
    port: settings.peerPort === 0 ? (flags.port ?? 0) : settings.peerPort,
    expireMs: flags.expiretime ?? settings.expire,
    ...(settings.cacheQuota === undefined ? {} : { marks: { maxBytes: settings.cacheQuota } }),
    verbose: settings.verbose || flags.verbose,
    ...(ip === undefined ? {} : { ip }),
    ...(totalLimit === undefined ? {} : { totalLimit }),
  };
}

async function tlsOf({ certpem, keypem }: Settings): Promise<{ cert: string; key: string } | undefined> {
  if (certpem === undefined && keypem === undefined) return undefined;
  if (certpem === undefined || keypem === undefined) throw new Fault('usage', 'certpem and keypem belong together');
  return { cert: await textOf(certpem, 'certpem'), key: await textOf(keypem, 'keypem') };
}

async function interception({ hijack_https }: Settings, home: string) {
  if (hijack_https === undefined || hijack_https.hosts.length === 0) return {};
  const { cert, key } = hijack_https;
  if ((cert === undefined) !== (key === undefined))
    throw new Fault('usage', 'hijack_https: cert and key belong together');
  const authority =
    cert === undefined || key === undefined
      ? (await openAuthority(join(home, 'ca'))).authority
      : await loadAuthority(cert, key);
  const leaves = new LeafCache(authority);
  return { contextFor: (name: string) => leaves.secureContextFor(name) };
}

/** Fault usage when an agent answers in this home: there is one engine per home, and its socket is that agent's. */
async function refuseSecondAgent(home: string): Promise<void> {
  const path = join(home, 'agent.sock');
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.on('error', () => resolve(false));
    probe.on('connect', () => probe.destroy());
  });
  if (alive)
    throw new Fault(
      'usage',
      `an agent of dfget runs in ${home}; end it with "dfget stop --home ${home}": dfdaemon is the agent of its home, dfget included`,
    );
}

function ownPages(status: () => object): (path: string) => OwnPage | undefined {
  return (path) => {
    if (path === '/_ping') return { status: 200, body: 'OK' };
    if (path === '/healthz') return { status: 200, body: 'ok\n' };
    return path === '/status' ? { status: 200, body: status() } : undefined;
  };
}

function statusOf(
  { agent, tally, shelf, tokens }: { agent: Agent; tally: Tally; shelf: Shelf; tokens: TokenDesk },
  about: { version: string; home: string },
): object {
  const { engine } = agent;
  return {
    ...about,
    pid: process.pid,
    piecePort: engine.port,
    supernodes: engine.supernodes,
    contents: engine.store.list().length,
    downloads: engine.busy,
    open: shelf.open,
    tokensAsked: tokens.asked,
    ...tally,
  };
}
