import type { HostId } from './ids.ts';

/** Where a host stands, from its configuration. Hosts of one `machine` share a kernel: nothing is nearer. */
export type Site = {
  /** Data centre; '' = not said, which is a data centre of its own name. */
  readonly idc: string;
  /** `row|rack|…`, widest first; '' = not said. */
  readonly location: string;
  readonly machine: string;
};

export type HostDescription = {
  readonly id: HostId;
  /** For people: the host name. */
  readonly name: string;
  /** Where its piece server listens; an IPv6 address without brackets. */
  readonly ip: string;
  readonly port: number;
  readonly site: Site;
  /** Software version. */
  readonly version: string;
  /** False for a host that takes but does not give (pattern `cdn`). */
  readonly uploads: boolean;
  /** Configured limits in bytes per second; absent = unlimited. */
  readonly upBytesPerSecond?: number;
  readonly downBytesPerSecond?: number;
};

/** What a child needs to reach a parent. */
export type ParentAddress = { readonly id: HostId; readonly ip: string; readonly port: number };
