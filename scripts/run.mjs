/**
 * The door to every script: `node scripts/run.mjs SCRIPT [ARGUMENT …]`. Plain JavaScript for the oldest Node that a machine
 * is likely to have (20) and for an empty node_modules: it installs what package-lock.json names, picks a Node that is new
 * enough, and hands over arguments, signals and the exit code.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const modules = join(root, 'node_modules');
const stamp = join(modules, '.installed-for');
const OLDEST_NODE = [22, 19];

/** Whether node_modules holds what the lock file says. Packages for other platforms may be missing. */
function lockIsInstalled(lock) {
  const hidden = join(modules, '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(lock).packages;
  const found = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return (
    Object.entries(found).every(([path, entry]) => wanted[path]?.version === entry.version) &&
    Object.entries(wanted).every(([path, entry]) => path === '' || entry.optional || entry.peer || path in found)
  );
}

function install() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const digest = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  if (!lockIsInstalled(lock)) {
    process.stderr.write('installing the packages of package-lock.json into node_modules (npm ci) …\n');
    const npm = process.env.npm_execpath;
    const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    const options = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
    const done = spawnSync(command, [...first, ...options], { cwd: root, stdio: ['ignore', 2, 2] });
    if (done.status !== 0) {
      process.stderr.write(`npm ci failed${done.error ? `: ${done.error.message}` : ''}; see the lines above\n`);
      process.exit(done.status ?? 1);
    }
  }
  writeFileSync(stamp, digest);
}

function newEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

/** The pinned Node of node_modules, else the running one; DRAGONFLY_NODE names another (to test with the oldest). */
function pickNode() {
  if (process.env.DRAGONFLY_NODE) return process.env.DRAGONFLY_NODE;
  const pinned = join(modules, '.bin', 'node');
  if (existsSync(pinned) && spawnSync(pinned, ['--version']).status === 0) return pinned;
  if (newEnough(process.versions.node)) return process.execPath;
  process.stderr.write(
    `Node >= ${OLDEST_NODE.join('.')} is needed, this is ${process.versions.node}, and there is no packaged Node for ` +
      `${process.platform}-${process.arch}; install one and run this again\n`,
  );
  process.exit(1);
}

const [script, ...rest] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write('usage: node scripts/run.mjs SCRIPT [ARGUMENT …]\n');
  process.exit(2);
}
install();
const child = spawn(pickNode(), [resolve(root, script), ...rest], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${join(modules, '.bin')}${delimiter}${process.env.PATH ?? ''}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  process.stderr.write(`${script} could not be started: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
