/**
 * Keeps this supernode written down in Redis and reads who else is: one key per member that expires by itself, and one
 * set with their ids. Redis away changes nothing; when it is back the next beat heals everything.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import { checkMember, type Member } from '../../protocol/member.ts';
import type { SupernodeMessage } from '../../protocol/messages.ts';
import { BEAT_MS, Beat } from './beat.ts';
import { type ListedMember, MemberTable, type MemberTimes } from './member-table.ts';
import type { Redis, RedisHealth } from './redis.ts';

export type MembershipOptions = {
  readonly redis: Pick<
    Redis,
    | 'key'
    | 'set'
    | 'getMany'
    | 'delete'
    | 'addToSet'
    | 'removeFromSet'
    | 'membersOfSet'
    | 'keepFor'
    | 'onHealth'
    | 'health'
  >;
  readonly self: Omit<Member, 'state'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every change, to be said to the hosts. */
  readonly onChange: (message: MembersMessage) => void;
};

export type MembersMessage = Extract<SupernodeMessage, { type: 'members' }>;

/** It is gone when it has not written for so long. */
export const MEMBER_TTL_MS = 5_000;
/** The set of ids outlives the cluster by this. */
const SET_TTL_MS = 24 * 3_600_000;
const TIMES: MemberTimes = { returnMs: MEMBER_TTL_MS, freshMs: 3 * BEAT_MS };
/** More is no member that we wrote. */
const MAX_MEMBER_BYTES = 4_096;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #table: MemberTable;
  readonly #beat: Beat;
  #last = '';

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#beat = new Beat(options.redis);
    const startedAt = options.clock.wall();
    this.#table = new MemberTable({ ...options.self, state: 'up', startedAt }, TIMES);
    this.#last = JSON.stringify(this.message);
  }

  start(): void {
    this.#beat.start(() => this.#meet());
  }

  get self(): Member {
    return this.#table.self;
  }

  get draining(): boolean {
    return this.#table.self.state === 'draining';
  }

  get redis(): RedisHealth {
    return this.#options.redis.health;
  }

  /** What hosts are told. */
  get message(): MembersMessage {
    return { type: 'members', fresh: this.#table.fresh(this.#options.clock.now()), members: this.#table.all };
  }

  /** Whether another one can take over. */
  get hasHeir(): boolean {
    return this.#table.hasHeir;
  }

  /** From now on it takes no new tasks; said to hosts at once and written down with the next beat, which is now. */
  drain(): void {
    this.#table.drain();
    this.#tell();
    this.#beat.soon();
  }

  /** Strikes itself off, if Redis is there. */
  async close(): Promise<void> {
    await this.#beat.close();
    const { redis } = this.#options;
    const { id } = this.#table.self;
    await Promise.all([redis.delete(this.#keyOf(id)), redis.removeFromSet(this.#set, id)]).catch(() => {
      // It expires by itself.
    });
  }

  /** Never rejects. */
  async #meet(): Promise<void> {
    try {
      this.#table.read(await this.#exchange(), this.#options.clock.now());
    } catch (error) {
      const fault = Fault.of(error);
      if (fault.code !== 'redis-unreachable') this.#options.log.warn({ fault }, 'the members could not be read');
    }
    if (!this.#beat.closing) this.#tell();
  }

  /** Writes itself down and returns who is there. */
  async #exchange(): Promise<readonly ListedMember[]> {
    const { redis } = this.#options;
    const { self } = this.#table;
    const [ids] = await Promise.all([
      redis.membersOfSet(this.#set),
      redis.set(this.#keyOf(self.id), JSON.stringify(self), MEMBER_TTL_MS),
      redis.addToSet(this.#set, self.id),
      redis.keepFor(this.#set, SET_TTL_MS),
    ]);
    const others = ids.filter((id) => id !== self.id);
    const values = await redis.getMany(others.map((id) => this.#keyOf(id)));
    const expired = others.filter((_, index) => values[index] === undefined);
    await redis.removeFromSet(this.#set, ...expired);
    return values.flatMap((value) => (value === undefined ? [] : this.#parse(value)));
  }

  #parse(value: Buffer): readonly ListedMember[] {
    try {
      if (value.length > MAX_MEMBER_BYTES) throw new Fault('bad-message', 'too long');
      const member: unknown = JSON.parse(value.toString());
      checkMember(member);
      const listed = member as ListedMember;
      return [{ ...listed, startedAt: Number(listed.startedAt) || 0 }];
    } catch (error) {
      this.#options.log.warn({ error }, 'an entry in Redis is no member');
      return [];
    }
  }

  #tell(): void {
    const { message } = this;
    const text = JSON.stringify(message);
    if (text === this.#last) return;
    this.#last = text;
    this.#options.log.info({ fresh: message.fresh, members: message.members }, 'the members of the cluster');
    this.#options.onChange(message);
  }

  get #set(): string {
    return this.#options.redis.key('members');
  }

  #keyOf(id: string): string {
    return this.#options.redis.key('member', id);
  }
}
