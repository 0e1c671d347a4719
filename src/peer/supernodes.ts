/**
 * All supernodes that this host knows, one link each. A task asks the first healthy one in its own order, so that all
 * hosts of a task meet at the same one for as long as it lives. Invariant: at most one session with each supernode, by
 * whatever name it was reached; of two the later counts, as it does for the supernode.
 */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import { sleep } from '../io/sleep.ts';
import { Fault } from '../protocol/faults.ts';
import type { TaskId } from '../protocol/ids.ts';
import type { StoredContent } from '../store/store.ts';
import { inventoryMessages } from './inventory.ts';
import { type Node, placeOf } from './node-list.ts';
import { NodeNames } from './node-names.ts';
import type { Candidate, Roster } from './roster.ts';
import { type LinkOptions, SupernodeLink } from './supernode-link.ts';

export type SupernodesOptions = Omit<LinkOptions, 'onUp' | 'onDown' | 'onView'> & { readonly nodes: readonly string[] };

/** Where a task should be asked for now. `settled`: only once that one has proved to stay. */
export type Move = { readonly to: SupernodeLink; readonly when: 'now' | 'settled' };

/** Links at once, those that downloads name beside the agent's own included. */
const MAX_LINKS = 128;
/** Names may stand for other addresses by now. */
const RESOLVE_MS = 30_000;

export class Supernodes {
  readonly #options: SupernodesOptions;
  readonly #names: NodeNames;
  readonly #links = new Map<string, SupernodeLink>();
  readonly #byId = new Map<string, SupernodeLink>();
  readonly #listeners = new Set<() => void>();
  readonly #backoff: Backoff;
  /** Until a link is healthy again. */
  readonly #healing = new Map<SupernodeLink, NodeJS.Timeout>();
  #resolving: NodeJS.Timeout | undefined;
  #closed = false;

  /** Fault usage for a node that cannot be understood. */
  constructor(options: SupernodesOptions) {
    this.#options = options;
    this.#backoff = options.backoff;
    this.#names = new NodeNames(options.nodes, { patienceMs: options.connectTimeoutMs, log: options.log });
  }

  /** Connects to the agent's own supernodes, which thereby learn what this host holds. */
  start(): void {
    const own = this.#names.own;
    void own.ready.then(() => this.#keepLinks());
    this.#resolving = setInterval(() => this.#resolve(), RESOLVE_MS);
  }

  /** Of the clock that `upAt` of links speaks of. */
  get now(): number {
    return this.#options.clock.now();
  }

  get links(): readonly SupernodeLink[] {
    return [...this.#links.values()];
  }

  /** Called when a link goes up or down, or the members are others. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The piece server of the supernode of that name did not give what was asked; other names are no supernode's. */
  trouble(id: string): void {
    this.#byId.get(id)?.health.saw('pieces', this.now);
  }

  /** False when there is none to wait for. */
  knowsAny(nodes: readonly string[]): boolean {
    return nodes.length > 0 || this.#names.own.roster.configured.length > 0;
  }

  /**
   * The first healthy supernode of the task's order, `except` those. `nodes` empty = the agent's own. One that has failed
   * is waited for only when no other is left. Faults: usage, and the last one's reason when none can be reached.
   */
  async pick(task: TaskId, nodes: readonly string[], except: ReadonlySet<string> = new Set()): Promise<SupernodeLink> {
    const roster = await this.#rosterOf(nodes);
    let fault: Fault | undefined;
    const failed = new Set(except);
    for (;;) {
      const link = this.#next(roster, task, failed);
      if (link === undefined) throw fault ?? new Fault('supernode-unreachable', 'no supernode is configured');
      try {
        await link.whenUp();
        // What it said of the members may have put another one first.
        if (this.#next(roster, task, failed) === link) return link;
      } catch (error) {
        const why = Fault.of(error, 'supernode-unreachable');
        fault = new Fault('supernode-unreachable', `supernode ${link.place}: ${why.message}`, { cause: error });
        failed.add(link.place);
      }
    }
  }

  /** As `pick`, but goes on trying until one is there. Fault cancelled. */
  async whenBack(task: TaskId, nodes: readonly string[], signal: AbortSignal): Promise<SupernodeLink> {
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) throw new Fault('cancelled', 'nobody waits for the supernode any more');
      try {
        return await this.pick(task, nodes);
      } catch {
        // Whatever it was: the next round finds out.
        await this.#untilChanged(backoffMs(this.#backoff, attempt, this.#options.random()), signal);
      }
    }
  }

  /** So long, or until a link comes or goes. */
  async #untilChanged(millis: number, signal: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const unlisten = this.onChange(() => changed.abort());
    await sleep(millis, AbortSignal.any([signal, changed.signal]));
    unlisten();
  }

  /** The supernode at that place and no other: what it promised, no other one keeps. Faults as `pick`. */
  async exactly(place: string): Promise<SupernodeLink> {
    const link = this.#links.get(place);
    if (link === undefined) throw new Fault('supernode-unreachable', `no link with ${place}`);
    await link.whenUp();
    return link;
  }

