/** The supernode as a list of its parts, and the order in which they start and stop. */
import type { Clock } from '../base/clock.ts';
import { Random } from '../base/random.ts';
import { ApiServer } from '../io/api-server.ts';
import { BufferPool } from '../io/buffers.ts';
import { randomHex } from '../io/hash.ts';
import type { Log } from '../io/log.ts';
import { loopLoad } from '../io/loop-load.ts';
import { Pacer } from '../io/pacer.ts';
import { PieceServer } from '../io/piece-server.ts';
import { acceptSessions, type SessionAcceptor } from '../io/session.ts';
import { sleep } from '../io/sleep.ts';
import { systemClock } from '../io/system-clock.ts';
import { addressOf, machineName } from '../io/this-host.ts';
import { letYoungHeapGrow } from '../io/young-heap.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import { type Member, placeText } from '../protocol/member.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { accessOf, parseS3Url, type S3Settings } from '../source/s3-access.ts';
import { createSources, type SourcesOptions } from '../source/sources.ts';
import { addContents } from '../store/contents-api.ts';
import { openDiskStore } from '../store/disk-store.ts';
import { servable } from '../store/serving.ts';
import { addCluster, shownHealth } from './api/cluster.ts';
import { addConsole } from './api/console.ts';
import { addHealth } from './api/health.ts';
import { addHosts } from './api/hosts.ts';
import { addMetrics } from './api/metrics.ts';
import { addPreheats } from './api/preheats.ts';
import { addTasks } from './api/tasks.ts';
import { Cache } from './cache/cache.ts';
import { tellAll } from './cache/events.ts';
import { untilQuiet } from './cluster/drain.ts';
import { createElsewhere, type S3Behind } from './cluster/elsewhere.ts';
import { IsolationNews } from './cluster/isolation-news.ts';
import { MAX_WORDS } from './cluster/isolation-table.ts';
import { Membership } from './cluster/membership.ts';
import { Redis } from './cluster/redis.ts';
import { parseRedis } from './cluster/redis-place.ts';
import { FirstPieces } from './first-pieces.ts';
import { Grants } from './grants.ts';
import { openHome } from './home.ts';
import { HostFetches } from './host-fetches.ts';
import { HostWatch } from './host-watch.ts';
import { Hosts } from './hosts.ts';
import { FETCH_SILENCE_MS, FETCHES_AT_ONCE, FILL_BUDGET_BYTES, GRANT_BYTES, MANY_HOSTS } from './limits.ts';
import { createPreheats } from './preheat/create.ts';
import { Returning } from './returning.ts';
import { HostConversation } from './sessions.ts';
import { defaultHome, marksOf, type Settings } from './settings.ts';
import { SwarmLoop } from './swarm-loop.ts';
import { Swarms } from './swarms.ts';
import { startSweeping } from './sweeping.ts';
import { Traffic } from './traffic.ts';
import { TrustFile } from './trust-file.ts';

export type RunningSupernode = {
  readonly controlPort: number;
  readonly downloadPort: number;
  readonly address: string;
  /** Gives its tasks to the other supernodes and waits for its readers, if there are others; then `close`. */
  drain(): Promise<void>;
  close(): Promise<void>;
};

/** Piece requests that may wait for a slot, over all children. */
const QUEUE_LIMIT = 4096;
/** Answers sent at once; as with hosts, a slow child must hold up no other. */
const SLOTS = 16;
/** Hosts that wait for it are let in first. Milliseconds. */
const WARM_AFTER_MS = 50;

