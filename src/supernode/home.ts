/** The supernode's home: its name and the cluster's secret, made once, readable by its user alone. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Fault } from '../protocol/faults.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';

const SECRET_BYTES = 32;

export type Home = { readonly dir: string; readonly id: HostId; readonly secret: Buffer };

/** Fault local-io when the folder cannot be used; usage for a secret file that is too short. */
export function openHome(dir: string, clusterSecretFile: string | undefined): Home {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const id = parseHostId(once(`${dir}/id`, () => `supernode-${randomBytes(8).toString('hex')}`));
    if (id === undefined) throw new Fault('local-io', `${dir}/id holds no host id; remove it`);
    const own = once(`${dir}/secret`, () => randomBytes(SECRET_BYTES).toString('hex'));
    const text = clusterSecretFile === undefined ? own : readFileSync(clusterSecretFile, 'utf8').trim();
    if (text.length < SECRET_BYTES)
      throw new Fault('usage', `${clusterSecretFile} must hold at least ${SECRET_BYTES} characters`);
    return { dir, id, secret: Buffer.from(text) };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('local-io', `cannot use the home ${dir}: ${(error as Error).message}`, { cause: error });
  }
}

/** Two processes that start at once agree on what the first one wrote. */
function once(path: string, make: () => string): string {
  try {
    writeFileSync(path, `${make()}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}
