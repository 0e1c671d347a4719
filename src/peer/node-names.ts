/**
 * The lists of supernodes that somebody named, the agent's own first, and the addresses behind their names. A name with
 * several addresses counts as that many supernodes; with one it stays the name. What the resolver does not know keeps
 * its last addresses.
 */
import type { Log } from '../io/log.ts';
import { addressesOf, isAddress } from '../io/resolve.ts';
import { sleep } from '../io/sleep.ts';
import { type Node, parseNodes } from './node-list.ts';
import { Roster } from './roster.ts';

export type NamedNodes = {
  readonly roster: Roster;
  /** The names were resolved, or it took too long. Does not reject. */
  readonly ready: Promise<void>;
  readonly nodes: readonly Node[];
};

export type NodeNamesOptions = {
  /** Nobody waits longer for the resolver. */
  readonly patienceMs: number;
  readonly log: Log;
  /** A name is not asked for again before. */
  readonly againMs?: number;
  readonly resolve?: (host: string) => Promise<readonly string[]>;
};

/** Lists that downloads name beside the agent's own. */
const MAX_LISTS = 64;
const ASK_AGAIN_MS = 1_000;

export class NodeNames {
  readonly own: NamedNodes;
  readonly #options: NodeNamesOptions;
  readonly #lists = new Map<string, NamedNodes>();
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #askedAt = new Map<string, number>();

  /** Fault usage. */
  constructor(own: readonly string[], options: NodeNamesOptions) {
    this.#options = options;
    this.own = this.#make(own);
  }

  get all(): Iterable<NamedNodes> {
    return [this.own, ...this.#lists.values()];
  }

  known(nodes: readonly string[]): NamedNodes | undefined {
    return nodes.length === 0 ? this.own : this.#lists.get(nodes.join());
  }

  /** Fault usage. */
  add(nodes: readonly string[]): NamedNodes {
    const named = this.#make(nodes);
    const [oldest] = this.#lists.keys();
    if (this.#lists.size >= MAX_LISTS && oldest !== undefined) this.#lists.delete(oldest);
    this.#lists.set(nodes.join(), named);
    return named;
  }

  includes(place: string): boolean {
    return [...this.all].some(({ roster }) => roster.includes(place, ''));
  }

  /** All names anew, or one whose supernode could not be reached. True when something is elsewhere now. Does not reject. */
  async again(host?: string): Promise<boolean> {
    if (host !== undefined && isAddress(host)) return false;
    const lists = [...this.all].filter(({ nodes }) => host === undefined || nodes.some((node) => node.host === host));
    return (await Promise.all(lists.map((named) => this.#resolve(named)))).includes(true);
  }

  async #resolve({ roster, nodes }: Pick<NamedNodes, 'roster' | 'nodes'>): Promise<boolean> {
    const expanded = await Promise.all(nodes.map((node) => this.#expand(node)));
    const found = expanded.flat();
    if (JSON.stringify(found) === JSON.stringify(roster.configured)) return false;
    roster.configure(found);
    return true;
  }

  #make(texts: readonly string[]): NamedNodes {
    const nodes = parseNodes(texts);
    const roster = new Roster(nodes);
    const named = { roster, nodes, ready: Promise.resolve() };
    if (nodes.every(({ host }) => isAddress(host))) return named;
    const over = new AbortController();
    const resolved = this.#resolve(named).then(() => over.abort());
    return { ...named, ready: Promise.race([resolved, sleep(this.#options.patienceMs, over.signal)]) };
  }

  async #expand(node: Node): Promise<readonly Node[]> {
    if (isAddress(node.host)) return [node];
    const addresses = await this.#addressesOf(node.host);
    return addresses.length < 2 ? [node] : addresses.map((host) => ({ ...node, host }));
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    const known = this.#addresses.get(host);
    const now = performance.now();
    const { againMs = ASK_AGAIN_MS } = this.#options;
    if (known !== undefined && now - (this.#askedAt.get(host) ?? 0) < againMs) return known;
    this.#askedAt.set(host, now);
    try {
      const found = await (this.#options.resolve ?? addressesOf)(host);
      this.#addresses.set(host, found);
      return found;
    } catch (error) {
      this.#options.log.debug({ error, host }, 'a supernode has no address');
      return known ?? [];
    }
  }
}
