/** The agent's folder: what lies where in it, and the host's id, which is made once and kept. */
import { join } from 'node:path';
import { loadJson, makeFolder } from '../io/disk.ts';
import { newHostId } from '../io/this-host.ts';
import { saveJson } from '../io/whole-file.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';

export type Home = {
  readonly folder: string;
  readonly socket: string;
  readonly log: string;
  readonly store: string;
  /** Held by the dfget that starts the agent. */
  readonly starting: string;
};

export function homeAt(folder: string): Home {
  return {
    folder,
    socket: join(folder, 'agent.sock'),
    log: join(folder, 'agent.log'),
    store: join(folder, 'store'),
    starting: join(folder, 'agent.starting'),
  };
}

/** Fault local-io when the folder cannot be used. A file that is spoilt gives a new id: the old one was no secret. */
export async function hostIdOf(home: Home): Promise<HostId> {
  await makeFolder(home.folder);
  const file = join(home.folder, 'host.json');
  const value: unknown = await loadJson(file);
  const text = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  const known = typeof text === 'string' ? parseHostId(text) : undefined;
  if (known !== undefined) return known;
  const id = newHostId();
  await saveJson(file, { id });
  return id;
}
