/** Who stands behind a connection: by its address where every machine has one of its own, else by the process that has the socket. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Field } from './field.ts';
import type { Party } from './history.ts';

export function whoIs(field: Field, ip: string, port: number): Party {
  const machines = [...field.hosts, ...field.supernodes];
  const plain = ip.replace('::ffff:', '');
  if (!plain.startsWith('127.')) return machines.find((one) => one.ip === plain)?.party ?? 'unknown';
  const inode = socketInode(port);
  if (inode === undefined) return 'unknown';
  return machines.find(({ party }) => field.pidsOf(party).some((pid) => hasSocket(pid, inode)))?.party ?? 'unknown';
}

/** Of the connection's own end: the one whose local port it is. */
function socketInode(port: number): string | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${wanted}`) && fields[9] !== '0') return fields[9];
    }
  }
  return undefined;
}

function hasSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false; // it ended, or closed it, meanwhile
  }
}
