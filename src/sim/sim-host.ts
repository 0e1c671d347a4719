/**
 * A simulated agent: as a parent it sends what is asked for in order, a few at a time; as a child it fetches what it is
 * told to, proves it and reports it. `truth` is what it really has, whatever anybody believes.
 */
import type { Bitfield } from '../base/bitfield.ts';
import type { FaultCode } from '../protocol/faults.ts';
import type { Site } from '../protocol/host.ts';
import type { ContentId, HostId, LeaseId } from '../protocol/ids.ts';
import type { PieceWindow } from '../protocol/messages.ts';
import type { Wants } from '../scheduler/events.ts';
import { type Flow, Link } from './network.ts';

/** One request of a child at a parent, from the GET to the last byte. */
export type Request = {
  readonly parent: SimHost;
  readonly child: SimHost;
  readonly content: ContentId;
  readonly piece: number;
  readonly bytes: number;
  /** Who assigned it: (supernode, lease). Two supernodes may both have. */
  readonly leases: { readonly supernode: number; readonly lease: LeaseId }[];
  readonly startedAt: number;
  /** Its supernode is told when most of it is there. */
  readonly near: boolean;
  flow: Flow | undefined;
  /** It has one of the connections between the two. */
  connected: boolean;
  open: boolean;
};

export type Copy = {
  readonly truth: Bitfield;
  wants: Wants;
  window: PieceWindow | null;
  doneAt: number | undefined;
  joinedAt: number;
};

export class SimHost {
  readonly id: HostId;
  readonly index: number;
  readonly site: Site;
  readonly seed: boolean;
  readonly up: Link;
  readonly down: Link;
  readonly copies = new Map<ContentId, Copy>();
  /** As a parent. */
  readonly waiting: Request[] = [];
  active = 0;
  readonly serving = new Set<Request>();
  /** As a child, by content and piece. */
  readonly fetching = new Map<string, Request[]>();
  /** As a child, by parent: requests on the way or being answered, and those that wait for their end. */
  readonly connections = new Map<SimHost, { open: number; readonly waiting: Request[] }>();
  alive = true;
  uploads = true;
  /** Sends nothing for a while. */
  stalled = false;
  /** Takes requests and never answers one. */
  mute = false;
  /** Sends wrong bytes. */
  corrupt = false;
  /** Says of good pieces that they are wrong. */
  liar: FaultCode | undefined;
  /** Never reports failures. */
  silent = false;

  constructor(index: number, site: Site, rates: { up: number; down: number }, seed: boolean) {
    this.index = index;
    this.id = `h${index}` as HostId;
    this.site = site;
    this.seed = seed;
    this.up = new Link(rates.up);
    this.down = new Link(rates.down);
  }

  /** It has everything of everything that it wants. */
  get done(): boolean {
    for (const copy of this.copies.values()) if (copy.wants !== 'nothing' && !copy.truth.full) return false;
    return true;
  }
}

export function fetchKey(content: ContentId, piece: number): string {
  return `${content.slice(-8)} ${piece}`;
}
