/** The settings of an engine and of the agent around it, with their defaults. */
import type { Site } from '../protocol/host.ts';
import type { HostId } from '../protocol/ids.ts';
import type { Marks } from '../store/watermarks.ts';
import type { TransferLimits } from '../transfer/limits.ts';

export type EngineSettings = {
  readonly id: HostId;
  /** For people. */
  readonly name: string;
  readonly version: string;
  readonly site: Site;
  /** `host[:port][=weight]` */
  readonly nodes: readonly string[];
  /** Where others reach this host; absent = the local address of the way to the supernode. */
  readonly ip?: string;
  /** Of the piece server; absent or 0 = one that is free. */
  readonly port?: number;
  readonly listenHost?: string;
  /** False = takes and does not give. */
  readonly uploads: boolean;
  /** Bytes per second; absent = unlimited. */
  readonly downBytesPerSecond?: number;
  readonly upBytesPerSecond?: number;
  /** Pieces in memory, over all downloads. */
  readonly memoryBytes?: number;
  /** Answers that the piece server sends at once. */
  readonly uploadSlots?: number;
  /** The cluster's join token. */
  readonly token?: string;
  readonly transferLimits?: Partial<TransferLimits>;
};

export const ENGINE_DEFAULTS = {
  listenHost: '::',
  /** With Node itself (about 95 MiB) and its heap an agent at work stays under 150 MiB. */
  memoryBytes: 32 * 1024 * 1024,
  /** All that the scheduler keeps outstanding goes out side by side: one slow child then holds up no other. */
  uploadSlots: 16,
  uploadQueue: 1024,
  connectionsPerParent: 2,
  connectTimeoutMs: 1_500,
  reconnect: { firstMs: 200, maxMs: 1_000 },
} as const;

export type AgentSettings = {
  /** Absolute path of the agent's folder. */
  readonly home: string;
  readonly nodes: readonly string[];
  readonly ip?: string;
  readonly port?: number;
  readonly version: string;
  readonly site?: Partial<Site>;
  /** Each way, bytes per second; absent = unlimited. */
  readonly totalLimit?: number;
  /** Used where a request does not say it. Bytes per second; pieces. */
  readonly localLimit?: number;
  readonly minRate?: number;
  readonly clientQueue?: number;
  /** With nothing to do for this long it ends; absent or not above 0 = never. */
  readonly aliveMs?: number;
  /** Contents that nobody used for this long are dropped; absent or not above 0 = never. */
  readonly expireMs?: number;
  /** When contents make room on the disk, and the quota of all; absent = the store's defaults. */
  readonly marks?: Partial<Marks>;
  readonly verbose?: boolean;
  /** Also log to standard error. */
  readonly console?: boolean;
  readonly memoryBytes?: number;
  readonly token?: string;
  /** Asked again on SIGHUP. */
  readonly reloadLimit?: () => Promise<number | undefined>;
};
