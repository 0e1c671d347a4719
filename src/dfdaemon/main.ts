/** `dfdaemon` and its commands: reads the command line, starts the parts, ends them on a signal. */
import { printSettings } from '../io/config.ts';
import { flagHelp } from '../io/flags.ts';
import { createLog } from '../io/log.ts';
import { version } from '../io/version.ts';
import { EXIT, Fault } from '../protocol/faults.ts';
import {
  DEFAULT_FILE,
  FLAGS,
  plainSettings,
  readCommandLine,
  readSettings,
  type Settings,
  SHAPE,
  WITHOUT_EFFECT,
} from './settings.ts';

const HELP = `dfdaemon: stands between a container engine and its registries and lets images travel P2P

usage: dfdaemon [flags]
       dfdaemon configure ENGINE  tell containerd, docker, podman or crio to pull by way of dfdaemon
       dfdaemon gen-ca            make an authority for hosts that are intercepted
       dfdaemon config            print the settings in force
       dfdaemon config default    print the defaults
       dfdaemon version

${flagHelp(FLAGS)}

Every setting can also stand in ${DEFAULT_FILE} and in the environment as DFDAEMON_…; docs/dfdaemon.md lists them.
`;

const CLOSE_TIMEOUT_MS = 10_000;

export async function main(args: readonly string[]): Promise<void> {
  try {
    process.exitCode = await run(args);
  } catch (error) {
    const fault = Fault.of(error);
    const trace = fault.code === 'internal' && error instanceof Error ? `\n${error.stack}` : '';
    const advice = fault.code === 'usage' ? 'see dfdaemon --help' : fault.entry.advice;
    process.stderr.write(`dfdaemon: ${fault.message} (${advice})${trace}\n`);
    process.exitCode = fault.entry.exit;
  }
}

async function run(args: readonly string[]): Promise<number> {
  const [command, ...others] = args;
  if (command === 'gen-ca') return (await import('./gen-ca-command.ts')).genCa(others);
  if (command === 'configure') return (await import('./configure-command.ts')).configure(others);
  const line = readCommandLine(args);
  const [name, what, ...more] = line.rest;
  if (line.values.help || name === 'help') process.stdout.write(HELP);
  else if (name === 'version') process.stdout.write(`dfdaemon ${version()}\n`);
  else if (name === 'config' && what === 'default') process.stdout.write(printSettings(plainSettings(defaults())));
  else if (name === 'config' && what === undefined)
    process.stdout.write(printSettings(plainSettings(readSettings(line, process.env).values)));
  else if (name === undefined && more.length === 0) await serve(readSettings(line, process.env).values);
  else throw new Fault('usage', `unknown command ${line.rest.join(' ')}`);
  return EXIT.ok;
}

function defaults(): Record<string, unknown> {
  return Object.fromEntries(Object.entries(SHAPE).map(([name, shape]) => [name, shape.safeParse(undefined).data]));
}

async function serve(settings: Settings): Promise<void> {
  const { startDaemon } = await import('./daemon.ts');
  const log = createLog({ program: 'dfdaemon', level: settings.verbose ? 'debug' : 'info' });
  const idle = WITHOUT_EFFECT.filter((name) => settings[name] !== undefined);
  if (idle.length > 0) log.warn({ settings: idle }, 'these settings have no effect any more');
  const daemon = await startDaemon(settings, { log, version: version() });
  log.info({ version: version(), address: settings.hostIp, port: daemon.port, home: daemon.home }, 'ready');
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping');
    // Whatever hangs must not keep the process: everything on disk is safe at any moment.
    setTimeout(() => process.exit(EXIT.ok), CLOSE_TIMEOUT_MS).unref();
    void daemon.stop().catch((error: unknown) => log.error({ error }, 'the end was not clean'));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  await daemon.stopped;
}
