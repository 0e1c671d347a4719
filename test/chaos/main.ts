/**
 * `npm run chaos -- --minutes 5 --seed 7`: real supernodes, agents, dfgets and a source, to which bad things happen by a plan that
 * follows from the seed, while files are downloaded all the time. Says what happened and whether all was well; exit code 0 or 1.
 * docs/reliability.md describes it.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canUnshare, runInside } from './own-namespaces.ts';
import { NamespacePlaces, PlainPlaces } from './places.ts';
import { ChaosRun } from './run.ts';
import { type ChaosSettings, readSettings, USAGE } from './settings.ts';

const args = process.argv.slice(2);

/** Namespaces where they can be had: with them the run is started again inside. */
async function outside(settings: ChaosSettings): Promise<number> {
  const dir = realpathSync(mkdtempSync(join(settings.dir ?? tmpdir(), 'chaos-')));
  const isolated = !settings.plain && canUnshare();
  if (!isolated)
    console.log(
      `LEFT OUT: cut links and full disks${settings.plain ? ' (--plain)' : ', because this user cannot make namespaces and mounts (root can)'}`,
    );
  try {
    const rest = args.filter(
      (arg, index) =>
        arg !== '--dir' && args[index - 1] !== '--dir' && arg !== '--seed' && args[index - 1] !== '--seed',
    );
    if (isolated)
      return await runInside(import.meta.filename, [
        ...rest,
        '--seed',
        String(settings.seed),
        '--inside',
        '--dir',
        dir,
      ]);
    return await run({ ...settings, dir });
  } finally {
    if (settings.keep) console.log(`logs and stores are in ${dir}`);
    else rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function run(settings: ChaosSettings & { readonly dir: string }): Promise<number> {
  const stop = new AbortController();
  const end = () => stop.abort();
  if (settings.inside) process.stdin.on('end', end).resume();
  else for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  const places = settings.inside ? new NamespacePlaces() : new PlainPlaces();
  const chaos = new ChaosRun(settings, places);
  try {
    return await chaos.run(stop.signal);
  } finally {
    await chaos.close();
    process.stdin.destroy();
  }
}

if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(USAGE);
  process.exit(0);
}
try {
  const settings = readSettings(args);
  const { dir } = settings;
  process.exitCode = settings.inside && dir !== undefined ? await run({ ...settings, dir }) : await outside(settings);
} catch (error) {
  console.error(`chaos: ${error instanceof Error ? error.stack : error}\n${USAGE}`);
  process.exitCode = 2;
}
