/** The swarms that there are, by name and by a small number that rows of hosts and leases can keep. Numbers are used again. */
import type { ContentId } from '../protocol/ids.ts';
import type { HostRows } from './host-rows.ts';
import { Swarm } from './swarm.ts';

export class SwarmTable {
  readonly #hosts: HostRows;
  readonly #byContent = new Map<ContentId, Swarm>();
  readonly #byNumber: (Swarm | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #active = new Set<Swarm>();

  constructor(hosts: HostRows) {
    this.#hosts = hosts;
  }

  get size(): number {
    return this.#byContent.size;
  }

  values(): IterableIterator<Swarm> {
    return this.#byContent.values();
  }

  /** Those in which somebody wants something: few of many, and all that time and every turn have to look at. */
  get active(): ReadonlySet<Swarm> {
    return this.#active;
  }

  setActive(swarm: Swarm, active: boolean): void {
    swarm.active = active;
    if (active) this.#active.add(swarm);
    else this.#active.delete(swarm);
  }

  get(content: ContentId): Swarm | undefined {
    return this.#byContent.get(content);
  }

  at(number: number): Swarm | undefined {
    return this.#byNumber[number];
  }

  add(content: ContentId): Swarm {
    const swarm = new Swarm(content, this.#free.pop() ?? this.#byNumber.length, this.#hosts);
    this.#byNumber[swarm.number] = swarm;
    this.#byContent.set(content, swarm);
    return swarm;
  }

  /** It is not found by its name any more. */
  remove(swarm: Swarm): void {
    this.#byContent.delete(swarm.content);
    this.#active.delete(swarm);
  }

  /** Nothing points to it any more. */
  retire(swarm: Swarm): void {
    this.#byNumber[swarm.number] = undefined;
    this.#free.push(swarm.number);
  }
}
