/**
 * The supernodes of the cluster as this one knows them, fed with what was read in Redis. Invariant: this one is always
 * in it, and nobody is struck off because Redis was away: only one that is missing while Redis has been answering for
 * some time is gone. Such a delay harms nobody, since hosts see by themselves who answers.
 */
import type { Millis } from '../../base/clock.ts';
import { MAX_MEMBERS, type Member } from '../../protocol/member.ts';

export type MemberTimes = {
  /** After Redis came back, everybody has this long to write himself down again. */
  readonly returnMs: number;
  /** So long after the last answer of Redis the table is no news any more. */
  readonly freshMs: number;
};

/** `startedAt` decides between two that claim one place: the later has it. Milliseconds since 1970. */
export type ListedMember = Member & { readonly startedAt: number };

export class MemberTable {
  readonly #times: MemberTimes;
  #self: ListedMember;
  #others = new Map<string, ListedMember>();
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Since when Redis has answered without a break. */
  #steadySince = Number.NEGATIVE_INFINITY;

  constructor(self: ListedMember, times: MemberTimes) {
    this.#self = self;
    this.#times = times;
  }

  get self(): ListedMember {
    return this.#self;
  }

  drain(): void {
    this.#self = { ...this.#self, state: 'draining' };
  }

  /** All who are written down in Redis now, this one among them or not. */
  read(listed: readonly ListedMember[], now: Millis): void {
    if (now - this.#answeredAt > this.#times.freshMs) this.#steadySince = now;
    this.#answeredAt = now;
    const there = new Map(
      listed.filter(({ id }) => id !== this.#self.id).map((member) => [member.id as string, member]),
    );
    if (now - this.#steadySince < this.#times.returnMs) {
      for (const [id, member] of this.#others) if (!there.has(id)) there.set(id, member);
    }
    this.#others = there;
  }

  /** False when it is not known what became of the others. */
  fresh(now: Millis): boolean {
    return now - this.#answeredAt <= this.#times.freshMs;
  }

  /** This one and the others by their places, each place once. */
  get all(): readonly Member[] {
    const byPlace = new Map<string, ListedMember>();
    for (const member of this.#others.values()) {
      const rival = byPlace.get(member.place);
      if (rival === undefined || rival.startedAt < member.startedAt) byPlace.set(member.place, member);
    }
    byPlace.set(this.#self.place, this.#self);
    const sorted = [...byPlace.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
    const rest = sorted.filter((member) => member !== this.#self).slice(0, MAX_MEMBERS - 1);
    return sorted
      .filter((member) => member === this.#self || rest.includes(member))
      .map(({ id, place, weight, state }) => ({ id, place, weight, state }));
  }

  /** Whether somebody else can take over what this one has. */
  get hasHeir(): boolean {
    return this.all.some(({ id, state }) => id !== this.#self.id && state === 'up');
  }
}
