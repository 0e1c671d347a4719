/** The supernode's home: its name and the cluster's secret, made once, readable by its user alone. */
import { makeFolder, readSmall, saveOnce } from '../io/disk.ts';
import { randomHex } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';

const SECRET_BYTES = 32;
const OWNER_ONLY = 0o700;

export type Home = { readonly dir: string; readonly id: HostId; readonly secret: Buffer; readonly fresh: boolean };

/** `fresh`: nobody had it before. Fault local-io when the folder cannot be used; usage for a secret file that is too short. */
export async function openHome(dir: string, clusterSecretFile: string | undefined): Promise<Home> {
  await makeFolder(dir, OWNER_ONLY);
  const fresh = (await readSmall(`${dir}/id`)) === undefined;
  const id = parseHostId(await saveOnce(`${dir}/id`, `supernode-${randomHex(8)}`));
  if (id === undefined) throw new Fault('local-io', `${dir}/id holds no host id; remove it`);
  const own = await saveOnce(`${dir}/secret`, randomHex(SECRET_BYTES));
  const text = clusterSecretFile === undefined ? own : await secretIn(clusterSecretFile);
  if (text.length < SECRET_BYTES)
    throw new Fault('usage', `${clusterSecretFile ?? `${dir}/secret`} must hold at least ${SECRET_BYTES} characters`);
  return { dir, id, secret: Buffer.from(text), fresh };
}

async function secretIn(file: string): Promise<string> {
  const bytes = await readSmall(file);
  if (bytes === undefined) throw new Fault('usage', `there is no ${file}; clusterSecretFile names it`);
  return bytes.toString('utf8').trim();
}
