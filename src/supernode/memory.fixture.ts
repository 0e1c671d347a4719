/** A supernode without processes, sockets and disk, and hosts that speak to it as real ones do; the clock is moved by hand. */
import { ManualClock } from '../base/clock.ts';
import { Random } from '../base/random.ts';
import { BufferPool } from '../io/buffers.ts';
import { taskIdOf } from '../io/hash.ts';
import { silentLog } from '../io/log.ts';
import type { Session } from '../io/session.ts';
import { Fault } from '../protocol/faults.ts';
import { taskIdentity } from '../protocol/identity.ts';
import { type ContentId, type HostId, parseHostId } from '../protocol/ids.ts';
import { type HostMessage, PROTOCOL_VERSION, type SupernodeMessage } from '../protocol/messages.ts';
import type { Manifest, TaskSpec } from '../protocol/task.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { SourceAnswer, SourceRequest } from '../source/source.ts';
import { MemoryStore } from '../store/memory-store.ts';
import type { Marks } from '../store/watermarks.ts';
import { Cache } from './cache/cache.ts';
import { ALONE } from './cluster/alone.ts';
import { NO_HOSTS } from './cluster/no-hosts.fixture.ts';
import { FirstPieces } from './first-pieces.ts';
import { Grants } from './grants.ts';
import { HostFetches } from './host-fetches.ts';
import { Hosts } from './hosts.ts';
import { HostConversation, type SessionParts } from './sessions.ts';
import { SwarmLoop } from './swarm-loop.ts';
import { Swarms } from './swarms.ts';
import { Traffic } from './traffic.ts';

export const EXPIRE_MS = 180_000;

export function idOf(name: string): HostId {
  const id = parseHostId(name);
  if (id === undefined) throw new Error('no id');
  return id;
}

/** A host that takes what it is told to at once, keeps it for some time, and then says that it is gone. */
export class SimpleHost {
  readonly id: HostId;
  readonly heard: SupernodeMessage[] = [];
  /** How many of these were sent without waiting for the end of the turn. */
  promptly = 0;
  /** Bytes that came in frames of their own. */
  readonly bytes: Uint8Array[] = [];
  /** It has not read yet what it was sent. */
  isBehind = false;
  readonly #conversation: HostConversation;
  readonly #answers = new Map<number, (message: SupernodeMessage) => void>();
  readonly #manifests = new Map<ContentId, Manifest>();
  readonly #kept: { content: ContentId; until: number }[] = [];
  #requests = 0;

  constructor(name: string, parts: SessionParts) {
    this.id = idOf(name);
    const session: Session<SupernodeMessage> = {
      open: true,
      send: (message) => this.#hear(message),
      sendText: (json) => this.#hear(JSON.parse(json) as SupernodeMessage),
      sendBytes: (texts, bytes) => {
        if (this.isBehind) return false;
        for (const text of texts) this.#hear(JSON.parse(text) as SupernodeMessage);
        this.bytes.push(Uint8Array.from(bytes));
        return true;
      },
      heartbeatMs: 10_000,
      sendNow: () => {
        this.promptly = this.heard.length;
      },
      quietMs: 0,
      ping: () => undefined,
      close: () => undefined,
    };
    this.#conversation = new HostConversation(session, { ip: '10.0.0.2', port: 1, headers: {} }, parts);
    const site = { idc: '', location: '', machine: name };
    const host = { id: this.id, name, ip: '10.0.0.2', port: 1, site, version: '1', uploads: true };
    this.say({ type: 'hello', protocol: PROTOCOL_VERSION, host });
  }

