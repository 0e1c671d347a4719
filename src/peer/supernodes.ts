/**
 * All supernodes that this host knows, one link each. A task asks the first healthy one in its own order, so that all
 * hosts of a task meet at the same one for as long as it lives.
 */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import { sleep } from '../io/sleep.ts';
import { Fault } from '../protocol/faults.ts';
import type { TaskId } from '../protocol/ids.ts';
import type { StoredContent } from '../store/store.ts';
import { type Node, orderFor, parseNodes, placeOf } from './node-list.ts';
import { type LinkOptions, SupernodeLink } from './supernode-link.ts';

export type SupernodesOptions = LinkOptions & { readonly nodes: readonly string[] };

/** Links at once, those that downloads name beside the agent's own included. */
const MAX_LINKS = 128;

export class Supernodes {
  readonly #options: SupernodesOptions;
  readonly #own: readonly Node[];
  readonly #links = new Map<string, SupernodeLink>();
  readonly #backoff: Backoff;

  /** Fault usage for a node that cannot be understood. */
  constructor(options: SupernodesOptions) {
    this.#options = options;
    this.#backoff = options.backoff;
    this.#own = parseNodes(options.nodes);
  }

  /** Connects to the agent's own supernodes, which thereby learn what this host holds. */
  start(): void {
    for (const node of this.#own) this.#linkTo(node).start();
  }

  get links(): readonly SupernodeLink[] {
    return [...this.#links.values()];
  }

  /** False when there is none to wait for. */
  knowsAny(nodes: readonly string[]): boolean {
    return nodes.length > 0 || this.#own.length > 0;
  }

  /**
   * The first healthy supernode of the task's order, `except` those. `nodes` empty = the agent's own. Faults: usage, and
   * the last one's reason when none can be reached.
   */
  async pick(task: TaskId, nodes: readonly string[], except: ReadonlySet<string> = new Set()): Promise<SupernodeLink> {
    let fault = new Fault('supernode-unreachable', 'no supernode is configured');
    const links = this.#ordered(task, nodes).filter((link) => !except.has(link.place));
    for (const link of links) {
      try {
        await link.whenUp();
        return link;
      } catch (error) {
        const why = Fault.of(error, 'supernode-unreachable');
        fault = new Fault('supernode-unreachable', `supernode ${link.place}: ${why.message}`, { cause: error });
      }
    }
    throw fault;
  }

  /** As `pick`, but goes on trying until one is there. Fault cancelled. */
  async whenBack(task: TaskId, nodes: readonly string[], signal: AbortSignal): Promise<SupernodeLink> {
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) throw new Fault('cancelled', 'nobody waits for the supernode any more');
      try {
        return await this.pick(task, nodes);
      } catch {
        // Whatever it was: the next round finds out.
        await sleep(backoffMs(this.#backoff, attempt, this.#options.random()), signal);
      }
    }
  }

  /** Tells every connected supernode, except one, that a content lost pieces. */
  tellLost(content: StoredContent, pieces: readonly number[], except: SupernodeLink | undefined): void {
    for (const link of this.#links.values()) {
      if (link !== except) link.send({ type: 'lost', content: content.id, pieces });
    }
  }

  close(reason?: Fault): void {
    for (const link of this.#links.values()) link.close(reason);
    this.#links.clear();
  }

  #ordered(task: TaskId, nodes: readonly string[]): readonly SupernodeLink[] {
    const named = nodes.length === 0 ? this.#own : parseNodes(nodes);
    return orderFor(task, named).map((node) => this.#linkTo(node));
  }

  #linkTo(node: Node): SupernodeLink {
    const place = placeOf(node);
    const known = this.#links.get(place);
    if (known !== undefined) return known;
    if (this.#links.size >= MAX_LINKS) throw new Fault('usage', `more than ${MAX_LINKS} supernodes`);
    const link = new SupernodeLink(node, this.#options);
    this.#links.set(place, link);
    return link;
  }
}
