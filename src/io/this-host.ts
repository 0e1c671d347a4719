/** What a program can know of the host that it runs on. */
import { isIP } from 'node:net';
import { hostname, networkInterfaces, userInfo } from 'node:os';
import { type HostId, parseHostId } from '../protocol/ids.ts';
import { readBootId } from './boot-id.ts';
import { sha256Hex } from './hash.ts';

/** For people; never empty. */
export function hostName(): string {
  return hostname().slice(0, 255) || 'localhost';
}

/** The same for all that share a kernel, so that containers of one machine know each other; '' where it is not known. */
export async function machineName(): Promise<string> {
  const bootId = await readBootId();
  return bootId === undefined ? '' : sha256Hex(bootId).slice(0, 16);
}

export function thisUser(): { readonly root: boolean; readonly home: string } {
  const { uid, homedir } = userInfo();
  return { root: uid === 0, home: homedir };
}

/** The first address that another machine could reach; IPv4 before IPv6; loopback where there is no other. */
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = all.filter((address) => !address.internal && !address.address.startsWith('fe80:'));
  const best = outside.find((address) => address.family === 'IPv4') ?? outside[0];
  return best?.address ?? '127.0.0.1';
}

/** Where others reach what listens on `bind`: that one address, or the first where it listens on all. */
export function addressOf(bind: string): string {
  return isIP(bind) === 0 || bind === '::' || bind === '0.0.0.0' ? firstAddress() : bind;
}

/** An id that no other host has: readable by its name, unique by its random part. */
export function newHostId(): HostId {
  const name = hostName()
    .replaceAll(/[^0-9A-Za-z._-]/g, '-')
    .slice(0, 64);
  const id = parseHostId(`${name}-${crypto.randomUUID()}`);
  if (id === undefined) throw new Error('a host id that is none');
  return id;
}

/** All addresses of this host's interfaces. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
