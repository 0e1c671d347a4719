/**
 * The supernodes that a host may ask: those that it was configured with until one of them has said who the members of
 * the cluster are, and from then on these. Every connected supernode has a view; what counts is the union of the views
 * that are fresh, so that one without Redis hides nobody, and else of all. Without any view the last members stay, and
 * the configured ones come after them: with them everything began, and with them it can begin again.
 */
import type { TaskId } from '../protocol/ids.ts';
import type { Member } from '../protocol/member.ts';
import { type Node, nodeOf, orderFor, placeOf } from './node-list.ts';

export type View = { readonly fresh: boolean; readonly members: readonly Member[] };

/** One that may be asked. `id` is known of members alone. */
export type Candidate = { readonly node: Node; readonly id?: string; readonly draining: boolean };

export class Roster {
  #configured: readonly Node[];
  readonly #views = new Map<string, View>();
  #members: readonly Member[] = [];

  constructor(configured: readonly Node[]) {
    this.#configured = configured;
  }

  get configured(): readonly Node[] {
    return this.#configured;
  }

  /** As the cluster says; empty where it has said nothing. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** Their names stand for other addresses now. */
  configure(nodes: readonly Node[]): void {
    this.#configured = nodes;
  }

  /** What the supernode behind the link called `from` says. True when the members are others now. */
  learn(from: string, view: View): boolean {
    this.#views.set(from, view);
    return this.#merge();
  }

  /** That link is down: its view ages. */
  forget(from: string): boolean {
    return this.#views.delete(from) && this.#views.size > 0 && this.#merge();
  }

  /** Whether a link to that place, or to the supernode of that id, belongs here. */
  includes(place: string, id: string): boolean {
    return (
      this.#configured.some((node) => placeOf(node) === place) ||
      this.#members.some((member) => member.place === place || member.id === id)
    );
  }

  /** Whom to keep a session with. */
  get candidates(): readonly Candidate[] {
    if (this.#members.length === 0) return this.#configured.map((node) => ({ node, draining: false }));
    return this.#members.map((member) => candidateOf(member));
  }

  /** The task's own first; those that drain come last, then the configured ones that are no members by their place. */
  order(task: TaskId): readonly Candidate[] {
    const bootstrap = orderFor(task, this.#configured).map((node) => ({ node, draining: false }));
    if (this.#members.length === 0) return bootstrap;
    const byPlace = new Map(this.#members.map((member) => [member.place, candidateOf(member)]));
    const ordered = orderFor(task, this.#members.map(nodeOf)).flatMap((node) => byPlace.get(placeOf(node)) ?? []);
    return [
      ...ordered.filter(({ draining }) => !draining),
      ...ordered.filter(({ draining }) => draining),
      ...bootstrap.filter(({ node }) => !byPlace.has(placeOf(node))),
    ];
  }

  #merge(): boolean {
    const views = [...this.#views.values()];
    const fresh = views.filter((view) => view.fresh);
    const merged = new Map<string, Member>();
    for (const { members } of fresh.length > 0 ? fresh : views) {
      for (const member of members) {
        const known = merged.get(member.place);
        if (known === undefined || member.state === 'draining') merged.set(member.place, member);
      }
    }
    const members = [...merged.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
    if (JSON.stringify(members) === JSON.stringify(this.#members)) return false;
    this.#members = members;
    return true;
  }
}

function candidateOf(member: Member): Candidate {
  return { node: nodeOf(member), id: member.id, draining: member.state === 'draining' };
}
