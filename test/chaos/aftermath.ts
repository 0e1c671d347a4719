/**
 * After the last fault: everybody has to come back, everything must be obtainable, nothing that a host holds may be read again, and
 * what was opened must be closed.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Contents } from './ask.ts';
import type { Downloads } from './downloads.ts';
import { type Field, type Host, until } from './field.ts';
import { descriptorsOf } from './watch.ts';

const BACK_MS = 45_000;
/** Idle connections rest for up to a minute before they are closed. */
const IDLE_MS = 80_000;
/** Agents look four times a minute at what lies about. */
const SWEPT_MS = 20_000;
const CALM_FILES = 6;
const CALM_HOSTS = 3;
/** Beyond listeners and sessions: a question that is being asked, a pool of one. */
const SPARE_SOCKETS = 3;

/** Hosts that have a session with every supernode again; the rest is returned in words. */
export async function everybodyBack(field: Field): Promise<string[]> {
  const missing = await Promise.all(
    field.hosts.map(async (host) => {
      const isBack = async () => {
        const up = (await field.status(host))?.supernodes.filter((one) => one.up).length ?? 0;
        return up >= field.supernodes.length;
      };
      if (await until(BACK_MS, isBack)) return [];
      return [
        `${host.name} has no session ${BACK_MS / 1000} s after the last fault: ${JSON.stringify(await field.status(host))}`,
      ];
    }),
  );
  return missing.flat();
}

/** Some hosts take the newest files once more, now that all is well; every one must succeed. */
export async function calmDownloads(field: Field, downloads: Downloads): Promise<void> {
  const whole = downloads.files.filter(({ refuse }) => refuse === undefined || refuse.times >= 0);
  for (const file of whole.slice(-CALM_FILES)) {
    const hosts = field.hosts.toSorted((a, b) => (hash(a, file.seed) > hash(b, file.seed) ? 1 : -1));
    await Promise.all(hosts.slice(0, CALM_HOSTS).map((host) => downloads.one(host, file)));
  }
}

function hash({ ip }: Host, seed: number): number {
  return [...ip].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0) * seed) % 10_007, 7);
}

/** What is still open although nothing goes on any more. */
export async function leftOpen(field: Field): Promise<string[]> {
  let left: string[] = [];
  await until(IDLE_MS, async () => {
    left = [...field.hosts, ...field.supernodes].flatMap((machine) => {
      const isHost = machine.party.startsWith('host');
      // Hosts listen twice and have a session with each supernode; a supernode has one with each host (and perhaps with Redis).
      const sessions = isHost ? field.supernodes.length : field.hosts.length;
      const most = 2 + sessions + SPARE_SOCKETS + (field.redis === undefined || isHost ? 0 : 3);
      return field.pidsOf(machine.party).flatMap((pid) => {
        const { sockets, deleted } = descriptorsOf(pid);
        return [
          ...(sockets > most ? [`${machine.party} has ${sockets} sockets open, ${most} are expected at most`] : []),
          ...(deleted.length > 0
            ? [`${machine.party} holds removed files open: ${deleted.slice(0, 3).join(', ')}`]
            : []),
        ];
      });
    });
    return left.length === 0;
  });
  return left;
}

/** Files that nobody needs any more: in outputs, in the trash of stores, folders of contents that are not known. */
export async function leftOnDisk(field: Field): Promise<string[]> {
  let left: string[] = [];
  await until(SWEPT_MS, async () => {
    left = await onDisk(field);
    return left.length === 0;
  });
  return left;
}

async function onDisk(field: Field): Promise<string[]> {
  const all = await Promise.all(
    field.hosts.map(async (host) => {
      const outputs = names(host.out).map((name) => `${host.name}: ${name} beside the outputs`);
      return [...outputs, ...homeLeft(host, await field.contents(host))];
    }),
  );
  return all.flat();
}

function homeLeft({ name, home }: Host, contents: Contents['contents']): string[] {
  const known = new Set(contents.map(({ content }) => content));
  const store = join(home, 'store');
  const found = names(join(store, 'contents')).flatMap((part) => names(join(store, 'contents', part)));
  const expected = new Set(['agent.sock', 'agent.log', 'host.json', 'store']);
  return [
    ...found.filter((id) => !known.has(id)).map((id) => `${name}: content ${id} is on disk and not in the store`),
    ...names(join(store, 'trash')).map((id) => `${name}: ${id} in the trash`),
    ...names(home).flatMap((file) => (expected.has(file) ? [] : [`${name}: ${file} in its home`])),
  ];
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it was never made
  }
}
