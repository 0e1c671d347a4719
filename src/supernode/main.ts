/** `supernode`, `supernode config [default]`, `supernode version`: reads the command line, starts the parts, ends them on a signal. */

import { printSettings } from '../io/config.ts';
import { flagHelp } from '../io/flags.ts';
import { createLog } from '../io/log.ts';
import { version } from '../io/version.ts';
import { EXIT, Fault } from '../protocol/faults.ts';
import { withoutPassword } from './cluster/redis-place.ts';
import { CLOSE_TIMEOUT_MS } from './limits.ts';
import { DEFAULT_FILE, FLAGS, readCommandLine, readSettings, type Settings, SHAPE } from './settings.ts';
import { startSupernode } from './supernode.ts';

const HELP = `supernode: schedules who gets which piece from whom, and reads each content from its source once

usage: supernode [flags]
       supernode config            print the settings in force
       supernode config default    print the defaults
       supernode version

${flagHelp(FLAGS)}

Every setting can also stand in ${DEFAULT_FILE} and in the environment as SUPERNODE_…; docs/supernode.md lists them.
`;

export async function main(args: readonly string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    const fault = Fault.of(error);
    const trace = fault.code === 'internal' && error instanceof Error ? `\n${error.stack}` : '';
    process.stderr.write(`supernode: ${fault.message} (${fault.entry.advice})${trace}\n`);
    process.exitCode = fault.entry.exit;
  }
}

async function run(args: readonly string[]): Promise<void> {
  const line = readCommandLine(args);
  const [command, what] = line.rest;
  if (line.values.help) process.stdout.write(HELP);
  else if (command === 'version') process.stdout.write(`${version()}\n`);
  else if (command === 'config' && what === 'default') process.stdout.write(printSettings(defaults()));
  else if (command === 'config' && what === undefined)
    process.stdout.write(printSettings(shownSettings(readSettings(line, process.env).values)));
  else if (command === undefined) await serve(readSettings(line, process.env).values);
  else throw new Fault('usage', `unknown command ${line.rest.join(' ')}; there are config, config default and version`);
}

function defaults(): Record<string, unknown> {
  return Object.fromEntries(Object.entries(SHAPE).map(([name, shape]) => [name, shape.safeParse(undefined).data]));
}

/** What is printed ends in tickets and chats: a password does not belong there. */
function shownSettings(settings: Settings): Settings {
  return settings.cluster === undefined ? settings : { ...settings, cluster: withoutPassword(settings.cluster) };
}

async function serve(settings: Settings): Promise<void> {
  const log = createLog({ program: 'supernode', level: settings.debug ? 'debug' : 'info' });
  const supernode = await startSupernode(settings, { log, version: version() });
  const { controlPort, downloadPort, address } = supernode;
  log.info({ version: version(), address, controlPort, downloadPort }, 'ready');
  let signals = 0;
  const end = async (): Promise<void> => {
    await supernode.drain();
    // Whatever hangs must not keep the process: everything on disk is safe at any moment.
    setTimeout(() => process.exit(EXIT.ok), CLOSE_TIMEOUT_MS).unref();
    await supernode.close();
  };
  const stop = (signal: NodeJS.Signals): void => {
    signals++;
    log.info({ signal }, signals === 1 ? 'stopping' : 'stopping at once');
    if (signals > 1) process.exit(EXIT.ok);
    else void end().catch((error: unknown) => log.error({ error }, 'the end was not clean'));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
