/**
 * For a Node that is too old to run TypeScript: the packaged one of this checkout runs the program, or the way out is said. Plain JavaScript that
 * Node 14 and later can read.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

export function takeOver(program, url, oldest) {
  const packaged = fileURLToPath(new URL('../node_modules/.bin/node', url));
  if (existsSync(packaged)) {
    runWith(packaged, fileURLToPath(url));
    return;
  }
  const text = `needs Node ${oldest} or newer, this is ${process.versions.node}; install it, or run "npm ci" in the checkout, which brings one along`;
  process.stderr.write(`${program}: ${text}\n`);
  process.exitCode = 2;
}

function runWith(node, script) {
  const child = spawn(node, [script, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code));
}