  /** What is better than that link for the task; undefined when nothing is. */
  review(task: TaskId, nodes: readonly string[], at: SupernodeLink, except: ReadonlySet<string>): Move | undefined {
    const roster = this.#names.known(nodes)?.roster;
    if (roster === undefined) return undefined;
    const order = roster.order(task);
    const places = order.map((candidate) => ({ ...candidate, link: this.#linkOf(candidate) }));
    const { now } = this;
    const up = places.filter(({ link }) => link?.up === true && !except.has(link.place));
    const best = up.find(({ link }) => link?.health.healthy(now)) ?? up.find(({ link }) => link === at) ?? up[0];
    if (best?.link === undefined || best.link === at) return undefined;
    const present = places.find(({ link }) => link === at);
    return { to: best.link, when: present === undefined || present.draining ? 'now' : 'settled' };
  }

  /**
   * Tells every connected supernode what this host holds of a content by now: the one that scheduled it is told as it comes, but only
   * the others can speak of it when that one is gone.
   */
  tellHeld(content: StoredContent): void {
    const messages = inventoryMessages([content]);
    for (const link of this.#links.values()) for (const message of messages) link.send(message);
  }

  /** Tells every connected supernode, except one, that a content lost pieces. */
  tellLost(content: StoredContent, pieces: readonly number[], except: SupernodeLink | undefined): void {
    for (const link of this.#links.values()) {
      if (link !== except) link.send({ type: 'lost', content: content.id, pieces });
    }
  }

  close(reason?: Fault): void {
    this.#closed = true;
    clearInterval(this.#resolving);
    for (const timer of this.#healing.values()) clearTimeout(timer);
    this.#healing.clear();
    this.#listeners.clear();
    for (const link of this.#links.values()) link.close(reason);
    this.#links.clear();
    this.#byId.clear();
  }

  async #rosterOf(nodes: readonly string[]): Promise<Roster> {
    const known = this.#names.known(nodes);
    const named = known ?? this.#names.add(nodes);
    await named.ready;
    if (known === undefined) this.#absorb(named.roster);
    return named.roster;
  }

  /** The first that is up and healthy or was not tried yet; then one that is up; when there is none the first of those that failed lately. */
  #next(roster: Roster, task: TaskId, failed: ReadonlySet<string>): SupernodeLink | undefined {
    const links = roster.order(task).map((candidate) => this.#linkOf(candidate) ?? this.#linkTo(candidate.node));
    const left = links.filter((link) => !failed.has(link.place));
    const { now } = this;
    const healthy = left.find((link) => (link.up && link.health.healthy(now)) || link.untried);
    return healthy ?? left.find((link) => link.up) ?? left[0];
  }

  #linkOf({ node, id }: Candidate): SupernodeLink | undefined {
    return (id === undefined ? undefined : this.#byId.get(id)) ?? this.#links.get(placeOf(node));
  }

  #linkTo(node: Node): SupernodeLink {
    const place = placeOf(node);
    const known = this.#links.get(place);
    if (known !== undefined) return known;
    if (this.#links.size >= MAX_LINKS) throw new Fault('usage', `more than ${MAX_LINKS} supernodes`);
    const link = new SupernodeLink(node, {
      ...this.#options,
      onUp: () => this.#up(link),
      onDown: (wasUp) => this.#down(link, wasUp),
      onView: () => this.#changed(),
    });
    this.#links.set(place, link);
    return link;
  }

  #up(link: SupernodeLink): void {
    const other = this.#byId.get(link.supernode);
    this.#byId.set(link.supernode, link);
    if (other !== undefined && other !== link) other.retire(`it is reached as ${link.place} now`);
    this.#changed();
  }

  #down(link: SupernodeLink, wasUp: boolean): void {
    if (this.#byId.get(link.supernode) === link) this.#byId.delete(link.supernode);
    for (const { roster } of this.#names.all) roster.forget(link.place);
    if (this.#links.get(link.place) !== link) return;
    this.#resolve(link.node.host);
    if (wasUp) this.#changed();
    else this.#keepLinks();
    this.#whenHealthy(link);
  }

  /** What turned away from it may come back then. */
  #whenHealthy(link: SupernodeLink): void {
    const wait = link.health.healsInMs(this.now);
    clearTimeout(this.#healing.get(link));
    this.#healing.delete(link);
    if (wait <= 0 || this.#closed) return;
    const again = () => {
      this.#healing.delete(link);
      this.#changed();
    };
    this.#healing.set(link, setTimeout(again, wait).unref());
  }

  #changed(): void {
    for (const { roster } of this.#names.all) this.#absorb(roster);
    this.#keepLinks();
    for (const listener of this.#listeners) listener();
  }

  /** What the connected supernodes said of the members, as far as they belong there. */
  #absorb(roster: Roster): void {
    let learnt = true;
    while (learnt) {
      learnt = false;
      for (const { up, view, place, supernode } of this.#links.values()) {
        if (up && view !== undefined && roster.includes(place, supernode) && roster.learn(place, view)) learnt = true;
      }
    }
  }

  /** Sessions with all members; with the configured ones as long as there is no member that answers. */
  #keepLinks(): void {
    if (this.#closed) return;
    const { roster } = this.#names.own;
    const wanted = roster.candidates.map((candidate) => this.#linkOf(candidate) ?? this.#linkTo(candidate.node));
    const alone = !wanted.some((link) => link.up);
    for (const node of roster.configured) {
      const link = this.#linkTo(node);
      if (alone) wanted.push(link);
      else if (!link.up && !wanted.includes(link)) link.pause();
    }
    for (const link of wanted) link.keep();
    for (const link of this.links) if (!link.up && !this.#names.includes(link.place)) this.#drop(link);
  }

  #drop(link: SupernodeLink): void {
    this.#links.delete(link.place);
    link.close();
  }

  /** Names may stand for other addresses by now: all, or that one. */
  #resolve(host?: string): void {
    void this.#names.again(host).then((elsewhere) => {
      if (elsewhere && !this.#closed) this.#changed();
    });
  }
}
