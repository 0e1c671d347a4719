/**
 * What every program of ours asks before its first import: is this Node new enough to run TypeScript as it stands? Plain
 * JavaScript that Node 12 and later can read, so that an old Node says what is wrong and not where its parser stopped.
 */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const OLDEST = [22, 19];
/** The first work has been done then, so that its code is saved too. */
const FIRST_SAVE_MS = 5_000;
/** What was loaded later. */
const SAVE_MS = 60_000;

function newEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** True when the caller may go on. Else the packaged Node of this checkout has taken over, or the way out has been said. */
export function readyNode(program, url) {
  if (newEnough()) {
    keepYoungHeapSmall();
    keepCompiled();
    return true;
  }
  const packaged = fileURLToPath(new URL('../node_modules/.bin/node', url));
  if (existsSync(packaged)) {
    takeOver(packaged, fileURLToPath(url));
    return false;
  }
  const text = `needs Node ${OLDEST.join('.')} or newer, this is ${process.versions.node}; install it, or run "npm ci" in the checkout, which brings one along`;
  process.stderr.write(`${program}: ${text}\n`);
  process.exitCode = 2;
  return false;
}

/**
 * Keeps V8's young generation at the size it starts with, 1 MiB per half; asked before it has grown. What moves bytes makes little
 * garbage, but each read of a socket is a buffer outside the heap that only a collection of the young generation gives back. With
 * a large one these pile up until V8 marks the whole heap: 13 times per 256 MiB from a source, half of the CPU.
 */
function keepYoungHeapSmall() {
  setFlagsFromString('--semi-space-growth-factor=1');
}

function keepCompiled() {
  // Compiled code is kept per user: halves the time to start. A machine without a home does without.
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME && join(process.env.HOME, '.cache'));
  if (home && module.enableCompileCache) {
    module.enableCompileCache(join(home, 'dragonfly'));
    saveCompiled();
  }
  // Node 22 warns that it strips types, at every start; each Node does when the console's are stripped.
  const warn = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (!/^(?:Type Stripping|stripTypeScriptTypes)/.test(String(warning))) warn.call(process, warning, ...rest);
  };
}

/**
 * Node writes it when a program ends well; one that is killed after a year would leave nothing, and its successor strip and compile all
 * anew, just when everybody waits for it. Some 80 ms the first time, and less than one whenever nothing is new.
 */
function saveCompiled() {
  if (!module.flushCompileCache) return;
  setTimeout(module.flushCompileCache, FIRST_SAVE_MS).unref();
  setInterval(module.flushCompileCache, SAVE_MS).unref();
}

function takeOver(node, script) {
  // Loaded only here: every start of dfget would pay for it.
  const { spawn } = module.createRequire(import.meta.url)('child_process');
  const child = spawn(node, [script, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code));
}
