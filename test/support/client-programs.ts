/** The programs that the tests with real clients need, the Debian packages that have them, and which are missing here. */
import { programPath } from './command.ts';

export type ClientProgram = 'docker-registry' | 'skopeo' | 'containerd' | 'ctr' | 'podman' | 'dockerd' | 'docker';

export const PACKAGES: Readonly<Record<ClientProgram, string>> = {
  'docker-registry': 'docker-registry',
  skopeo: 'skopeo',
  containerd: 'containerd',
  ctr: 'containerd',
  podman: 'podman',
  dockerd: 'docker.io',
  docker: 'docker.io',
};

const ROOT_ONLY: readonly ClientProgram[] = ['containerd', 'ctr', 'podman', 'dockerd', 'docker'];
const isRoot = process.getuid?.() === 0;

/** Why a test with these cannot run here; undefined when it can. */
export function lacking(...programs: readonly ClientProgram[]): string | undefined {
  const missing = programs.filter((name) => programPath(name) === undefined);
  if (missing.length > 0) return `needs ${[...new Set(missing.map((name) => PACKAGES[name]))].join(', ')}`;
  const locked = programs.filter((name) => ROOT_ONLY.includes(name));
  return locked.length > 0 && !isRoot ? `${locked.join(', ')} needs root here` : undefined;
}

/** The title of a test with the reason why it is skipped, if it is. */
export function titled(title: string, lack: string | undefined): string {
  return lack === undefined ? title : `${title} (${lack})`;
}

/** The short form has small layers and leaves out what shows the same thing twice. */
export const isShort = process.env.CLIENTS === 'short';
