/**
 * What every program of ours asks before its first import: is this Node new enough to run TypeScript as it stands? Plain
 * JavaScript, so that an old Node says what is wrong and not where its parser stopped. Nothing is imported before that is known, and Node's own
 * modules not at all: docs/performance.md says what an import of them costs a command.
 */
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
export async function readyNode(program, url) {
  if (!newEnough()) {
    const { takeOver } = await import('./old-node.mjs');
    takeOver(program, url, OLDEST.join('.'));
    return false;
  }
  // A command is over before a small heap would be of use, and would collect it several times.
  if (program !== 'dfget' || process.argv[2] === 'server') keepYoungHeapSmall();
  keepCompiled();
  return true;
}

/**
 * Keeps V8's young generation at the size it starts with, 1 MiB per half; asked before it has grown. What moves bytes makes little
 * garbage, but each read of a socket is a buffer outside the heap that only a collection of the young generation gives back. With
 * a large one these pile up until V8 marks the whole heap: 13 times per 256 MiB from a source, half of the CPU.
 */
function keepYoungHeapSmall() {
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
}

function keepCompiled() {
  // Compiled code is kept per user: halves the time to start. A machine without a home does without.
  const module = process.getBuiltinModule('node:module');
  const { join } = process.getBuiltinModule('node:path');
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME && join(process.env.HOME, '.cache'));
  if (home && module.enableCompileCache) {
    module.enableCompileCache(join(home, 'dragonfly'));
    saveCompiled(module);
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
function saveCompiled(module) {
  if (!module.flushCompileCache) return;
  setTimeout(module.flushCompileCache, FIRST_SAVE_MS).unref();
  setInterval(module.flushCompileCache, SAVE_MS).unref();
}