/** Faults: local-io, port-in-use, usage, store-version. */
export async function startSupernode(
  settings: Settings,
  told: { readonly log: Log; readonly version: string },
): Promise<RunningSupernode> {
  const { log, version } = told;
  const clock = systemClock;
  const redis = redisOf(settings, clock, log);
  const s3 = await s3BehindOf(settings);
  const home = await openHome(settings.homeDir ?? defaultHome(), settings.clusterSecretFile);
  const address = settings.advertiseIP ?? addressOf(settings.bindAddress);
  const rates = new Pacer(rateOf(settings), clock);
  const sources = createSources(sourcesOf(settings, clock));
  let cache: Cache | undefined;
  const store = await openDiskStore({
    root: `${home.dir}/store`,
    clock,
    minFreeBytes: settings.fullGCThreshold,
    marks: marksOf(settings),
    onError: (fault) => log.warn({ fault }, 'the store has trouble'),
    onEvicted: (content) => cache?.forget(content),
  });
  const pieceServer = new PieceServer({
    locate: (id: ContentId) => {
      const stored = store.find(id);
      return stored === undefined ? undefined : servable(stored);
    },
    slots: SLOTS,
    queueLimit: QUEUE_LIMIT,
    log,
    pace: () => rates.pace('sent'),
  });
  const downloadPort = await pieceServer
    .listen(settings.bindAddress, settings.downloadPort)
    .catch(async (error: unknown) => {
      await store.close();
      throw error;
    });
  const hosts = new Hosts({ id: home.id, ip: address, port: downloadPort });
  const firstPieces = new FirstPieces({
    hosts,
    atHand: (content, piece) => store.find(content)?.atHand(piece),
    limited: () => rates.bytesPerSecond !== undefined,
  });
  const random = new Random(Number.parseInt(randomHex(4), 16));
  const scheduler = new Scheduler({ random });
  const trust = new TrustFile({ path: `${home.dir}/trust.json`, clock, log, scheduler });
  const loop = new SwarmLoop({
    scheduler,
    clock,
    send: (host, messages) => firstPieces.send(host, messages),
    addressOf: (host) => hosts.addressOf(host),
    digestsFor: (host, content) => swarms.digestsFor(host, content),
    starved: (content, pieces) => swarms.starved(content, pieces),
    trust: (command) => {
      watch.take(command);
      news?.take(command);
    },
    load: loopLoad(),
    crowded: letYoungHeapGrow,
  });
  const site = { idc: settings.idc ?? '', location: settings.location ?? '', machine: await machineName() };
  const swarms = new Swarms({ hosts, loop, clock, seedSite: site, seedUpBytesPerSecond: rates.bytesPerSecond });
  const elsewhere = await createElsewhere({
    ...{ clock, log, secret: home.secret, here: { ip: address, port: downloadPort }, redis },
    turn: rates.turns('sent'),
    s3,
    holdings: (content) => swarms.holdings(content),
  });
  const returning = new Returning({
    clock,
    delay: (ms) => sleep(ms),
    hadHosts: () => !home.fresh || hosts.offered,
    manifestFromHosts: (task) => swarms.manifestFromHosts(task),
    unfinishedAtHosts: (content) => swarms.unfinishedAtHosts(content),
  });
  const watch = new HostWatch({
    ...{ hosts, loop, log },
    proofOf: (content, piece) => swarms.proofOf(content, piece),
    busy: () => scheduler.busyHosts(),
  });
  const news =
    redis === undefined
      ? undefined
      : new IsolationNews({
          ...{ redis, secret: home.secret, self: home.id, clock, log },
          handle: (event) => loop.handle(event),
          remembered: () => scheduler.remember(clock.now(), MAX_WORDS),
        });
  const traffic = new Traffic();
  cache = new Cache({
    store,
    pool: new BufferPool({ budgetBytes: FILL_BUDGET_BYTES }),
    clock,
    log,
    secret: home.secret,
    openSource: async (request) => {
      elsewhere.admit(request);
      return traffic.counted(sources.open({ ...request, stallMs: settings.sourceStallTime }));
    },
    turn: rates.bytesPerSecond === undefined ? undefined : rates.turns('read'),
    delay: (ms) => sleep(ms),
    random: Math.random,
    unique: () => randomHex(8),
    rememberFailureMs: settings.failAccessInterval,
    heuristicFreshMs: settings.taskExpireTime,
    staleIfErrorMs: settings.staleIfError,
    manifestFromHosts: (task, begun) => returning.manifest(task, begun),
    ...elsewhere.cacheParts,
    events: tellAll([swarms, ...elsewhere.listeners]),
  });
  swarms.start(cache);
  redis?.start();
  const api = new ApiServer({ log });
  let ready = false;
  let warming: NodeJS.Timeout | undefined;
  let membership: Membership | undefined;
  const cluster = () => (membership === undefined ? undefined : shownHealth(membership));
  addHealth(api.app, { version, cluster, ready: () => ready && membership?.draining !== true });
  let member: Omit<Member, 'state'> = { id: home.id, place: '', weight: settings.clusterWeight };
  const alone = (): Member => ({ ...member, state: 'up' });
  addCluster(api.app, { membership: () => membership, alone, redis: redis?.shown });
  addTasks(api.app, { cache, swarms });
  const census = {
    hosts,
    standingOf: (host: HostId) => loop.standingOf(host),
    isolatedAway: () => scheduler.isolatedAway(clock.now()),
    isSilent: (host: HostId) => watch.isSilent(host),
  };
  addHosts(api.app, { ...census, order: (event) => loop.handle(event) });
  const contents = cache;
  addContents(api.app, { store, remove: ({ id }) => contents.remove(id) });
  const grants = new Grants(() => randomHex(GRANT_BYTES));
  const fetches = new HostFetches({ hosts, grants, limit: FETCHES_AT_ONCE, silenceMs: FETCH_SILENCE_MS });
  const heat = createPreheats({ hosts, swarms, fetches, clock, random, unique: () => randomHex(8) });
  addPreheats(api.app, heat.preheats);
  const parts = { hosts, swarms, loop, fetches, grants, traffic, clock, log, name: home.id, cluster: () => membership };
  const sessions: SessionAcceptor = acceptSessions(api.server, '/v1/session', (session, remote) => {
    if (hosts.count >= MANY_HOSTS) letYoungHeapGrow();
    return new HostConversation(session, remote, parts);
  });
  addMetrics(api.app, () => ({
    ...{ ...census, version, traffic, store, cache: contents, tally: watch.tally, preheats: heat.preheats },
    downloads: () => hosts.downloads,
    sessions: () => sessions.count,
    swarms: () => swarms.counts.swarms,
    sending: () => pieceServer.load,
    firstPieceBytes: () => firstPieces.bytesSent,
    members: () => membership?.message.members ?? [alone()],
    redis: () => membership?.redis,
  }));
  addConsole(api.app);
  const sweeping = startSweeping({ cache, swarms, store, clock, log }, settings);

  const drain = async (): Promise<void> => {
    if (membership === undefined || !membership.hasHeir) return;
    membership.drain();
    const busy = () => hosts.downloads + pieceServer.load.sending + pieceServer.load.waiting;
    const left = await untilQuiet({ clock, limitMs: settings.drainTimeout, busy });
    log.info({ left }, left === 0 ? 'drained' : 'not all readers have ended in time');
  };
  const close = async (): Promise<void> => {
    ready = false;
    clearTimeout(warming);
    await membership?.close();
    await news?.close();
    sweeping.stop();
    watch.close();
    await heat.close();
    await trust.close();
    await sessions.close();
    await api.close();
    await pieceServer.close();
    await cache.close();
    await elsewhere.close();
    await sources.close();
    loop.close();
    await redis?.close();
    await store.close();
  };
  try {
    await trust.load();
    news?.start();
    const controlPort = await api.listen(settings.bindAddress, settings.listenPort);
    member = { ...member, place: placeText(address, controlPort) };
    if (redis !== undefined) {
      const tell = (message: SupernodeMessage) => {
        for (const { session } of hosts.all) session.send(message);
      };
      membership = new Membership({ redis, self: member, clock, log, onChange: tell });
      membership.start();
    }
    watch.start();
    ready = true;
    returning.ready();
    warming = setTimeout(() => sources.warm(), WARM_AFTER_MS);
    return { controlPort, downloadPort, address, drain, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Undefined for one that is alone. Fault usage. */
function redisOf({ cluster, clusterName }: Settings, clock: Clock, log: Log): Redis | undefined {
  if (cluster === undefined) return undefined;
  return new Redis({ place: parseRedis(cluster), clusterName, clock, log, random: Math.random });
}

/** Credentials and place as of s3 sources; what is wrong with them is said before anything is started. Fault usage. */
async function s3BehindOf(settings: Settings): Promise<S3Behind | undefined> {
  const { s3Store: url } = settings;
  if (url === undefined) return undefined;
  parseS3Url(url);
  const behind = { url, settings: s3SettingsOf(settings), env: process.env };
  await accessOf({}, behind.settings, behind.env);
  return behind;
}

function s3SettingsOf({ s3Endpoint, s3Region, s3PathStyle, s3Profile }: Settings): S3Settings {
  return { endpoint: s3Endpoint, region: s3Region, pathStyle: s3PathStyle, profile: s3Profile };
}

function sourcesOf(settings: Settings, clock: Clock): SourcesOptions {
  const { fileRoots, sourceConnections } = settings;
  return {
    wallNow: () => clock.wall(),
    fileRoots,
    connections: sourceConnections,
    s3: s3SettingsOf(settings),
  };
}

function rateOf({ maxBandwidth, systemReservedBandwidth }: Settings): number | undefined {
  if (maxBandwidth === undefined) return undefined;
  return Math.max(maxBandwidth - (systemReservedBandwidth ?? 0), maxBandwidth / 10);
}
