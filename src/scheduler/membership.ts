/** Hosts and peers that come and go, and the contents they share. Whatever leaves takes all that it had with it. */
import type { ContentId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { SchedulerEvent } from './events.ts';
import type { Host } from './host-table.ts';
import { downLine, upLine } from './lines.ts';
import type { Swarm } from './swarm.ts';
import type { Transfers } from './transfers.ts';

type EventOf<T extends SchedulerEvent['type']> = Extract<SchedulerEvent, { type: T }>;

export class Membership {
  readonly #core: Core;
  readonly #transfers: Transfers;

  constructor(core: Core, transfers: Transfers) {
    this.#core = core;
    this.#transfers = transfers;
  }

  hostJoined(event: EventOf<'host-joined'>): void {
    const { hosts, swarmsOf, limits } = this.#core;
    let host = hosts.get(event.host);
    if (host !== undefined && (host.site.idc !== event.site.idc || host.seed !== event.seed)) {
      // It stands elsewhere now: nothing that was counted for it is right. Its inventory follows.
      this.#removeHost(host);
      host = undefined;
    }
    if (host === undefined) {
      host = hosts.add(event.host, event.site);
      this.#recall(host);
    }
    if (host.site !== event.site) {
      host.site = event.site;
      for (const swarm of swarmsOf.all(host.index)) swarm.places.set(swarm.peerOf(host.index), host.place);
    }
    host.seed = event.seed;
    const up = upLine(host.index);
    hosts.lines.configure(up, positive(event.upBytesPerSecond));
    hosts.lines.configure(downLine(host.index), positive(event.downBytesPerSecond));
    hosts.lines.setExtra(up, host.seed ? limits.seedExtraPieces : 0);
    this.#transfers.updateRoom(host.index);
    if (host.uploads !== event.uploads) {
      host.uploads = event.uploads;
      this.updateServing(host);
    }
    this.#wake(host);
  }

  /** What is known of it from before. */
  #recall(host: Host): void {
    const { isolated, excluded, pairs, out, now } = this.#core;
    // It was over while the host was away.
    if (host.trust.isolated && !host.trust.isolatedAt(now)) host.trust.paroled();
    const { reason, until, note, by } = host.trust;
    const said = { ...(note === undefined ? {} : { note }), ...(by === undefined ? {} : { by }) };
    if (host.trust.isolated) isolated.add(host);
    if (host.trust.isolated && reason !== undefined)
      out.push({ type: 'isolated', host: host.id, reason, until, ...said, again: true });
    if (host.trust.excluded.size > 0) excluded.add(host);
    if (host.trust.mute) pairs.mute(host.index, true);
    if (!host.trust.clean) host.watch();
  }

  hostLeft(event: EventOf<'host-left'>): void {
    const host = this.#core.hosts.get(event.host);
    if (host !== undefined) this.#removeHost(host);
  }

  contentShaped(event: EventOf<'content-shaped'>): void {
    const { swarms, limits } = this.#core;
    const { content, pieceSize, pieces, lastPieceSize, final } = event;
    if (!isCount(pieces) || pieces > limits.maxPieces || !(pieceSize > 0) || !(lastPieceSize > 0 || pieces === 0))
      return;
    let swarm = swarms.get(content);
    if (swarm === undefined) {
      swarm = swarms.add(content);
      swarm.pieceSize = pieceSize;
    }
    if (pieces < swarm.pieces || swarm.pieceSize !== pieceSize || (swarm.final && !final)) return;
    swarm.shape(pieces, lastPieceSize, final);
    this.#updateActive(swarm);
    for (const peer of swarm.peers()) if (swarm.unmet(peer)) this.#wakePeer(swarm, peer);
  }

  contentClosed(event: EventOf<'content-closed'>): void {
    const { swarms } = this.#core;
    const swarm = swarms.get(event.content);
    if (swarm === undefined) return;
    swarms.remove(swarm);
    for (const peer of [...swarm.peers()]) {
      const host = swarm.hosts[peer];
      if (host !== undefined) this.#takeOut(swarm, host, false);
    }
    swarm.live = false;
    swarms.retire(swarm);
  }

  peerJoined(event: EventOf<'peer-joined'>): void {
    const host = this.#core.hosts.get(event.host);
    const swarm = this.#core.swarms.get(event.content);
    if (host === undefined || swarm === undefined) return;
    this.#removePeer(swarm, host);
    const peer = swarm.join(host, event.held, event.wants);
    this.#setWindow(swarm, peer, event.window ?? null);
    this.#updateActive(swarm);
    const { swarmsOf } = this.#core;
    swarmsOf.enter(host.index, swarm);
    if (swarm.wanting > 0) swarmsOf.activate(host.index, swarm);
    this.#transfers.updateRoom(host.index);
    this.#wakePeer(swarm, peer);
  }

  peerLeft(event: EventOf<'peer-left'>): void {
    const host = this.#core.hosts.get(event.host);
    const swarm = this.#core.swarms.get(event.content);
    if (host === undefined || swarm === undefined) return;
    const peer = swarm.peerOf(host.index);
    if (peer < 0) return;
    if (!event.keeps) {
      this.#removePeer(swarm, host);
    } else {
      this.#dropDowns(swarm, host);
      swarm.setWindow(peer, undefined);
      swarm.setWants(peer, 'nothing');
    }
    this.#updateActive(swarm);
  }

  windowMoved(event: EventOf<'window-moved'>): void {
    const host = this.#core.hosts.get(event.host);
    const swarm = this.#core.swarms.get(event.content);
    if (host === undefined || swarm === undefined) return;
    const peer = swarm.peerOf(host.index);
    if (peer < 0) return;
    this.#setWindow(swarm, peer, event.window);
    if (event.wants !== undefined && swarm.wants(peer) !== 'nothing') swarm.setWants(peer, event.wants);
    this.#updateActive(swarm);
    this.#transfers.updateRoom(host.index);
    this.#wakePeer(swarm, peer);
  }

  /** After isolation, release or a change of `uploads`. Leases at a parent that serves no more end. */
  updateServing(host: Host): void {
    for (const swarm of this.#core.swarmsOf.all(host.index)) {
      swarm.setServes(swarm.peerOf(host.index), host.servesIn(swarm.content));
    }
    if (!host.serves) for (const lease of this.#core.leases.ups(host.index)) this.#transfers.dropped(lease, true);
    else this.#wake(host);
  }

  /** Hosts look only at swarms in which somebody wants something. */
  #updateActive(swarm: Swarm): void {
    const active = swarm.wanting > 0;
    if (active === swarm.active) return;
    const { swarmsOf, swarms } = this.#core;
    swarms.setActive(swarm, active);
    for (const peer of swarm.peers()) {
      const host = swarm.hostOf(peer);
      if (!active) swarmsOf.deactivate(host, swarm);
      else {
        swarmsOf.activate(host, swarm);
        if (swarm.heldCount(peer) > 0) swarm.idle.add(peer);
      }
    }
    if (!active) swarm.idle.clear();
  }

  pieceHeld(swarm: Swarm): void {
    if (swarm.active !== swarm.wanting > 0) this.#updateActive(swarm);
  }

  #removeHost(host: Host): void {
    for (const swarm of [...this.#core.swarmsOf.all(host.index)]) {
      this.#removePeer(swarm, host);
      this.#updateActive(swarm);
    }
    this.#core.swarmsOf.forget(host.index);
    this.#core.pairs.forget(host.index);
    this.#core.hosts.remove(host);
  }

  #removePeer(swarm: Swarm, host: Host): void {
    if (swarm.peerOf(host.index) >= 0) this.#takeOut(swarm, host, true);
  }

  /** `tell` = the children that it was giving to are to hear of it. */
  #takeOut(swarm: Swarm, host: Host, tell: boolean): void {
    for (const lease of this.#core.leases.ups(host.index, swarm)) this.#transfers.dropped(lease, tell);
    this.#dropDowns(swarm, host);
    this.#core.swarmsOf.leave(host.index, swarm);
    const peer = swarm.peerOf(host.index);
    swarm.idle.delete(peer);
    swarm.leave(peer);
  }

  #dropDowns(swarm: Swarm, host: Host): void {
    for (const lease of this.#core.leases.downs(host.index, swarm)) this.#transfers.dropped(lease, false);
  }

  #setWindow(swarm: Swarm, peer: number, window: { from: number; count: number } | null): void {
    const sound = window !== null && isCount(window.from) && isCount(window.count);
    swarm.setWindow(peer, sound ? window : undefined);
  }

  #wakePeer(swarm: Swarm, peer: number): void {
    const { ready } = this.#core;
    const host = swarm.hostOf(peer);
    if (swarm.unmet(peer)) ready.wakeChild(host);
    if (swarm.heldCount(peer) > 0) ready.wakeParent(host);
    for (const seed of swarm.seeds) ready.wakeParent(swarm.hostOf(seed));
  }

  #wake(host: Host): void {
    this.#core.ready.wakeParent(host.index);
    this.#core.ready.wakeChild(host.index);
  }

  swarmOf(content: ContentId): Swarm | undefined {
    return this.#core.swarms.get(content);
  }

  /** Nothing is heard of it: what it gives and gets is given to others, what it holds stays known. */
  hostSilent(event: EventOf<'host-silent'>): void {
    const host = this.#core.hosts.get(event.host);
    if (host === undefined || host.silent || host.seed) return;
    host.silent = true;
    const { leases } = this.#core;
    for (const lease of [...leases.ups(host.index), ...leases.downs(host.index)]) this.#transfers.dropped(lease, true);
    this.#transfers.updateRoom(host.index);
  }

  hostHeard(event: EventOf<'host-heard'>): void {
    const host = this.#core.hosts.get(event.host);
    if (host === undefined || !host.silent) return;
    host.silent = false;
    this.#transfers.updateRoom(host.index);
    this.#wake(host);
  }
}

function positive(rate: number | undefined): number {
  return rate !== undefined && rate > 0 && Number.isFinite(rate) ? rate : 0;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