  /** Resolves with the supernode's answer. */
  open(spec: TaskSpec, grant?: string, give?: number): Promise<SupernodeMessage> {
    const request = ++this.#requests;
    const answered = new Promise<SupernodeMessage>((resolve) => this.#answers.set(request, resolve));
    const more = { ...(grant === undefined ? {} : { grant }), ...(give === undefined ? {} : { give }) };
    this.say({ type: 'open', request, task: taskIdOf(taskIdentity(spec)), spec, ...more });
    return answered;
  }

  /** Opens it, holds its only piece, and keeps it until then; true when the supernode gave it. */
  async download(spec: TaskSpec, until: number): Promise<boolean> {
    const message = await this.open(spec);
    if (message.type !== 'opened') return false;
    const { content } = message;
    this.say({ type: 'report', content, held: [[0, 0, 1]], failed: [] });
    this.say({ type: 'leave', content });
    this.#kept.push({ content, until });
    return true;
  }

  forgetOld(now: number): void {
    while ((this.#kept[0]?.until ?? Number.POSITIVE_INFINITY) < now) {
      const gone = this.#kept.shift();
      if (gone === undefined) continue;
      this.#manifests.delete(gone.content);
      this.say({ type: 'lost', content: gone.content, pieces: 'all' });
    }
  }

  leave(): void {
    this.#conversation.onClose(new Fault('cancelled', 'goodbye'));
  }

  say(message: HostMessage): void {
    this.#conversation.onMessages([message]);
  }

  #hear(message: SupernodeMessage): void {
    this.heard.push(message);
    if (this.heard.length > 100) this.heard.shift();
    if ('manifest' in message && message.manifest !== undefined)
      this.#manifests.set(message.manifest.content, message.manifest);
    if (message.type === 'ask-manifest') {
      const manifest = this.#manifests.get(message.content);
      if (manifest !== undefined) this.say({ type: 'manifest', manifest });
    }
    if (message.type !== 'opened' && message.type !== 'refused') return;
    this.#answers.get(message.request)?.(message);
    this.#answers.delete(message.request);
  }
}

export function supernodeInMemory(options: {
  readonly openSource: (request: SourceRequest) => Promise<SourceAnswer>;
  readonly marks?: Partial<Marks>;
  readonly limited?: () => boolean;
}) {
  const { openSource, marks = {}, limited = () => false } = options;
  const clock = new ManualClock(1_000_000);
  let cache: Cache | undefined;
  const store = new MemoryStore({ clock, marks, onEvicted: (content) => cache?.forget(content) });
  const hosts = new Hosts({ id: idOf('seed'), ip: '10.0.0.1', port: 1 });
  const firstPieces = new FirstPieces({ hosts, limited, atHand: (id, piece) => store.find(id)?.atHand(piece) });
  const scheduler = new Scheduler({ random: new Random(1) });
  const loop = new SwarmLoop({
    scheduler,
    clock,
    send: (host, messages) => firstPieces.send(host, messages),
    addressOf: (host) => hosts.addressOf(host),
    digestsFor: (host, content) => swarms.digestsFor(host, content),
    starved: (content, pieces) => swarms.starved(content, pieces),
    trust: () => undefined,
    load: () => 0,
    crowded: () => undefined,
  });
  const site = { idc: '', location: '', machine: 'seed' };
  const swarms = new Swarms({ hosts, loop, clock, seedSite: site, seedUpBytesPerSecond: undefined });
  let uniques = 0;
  cache = new Cache({
    ...{ store, clock, openSource, log: silentLog, events: swarms, ...ALONE, hosts: NO_HOSTS },
    pool: new BufferPool({ budgetBytes: 16 * 1024 * 1024 }),
    secret: Buffer.from('a secret of the tests, 32 characters'),
    turn: async (most) => most,
    delay: async () => undefined,
    random: () => 0.5,
    unique: () => `unique${uniques++}`,
    rememberFailureMs: 30_000,
    heuristicFreshMs: EXPIRE_MS,
    staleIfErrorMs: 0,
    manifestFromHosts: (task) => swarms.manifestFromHosts(task),
  });
  swarms.start(cache);
  const grants = new Grants(() => `grant${uniques++}`);
  const fetches = new HostFetches({ hosts, grants, limit: 10, silenceMs: 1000 });
  const parts = {
    hosts,
    swarms,
    loop,
    fetches,
    grants,
    clock,
    log: silentLog,
    name: 'supernode',
    traffic: new Traffic(),
  };
  return { clock, cache, store, hosts, swarms, loop, grants, parts, core: scheduler.state };
}
