/**
 * One session with one host: its messages become events of the swarm, its end is the host's end. A host that opens a task waits here until
 * the source has said what the content is, or why not.
 */
import { unreachable } from '../base/assert.ts';
import { Bitfield } from '../base/bitfield.ts';
import type { Clock } from '../base/clock.ts';
import { taskIdOf } from '../io/hash.ts';
import type { Log } from '../io/log.ts';
import type { Session, SessionReceiver, SessionRemote } from '../io/session.ts';
import { Fault } from '../protocol/faults.ts';
import { taskIdentity } from '../protocol/identity.ts';
import { type HostMessage, INLINE_MAX_BYTES, PROTOCOL_VERSION, type SupernodeMessage } from '../protocol/messages.ts';
import type { Standing } from '../scheduler/trust.ts';
import type { Entry, Opened } from './cache/entry.ts';
import type { Grants } from './grants.ts';
import type { HostFetches } from './host-fetches.ts';
import { type HostRecord, type Hosts, heldOf } from './hosts.ts';
import { BEAT_MS, HELLO_TIMEOUT_MS, MAX_INVENTORY, MAX_OPEN_PER_HOST } from './limits.ts';
import type { SwarmLoop } from './swarm-loop.ts';
import type { ReportMessage, Swarms } from './swarms.ts';
import type { Traffic } from './traffic.ts';

export type SessionParts = {
  readonly hosts: Hosts;
  readonly swarms: Swarms;
  readonly loop: Pick<SwarmLoop, 'standingOf'>;
  readonly fetches: HostFetches;
  readonly grants: Grants;
  readonly traffic: Pick<Traffic, 'inlineBytes'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Shown to hosts. */
  readonly name: string;
  /** Of a supernode that has others beside it. */
  readonly cluster?: () => { readonly message: SupernodeMessage; readonly draining: boolean } | undefined;
};

type OpenMessage = Extract<HostMessage, { type: 'open' }>;

export class HostConversation implements SessionReceiver<HostMessage> {
  readonly #session: Session<SupernodeMessage>;
  readonly #parts: SessionParts;
  readonly #remote: SessionRemote;
  readonly #helloTimer: NodeJS.Timeout;
  #record: HostRecord | undefined;
  #opening = 0;

  constructor(session: Session<SupernodeMessage>, remote: SessionRemote, parts: SessionParts) {
    this.#session = session;
    this.#remote = remote;
    this.#parts = parts;
    this.#helloTimer = setTimeout(() => session.close(new Fault('bad-message', 'no hello came')), HELLO_TIMEOUT_MS);
  }

