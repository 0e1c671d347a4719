/** Which run of the machine's kernel this is. */
import { readSmall } from './disk.ts';

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

/** Names this run of the machine's kernel; undefined where the system does not tell. */
export async function readBootId(): Promise<string | undefined> {
  try {
    return (await readSmall(BOOT_ID_FILE))?.toString('ascii').trim();
  } catch {
    // Not readable is not told; the caller then trusts nothing from before.
    return undefined;
  }
}
