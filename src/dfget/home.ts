/** The agent's home: the flag, else `workHome` of the properties, else a folder of the user's own. */
import { Fault } from '../protocol/faults.ts';

const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
const { join, resolve } = process.getBuiltinModule('node:path');

export const DEFAULT_CONFIG = '/etc/dragonfly/dfget.yml';

/** Absolute path. The properties are parsed only when they seem to name a home: parsing costs more than all the rest. */
export async function homeOf(flags: {
  readonly home: string | undefined;
  readonly config: string | undefined;
}): Promise<string> {
  if (flags.config !== undefined && !existsSync(flags.config))
    throw new Fault('usage', `there is no configuration file ${flags.config}`);
  if (flags.home !== undefined && flags.home !== '') return resolve(flags.home);
  const file = flags.config ?? DEFAULT_CONFIG;
  if (existsSync(file) && /^\s*["']?workHome/m.test(readFileSync(file, 'utf8'))) {
    const { readProperties } = await import('./properties.ts');
    const { workHome } = readProperties(file, true);
    if (workHome !== undefined) return resolve(workHome);
  }
  const user = process.env.HOME;
  if (user === undefined || user === '') throw new Fault('usage', 'HOME is not set; name the agent’s home with --home');
  return join(user, '.dragonfly');
}