  onMessages(messages: readonly HostMessage[]): void {
    for (const message of messages) {
      if (!this.#session.open) return;
      if (message.type === 'hello') this.#hello(message);
      else if (this.#record === undefined) this.#session.close(new Fault('bad-message', 'hello must come first'));
      else this.#take(this.#record, message);
    }
  }

  onClose(reason: Fault): void {
    clearTimeout(this.#helloTimer);
    const record = this.#record;
    if (record === undefined) return;
    const { id } = record.description;
    this.#parts.log.info({ host: id, ip: this.#remote.ip, reason: reason.message }, 'a host left');
    if (this.#parts.hosts.remove(id, record.session) === undefined) return;
    this.#parts.swarms.hostLeft(record);
    this.#parts.fetches.hostLeft(id);
  }

  #hello(message: Extract<HostMessage, { type: 'hello' }>): void {
    clearTimeout(this.#helloTimer);
    if (message.protocol !== PROTOCOL_VERSION) {
      const text = `this supernode speaks protocol ${PROTOCOL_VERSION}, the host ${message.protocol}`;
      this.#session.close(new Fault('bad-message', text));
      return;
    }
    if (this.#record !== undefined) {
      this.#session.close(new Fault('bad-message', 'hello came twice'));
      return;
    }
    const { hosts, swarms, fetches, clock, log, loop } = this.#parts;
    const { host } = message;
    const before = hosts.find(host.id);
    if (before !== undefined) {
      // It reconnected before we saw the old connection end: the new one is what counts.
      hosts.remove(host.id, before.session);
      swarms.hostLeft(before);
      fetches.hostLeft(host.id);
    }
    this.#record = {
      description: host,
      address: { id: host.id, ip: host.ip, port: host.port },
      session: this.#session,
      joinedAt: clock.wall(),
      offers: new Map(),
      swarms: new Map(),
      manifests: new Set(),
      gives: new Map(),
      isolated: isolationOf(loop.standingOf(host.id)),
    };
    hosts.add(this.#record);
    swarms.hostJoined(this.#record);
    log.info({ host: host.id, name: host.name, ip: host.ip, port: host.port }, 'a host joined');
    this.#session.send({ type: 'welcome', protocol: PROTOCOL_VERSION, supernode: this.#parts.name, beatMs: BEAT_MS });
    const cluster = this.#parts.cluster?.();
    if (cluster !== undefined) this.#session.send(cluster.message);
  }

  #take(record: HostRecord, message: Exclude<HostMessage, { type: 'hello' }>): void {
    const { swarms } = this.#parts;
    switch (message.type) {
      case 'inventory':
        if (record.offers.size + message.contents.length > MAX_INVENTORY) {
          this.#session.close(new Fault('bad-message', `an inventory of more than ${MAX_INVENTORY} contents`));
          return;
        }
        for (const entry of message.contents) swarms.offered(record, entry);
        return;
      case 'open':
        void this.#open(record, message);
        return;
      case 'report':
        this.#report(record, message);
        return;
      case 'lost':
        swarms.lost(record, message.content, message.pieces);
        return;
      case 'window':
        swarms.windowMoved(record, message.content, message.window, message.whole ?? false);
        return;
      case 'leave':
        swarms.left(record, message.content);
        return;
      case 'manifest':
        swarms.manifestCame(message.manifest);
        return;
      case 'fetching':
      case 'fetched':
        this.#parts.fetches.heard(record.description.id, message);
        return;
      case 'beat':
        return;
      default:
        unreachable(message);
    }
  }

  #report(record: HostRecord, message: ReportMessage): void {
    const { swarms } = this.#parts;
    swarms.reported(record, message);
  }

  /** Never rejects: whatever goes wrong is an answer. */
  async #open(record: HostRecord, message: OpenMessage): Promise<void> {
    const { request } = message;
    try {
      if (this.#parts.cluster?.()?.draining === true)
        throw new Fault('supernode-refused', 'this supernode is draining');
      if (this.#opening >= MAX_OPEN_PER_HOST)
        throw new Fault('supernode-refused', 'this host opens too many tasks at once');
      this.#opening++;
      try {
        if (taskIdOf(taskIdentity(message.spec)) !== message.task)
          throw new Fault('bad-message', 'the task id is not that of its spec');
        await this.#answer(record, message, await this.#openedFor(record, message));
      } finally {
        this.#opening--;
      }
    } catch (error) {
      const fault = Fault.of(error);
      if (fault.code === 'internal') this.#parts.log.error({ error, task: message.task }, 'a task could not be opened');
      this.#reply({ type: 'refused', request, fault: fault.toValue() });
    }
  }

  /** With a grant of ours nobody is asked: the supernode itself has told the host to get it. */
  async #openedFor(record: HostRecord, { task, spec, grant }: OpenMessage): Promise<Opened> {
    const { swarms, grants } = this.#parts;
    const entry = grant === undefined ? undefined : grants.find(grant, record.description.id, task);
    if (entry !== undefined && swarms.has(entry)) return { entry };
    const opened = await swarms.open(task, spec);
    // Nobody wanted it until now, so it may have been evicted in this very moment.
    return opened.entry.fault !== undefined || swarms.has(opened.entry) ? opened : swarms.open(task, spec);
  }

  async #answer(record: HostRecord, message: OpenMessage, opened: Opened): Promise<void> {
    const { entry, stale } = opened;
    const { length } = entry.shape;
    if (length !== null && length <= INLINE_MAX_BYTES) {
      await this.#answerInline(message, opened, length);
      return;
    }
    if (entry.fault !== undefined) throw entry.fault;
    if (!this.#session.open) return;
    const { having } = message;
    const held = having?.content === entry.id ? heldOf(having.held, having.shape, entry.shape) : undefined;
    // What we sent may have come when nobody waited for it any more: the host's own word counts.
    if (having?.content === entry.id && having.hasManifest) record.manifests.add(entry.id);
    else record.manifests.delete(entry.id);
    this.#reply({
      type: 'opened',
      request: message.request,
      content: entry.id,
      shape: entry.shape,
      facts: entry.facts,
      ...this.#manifestFor(record, entry),
      ...(stale === undefined ? {} : { stale }),
    });
    this.#parts.swarms.joined(record, entry, held ?? new Bitfield(0), message);
  }

  /** At once: the host makes a place meanwhile, and what this turn has to say to all the others may take long. */
  #reply(message: Extract<SupernodeMessage, { type: 'opened' | 'refused' }>): void {
    this.#session.send(message);
    this.#session.sendNow();
  }

  #manifestFor(record: HostRecord, entry: Entry): { manifest?: NonNullable<Entry['manifest']> } {
    if (entry.manifest === undefined || record.manifests.has(entry.id)) return {};
    record.manifests.add(entry.id);
    return { manifest: entry.manifest };
  }

  async #answerInline(message: OpenMessage, { entry, stale }: Opened, length: number): Promise<void> {
    await entry.whenSettled();
    if (entry.fault !== undefined) throw entry.fault;
    const data = Buffer.alloc(length);
    if (length > 0) await entry.stored.read(0, data);
    this.#parts.traffic.inlineBytes += length;
    this.#reply({
      type: 'opened',
      request: message.request,
      content: entry.id,
      shape: entry.shape,
      facts: entry.facts,
      inline: data.toString('base64'),
      ...(entry.manifest === undefined ? {} : { manifest: entry.manifest }),
      ...(stale === undefined ? {} : { stale }),
    });
  }
}

function isolationOf(standing: Standing | undefined): HostRecord['isolated'] {
  return standing?.state === 'isolated' ? standing.reason : undefined;
}
