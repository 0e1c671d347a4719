/** One supernode of a cluster, as the others and the hosts know it. */
import { amount, broken, fields, text } from './check.ts';
import type { HostId } from './ids.ts';
import { checkHostId } from './shapes.ts';

export type Member = {
  readonly id: HostId;
  /** `host:port` of its sessions and API, with brackets around an IPv6 address. Tasks are shared out by it. */
  readonly place: string;
  /** Its share of the tasks is as large as its part of all weights. */
  readonly weight: number;
  /** A draining one gives its tasks away and takes no new ones. */
  readonly state: 'up' | 'draining';
};

/** Supernodes of one cluster. */
export const MAX_MEMBERS = 64;
export const MAX_WEIGHT = 1000;
const PLACE = /^(?:\[[0-9A-Fa-f:.%]{2,64}\]|[0-9A-Za-z._-]{1,255}):\d{1,5}$/;

/** Throws Fault 'bad-message'. */
export function checkMember(value: unknown): void {
  const member = fields(value, 'member');
  checkHostId(member.id);
  if (!PLACE.test(text(member.place, 'member.place', 300))) broken('member.place');
  if (!(amount(member.weight, 'member.weight') > 0 && Number(member.weight) <= MAX_WEIGHT)) broken('member.weight');
  if (member.state !== 'up' && member.state !== 'draining') broken('member.state');
}

/** `host:port`, with brackets around an IPv6 address. */
export function placeText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
