/**
 * Who is out of scheduling as a parent, for one content or for all, and comes back: the one writer of that, so that swarms, leases and the
 * world hear of every change.
 */
import type { Millis } from '../base/clock.ts';
import type { ContentId, HostId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { ReleaseReason, SchedulerEvent } from './events.ts';
import type { Host } from './host-table.ts';
import type { Membership } from './membership.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';
import type { IsolationReason, Standing, Trust } from './trust.ts';
import type { RememberedHost } from './trust-memory.ts';

type EventOf<T extends SchedulerEvent['type']> = Extract<SchedulerEvent, { type: T }>;

export class Isolation {
  readonly #core: Core;
  readonly #membership: Membership;
  readonly #transfers: Transfers;

  constructor(core: Core, membership: Membership, transfers: Transfers) {
    this.#core = core;
    this.#membership = membership;
    this.#transfers = transfers;
  }

  isolate(host: Host, reason: IsolationReason, now: Millis): void {
    this.#isolate(host, reason, now, host.trust.nextMs(reason, now, this.#core.limits));
  }

  /** As if nothing had been held against it. `by`: the other supernode that said so. */
  release(host: Host, why: ReleaseReason, by?: HostId): void {
    const contents = [...host.trust.excluded.keys()];
    host.trust.pardon();
    this.#core.pairs.mute(host.index, false);
    this.#core.isolated.delete(host);
    this.#core.excluded.delete(host);
    for (const content of contents) this.#core.out.push({ type: 'admitted', host: host.id, content });
    this.#released(host.id, why, by);
    this.#membership.updateServing(host);
  }

  /** An operator's word, which also counts for hosts that are away. `forMs` null = until it is released. */
  order(id: HostId, now: Millis, forMs: Millis | null, note: string): void {
    const { hosts } = this.#core;
    const host = hosts.get(id);
    if (host !== undefined) {
      this.#isolate(host, 'operator', now, forMs, note);
      return;
    }
    const trust = hosts.book.take(id);
    trust.isolate('operator', now, forMs, note);
    hosts.book.keep(id, trust);
    this.#isolated(id, trust);
  }

  /** What another supernode says of a host, here or away. */
  told({ host: id, ...told }: EventOf<'isolation-told'>, now: Millis): void {
    const { hosts } = this.#core;
    const host = hosts.get(id);
    if (host !== undefined) {
      if (!host.seed && host.trust.isolateTold(told, now)) this.#outOfScheduling(host);
      return;
    }
    const trust = hosts.book.take(id);
    if (trust.isolateTold(told, now)) this.#isolated(id, trust);
    hosts.book.keep(id, trust);
  }

  /** Only what that supernode had said goes. */
  withdrawn({ host: id, by }: EventOf<'isolation-withdrawn'>, now: Millis): void {
    const { hosts, isolated, pairs } = this.#core;
    const trust = this.#trustOf(id);
    if (trust === undefined || !trust.withdraw(by, now)) return;
    const host = hosts.get(id);
    if (trust.isolated) {
      if (host === undefined) this.#isolated(id, trust);
      else this.#outOfScheduling(host);
      return;
    }
    this.#released(id, 'refuted', by);
    if (host === undefined) {
      if (trust.clean) hosts.book.drop(id);
      return;
    }
    isolated.delete(host);
    pairs.mute(host.index, false);
    this.#membership.updateServing(host);
  }

  /** An operator's word, here or (`by`) at another supernode. */
  orderRelease({ host: id, by }: EventOf<'release-ordered'>): void {
    if (by !== undefined && this.#trustOf(id)?.clean !== false) return;
    const { hosts } = this.#core;
    const host = hosts.get(id);
    if (host !== undefined) {
      this.release(host, 'operator', by);
      return;
    }
    hosts.book.drop(id);
    this.#released(id, 'operator', by);
  }

  /** It gives nothing of this content for so long; a longer time that stands already stays. */
  exclude(host: Host, swarm: Swarm, now: Millis, forMs: Millis): void {
    const { excluded } = host.trust;
    const until = now + forMs;
    const before = excluded.get(swarm.content);
    if (before !== undefined && before >= until) return;
    host.watch();
    excluded.set(swarm.content, until);
    this.#core.excluded.add(host);
    if (before !== undefined) return;
    this.#core.out.push({ type: 'excluded', host: host.id, content: swarm.content, until });
    swarm.setServes(swarm.peerOf(host.index), false);
    for (const lease of this.#core.leases.ups(host.index, swarm)) this.#transfers.dropped(lease, true);
  }

  admit(host: Host, swarm: Swarm): void {
    if (host.trust.excluded.delete(swarm.content)) this.#admitted(host, swarm.content);
  }

  /** Lets those back whose time is over. */
  parole(now: Millis): void {
    const { isolated, excluded } = this.#core;
    for (const host of isolated) {
      if (host.live && host.trust.until > now) continue;
      isolated.delete(host);
      if (!host.live) continue;
      host.watch();
      host.trust.paroled();
      this.#core.pairs.mute(host.index, false);
      this.#membership.updateServing(host);
    }
    for (const host of excluded) this.#admitAfter(host, now);
  }

  /** When somebody may come back next; Infinity = nobody waits. */
  get nextAt(): Millis {
    let next = Number.POSITIVE_INFINITY;
    for (const { trust } of this.#core.isolated) next = Math.min(next, trust.until);
    for (const { trust } of this.#core.excluded)
      for (const until of trust.excluded.values()) next = Math.min(next, until);
    return next;
  }

  standing(id: HostId, now: Millis): Standing | undefined {
    return this.#trustOf(id)?.standing(now);
  }

  /** All that is held against anybody, isolated hosts first; of at most so many hosts. */
  remember(now: Millis, most: number): readonly RememberedHost[] {
    const { hosts } = this.#core;
    const here = [...hosts.values()].filter((host) => host.watched && !host.trust.clean);
    const trusts = [...here.map(({ id, trust }) => [id, trust] as const), ...hosts.book.entries()];
    trusts.sort(([, a], [, b]) => Number(b.isolated) - Number(a.isolated));
    return trusts.slice(0, most).map(([id, trust]) => [id, trust.remember(now)] as const);
  }

  /** What was remembered `agoMs` earlier, of hosts that have not come yet. */
  recall(remembered: readonly RememberedHost[], agoMs: Millis, now: Millis): void {
    const { hosts } = this.#core;
    for (const [id, memory] of remembered) {
      if (hosts.get(id) !== undefined) continue;
      const trust = hosts.book.take(id);
      trust.recall(memory, agoMs, now);
      hosts.book.keep(id, trust);
    }
  }

  /** Hosts that are away and isolated. */
  away(now: Millis): readonly HostId[] {
    const { book } = this.#core.hosts;
    return [...book.ids()].filter((id) => (book.find(id) as Trust).isolatedAt(now));
  }

  #isolate(host: Host, reason: IsolationReason, now: Millis, forMs: Millis | null, note?: string): void {
    if (host.seed) return;
    host.trust.isolate(reason, now, forMs, note);
    this.#outOfScheduling(host);
  }

  /** Its trust says that it is isolated. */
  #outOfScheduling(host: Host): void {
    const { isolated, pairs } = this.#core;
    host.watch();
    pairs.mute(host.index, host.trust.mute);
    isolated.add(host);
    this.#isolated(host.id, host.trust);
    this.#membership.updateServing(host);
  }

  #isolated(host: HostId, { reason = 'operator', until, note, by }: Trust): void {
    const said = { ...(note === undefined ? {} : { note }), ...(by === undefined ? {} : { by }) };
    this.#core.out.push({ type: 'isolated', host, reason, until, ...said });
  }

  #released(host: HostId, why: ReleaseReason, by: HostId | undefined): void {
    this.#core.out.push({ type: 'released', host, why, ...(by === undefined ? {} : { by }) });
  }

  #trustOf(id: HostId): Trust | undefined {
    const { hosts } = this.#core;
    return hosts.get(id)?.trust ?? hosts.book.find(id);
  }

  #admitAfter(host: Host, now: Millis): void {
    for (const [content, until] of host.trust.excluded) {
      if (host.live && until > now) continue;
      if (!host.live) continue;
      host.trust.excluded.delete(content);
      this.#admitted(host, content);
    }
    if (!host.live || host.trust.excluded.size === 0) this.#core.excluded.delete(host);
  }

  #admitted(host: Host, content: ContentId): void {
    this.#core.out.push({ type: 'admitted', host: host.id, content });
    if (host.trust.excluded.size === 0) this.#core.excluded.delete(host);
    const swarm = this.#core.swarms.get(content);
    const peer = swarm?.peerOf(host.index) ?? -1;
    if (swarm === undefined || peer < 0 || !host.serves) return;
    swarm.setServes(peer, true);
    this.#core.ready.wakeParent(host.index);
  }
}
