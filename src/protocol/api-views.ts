/** What the supernode's API shows, as types: its routes promise them, and the console reads them. */
import type { HostDescription } from './host.ts';
import type { ContentId, HostId, TaskId } from './ids.ts';
import type { Member } from './member.ts';

/** How far a host is trusted as a parent. */
export type HostState = 'ok' | 'limited' | 'isolated' | 'probation';

/** What hosts may be listed by: their state, or something else that is the matter with them. */
export const HOST_FILTERS = ['ok', 'limited', 'isolated', 'probation', 'silent', 'excluding'] as const;
export type HostFilter = (typeof HOST_FILTERS)[number];

export type TrustView = {
  readonly state: HostState;
  /** 0 = nothing is held against it. */
  readonly score: number;
  /** How many others it stems from. */
  readonly witnesses: number;
  /** A fault code, `operator` or `false-witness`. */
  readonly reason?: string;
  /** The operator's words. */
  readonly note?: string;
  /** The other supernode that isolated it. */
  readonly by?: HostId;
  /** Absent when it is not isolated, null when nothing but a release ends it. */
  readonly secondsLeft?: number | null;
  /** Contents of which it gives nothing for now. */
  readonly excluded?: readonly ContentId[];
};

/** A host with a session. */
export type HereView = TrustView &
  HostDescription & {
    readonly connected: true;
    /** ISO 8601. */
    readonly joinedAt: string;
    readonly downloads: number;
    /** Held or downloaded. */
    readonly contents: number;
    /** It is busy and nothing is heard of it. */
    readonly silent: boolean;
  };

/** An isolated host that is away. */
export type AwayView = TrustView & { readonly id: HostId; readonly connected: false };

export type HostView = HereView | AwayView;

/** Numbers of hosts: those that are connected by how far each is trusted, and isolated ones that are away. */
export type HostCounts = {
  readonly connected: number;
  readonly ok: number;
  readonly limited: number;
  readonly isolated: number;
  readonly probation: number;
  readonly silent: number;
  readonly excluding: number;
  readonly isolatedAway: number;
};

export type HostListView = {
  readonly counts: HostCounts;
  /** Hosts that fit what was asked; with a limit, not all of them are in the list. */
  readonly matched: number;
  readonly hosts: readonly HostView[];
};

export const TASK_STATES = ['filling', 'complete', 'broken'] as const;
export type TaskState = (typeof TASK_STATES)[number];

export type TaskView = {
  readonly task: TaskId;
  readonly content: ContentId;
  /** Without credentials and without its query. */
  readonly url: string;
  readonly state: TaskState;
  readonly length: number | null;
  readonly pieceSize: number;
  readonly piecesCached: number;
  /** Hosts in its swarm. */
  readonly hosts: number;
};

export type TaskListView = {
  readonly counts: Readonly<Record<TaskState, number>>;
  readonly matched: number;
  readonly tasks: readonly TaskView[];
};

export type RedisView =
  | { readonly state: 'none' }
  | { readonly state: 'up' | 'down'; readonly place?: string; readonly since: string; readonly why?: string };

export type ClusterView = {
  readonly self: Member;
  readonly members: readonly Member[];
  /** Who the members are was read a moment ago. */
  readonly fresh: boolean;
  readonly redis: RedisView;
};

/** What every refusal looks like. */
export type FaultView = { readonly code: string; readonly message: string; readonly advice?: string };
